"""Scores over games: the paper's four aggregates (section 3) and rliable's metrics.

A score is normalized per game and run BEFORE anything is averaged (appendix K).
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.scores import curves

# Game -> score of every run; a table of scores of one agent.
Scores = Mapping[str, Sequence[float]]

AGGREGATES = ("gamer_median", "gamer_mean", "record_mean", "clipped_record_mean")
STATISTICS = (*AGGREGATES, "IQM", "optimality_gap")
_ROWS = 120  # at most, where games have different numbers of runs


class Interval(NamedTuple):
    """A point estimate with its 95% stratified bootstrap interval."""

    value: float
    low: float
    high: float


def games() -> list[str]:
    """The 55 games of Table K1."""
    return list(curves.benchmark_games())


def reference(game: str, standard: str) -> tuple[float, float]:
    """Scores that become 0 and 1.

    Args:
      game: its key.
      standard: 'Gamer' or 'Record'.

    Raises:
      UserError: there is no such score for the game.
    """
    row = _references().get(game, {})
    if standard not in row or "Random" not in row:
        raise UserError(f"There is no {standard.lower()} score for the game '{game}'.")
    return float(row["Random"]), float(row[standard])


@functools.cache
def _references() -> dict[str, dict[str, Any]]:
    return {str(row["Game"]): row for row in curves.table("reference_scores")}


def normalize(game: str, scores: Sequence[float] | float, standard: str) -> np.ndarray:
    """0 for a random policy, 1 for the gamer or the human world record."""
    low, high = reference(game, standard)
    return (np.asarray(scores, float) - low) / (high - low)


def aggregate(scores: Scores) -> dict[str, float]:
    """The paper's four aggregates: normalize, average over runs, then over games.

    Args:
      scores: of one agent.

    Returns:
      name -> value, for the names in `AGGREGATES`.
    """
    gamer = [np.mean(normalize(game, runs, "Gamer")) for game, runs in scores.items()]
    record = {game: normalize(game, runs, "Record") for game, runs in scores.items()}
    return {
        "gamer_median": float(np.median(gamer)),
        "gamer_mean": float(np.mean(gamer)),
        "record_mean": float(np.mean([np.mean(runs) for runs in record.values()])),
        "clipped_record_mean": float(
            np.mean([np.mean(np.minimum(runs, 1.0)) for runs in record.values()])
        ),
    }


def evenly(scores: Scores, over: Sequence[str]) -> np.ndarray:
    """Gamer normalized scores [rows, games] for rliable; every run of a game appears equally often.

    Games may have different numbers of runs. There are then as many rows as their least common
    multiple. If that is more than `_ROWS`, there are `_ROWS`, and some runs appear once more than
    others.
    """
    # rliable takes a matrix, so runs of games with fewer of them are repeated.
    rows = min(math.lcm(*(len(scores[game]) for game in over)), _ROWS)
    columns = []
    for game in over:
        runs = np.sort(normalize(game, scores[game], "Gamer"))
        columns.append(runs[np.arange(rows) * len(runs) // rows])
    return np.stack(columns, 1)


def statistics(scores: Scores, over: Sequence[str]) -> np.ndarray:
    """The paper's aggregates, and rliable's IQM and optimality gap of gamer normalized scores."""
    from rliable import metrics

    values = aggregate({game: scores[game] for game in over})
    matrix = evenly(scores, over)
    return np.array(
        [
            *(values[name] for name in AGGREGATES),
            metrics.aggregate_iqm(matrix),
            metrics.aggregate_optimality_gap(matrix),
        ]
    )


def intervals(
    scores: Mapping[str, Scores], over: Sequence[str], reps: int = 1000
) -> dict[str, dict[str, Interval]]:
    """Aggregates with stratified bootstrap intervals (Agarwal et al., 2021).

    Args:
      scores: agent -> game -> scores of its runs; their numbers may differ.
      over: games that every agent has.
      reps: bootstrap samples.

    Returns:
      agent -> name of `STATISTICS` -> interval.
    """
    found = {}
    for agent, table in scores.items():
        bounds = _bootstrap([table], over, lambda table: statistics(table, over), reps)
        found[agent] = dict(zip(STATISTICS, bounds, strict=True))
    return found


def paper_intervals(scores: Scores, reps: int = 1000) -> dict[str, Interval]:
    """The paper's four aggregates with stratified bootstrap intervals.

    Args:
      scores: of one agent.
      reps: bootstrap samples.
    """

    def values(table: Scores) -> np.ndarray:
        found = aggregate(table)
        return np.array([found[name] for name in AGGREGATES])

    return dict(zip(AGGREGATES, _bootstrap([scores], list(scores), values, reps), strict=True))


def probability_of_improvement(
    left: Scores, right: Scores, over: Sequence[str], reps: int = 500
) -> Interval:
    """Probability that a run of `left` beats a run of `right` on a random game; ties are halves.

    The same as rliable's `metrics.probability_of_improvement`. That function needs equal numbers of
    runs, and computes an exact p-value for every game and sample, which is slow and not used here.
    """

    def probability(left: Scores, right: Scores) -> float:
        beats = [np.sign(np.subtract.outer(left[game], right[game])).mean() for game in over]
        return 0.5 + np.mean(beats) / 2

    return _bootstrap([left, right], over, probability, reps)[0]


def _bootstrap(
    tables: Sequence[Scores], over: Sequence[str], function: Callable, reps: int
) -> list[Interval]:
    """95% percentile intervals of function(*tables), from runs resampled within each game.

    This is rliable's stratified bootstrap, built from the same package (arch), for games with
    different numbers of runs. rliable itself needs equal numbers.
    """
    from arch.bootstrap import IndependentSamplesBootstrap

    def of_samples(*samples: np.ndarray) -> np.ndarray:
        columns = iter(samples)
        return np.atleast_1d(function(*({game: next(columns) for game in over} for _ in tables)))

    runs = [np.asarray(table[game], float) for table in tables for game in over]
    # Seeded: the same scores must give the same intervals on every page.
    bootstrap = IndependentSamplesBootstrap(*runs, seed=np.random.RandomState(0))
    low, high = bootstrap.conf_int(of_samples, reps=reps, method="percentile")
    values = of_samples(*runs)
    return [Interval(*map(float, ends)) for ends in zip(values, low, high, strict=True)]


def performance_profiles(
    scores: Mapping[str, Scores], over: Sequence[str], taus: np.ndarray, reps: int = 200
) -> dict[str, np.ndarray]:
    """Share of runs and games with a gamer normalized score above each tau.

    Args:
      scores: agent -> game -> scores of its runs; their numbers may differ.
      over: games that every agent has.
      taus: [K] normalized scores.
      reps: bootstrap samples.

    Returns:
      agent -> [K, 3]: share, and the ends of its 95% stratified bootstrap interval.
    """
    from rliable import library

    def profile(table: Scores) -> np.ndarray:
        return library.score_distributions(evenly(table, over), list(taus))

    return {
        agent: np.array(_bootstrap([table], over, profile, reps)) for agent, table in scores.items()
    }


def mean_interval(values: Sequence[float], reps: int = 2000) -> Interval:
    """Mean over runs with its 95% bootstrap interval.

    The interval of a single run is the run itself, the interval of two runs is the two runs.
    """
    array = np.asarray(values, float)
    # One run says nothing about the spread. Tables show no interval then.
    if len(array) == 1:
        return Interval(float(array[0]), float(array[0]), float(array[0]))
    from arch.bootstrap import IIDBootstrap

    bootstrap = IIDBootstrap(array, seed=np.random.RandomState(0))
    low, high = bootstrap.conf_int(np.mean, reps=reps, method="percentile").ravel()
    return Interval(float(array.mean()), float(low), float(high))
