"""Scores over games: the paper's four aggregates (section 3) and rliable's metrics.

A score is normalized per game and run BEFORE anything is averaged (appendix K).
"""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.scores import bootstrap, cache, curves, names, scales

# Game -> score of every run; a table of scores of one agent.
Scores = Mapping[str, Sequence[float]]

AGGREGATES = ("gamer_median", "gamer_mean", "record_mean", "clipped_record_mean")
STATISTICS = (*AGGREGATES, "IQM", "optimality_gap")


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
      game: its key. A task of the control suite has 0 and the highest possible return.
      standard: 'Gamer' or 'Record'.

    Raises:
      UserError: there is no such score for the game.
    """
    if names.is_of_the_suite(game):
        return 0.0, scales.HIGHEST
    row = _references().get(game, {})
    if standard not in row or "Random" not in row:
        raise UserError(f"There is no {standard.lower()} score for the game '{game}'.")
    return float(row["Random"]), float(row[standard])


def has_reference(game: str) -> bool:
    """Whether there is a score of random play and of a gamer."""
    return {"Gamer", "Random"} <= set(_references().get(game, {}))


@functools.cache
def _references() -> dict[str, dict[str, Any]]:
    return {str(row["Game"]): row for row in curves.table("reference_scores")}


def normalize(game: str, scores: Sequence[float] | np.ndarray | float, standard: str) -> np.ndarray:
    """0 for a random policy, 1 for the gamer or the human world record."""
    low, high = reference(game, standard)
    return (np.asarray(scores, float) - low) / (high - low)


def _normalized(samples: bootstrap.Samples, over: Sequence[str], standard: str) -> list[np.ndarray]:
    return [normalize(game, s, standard) for game, s in zip(over, samples, strict=True)]


def _paper(samples: bootstrap.Samples, over: Sequence[str]) -> np.ndarray:
    """The paper's aggregates [R, 4] of samples of scores as the games count them."""
    gamer = bootstrap.means(_normalized(samples, over, "Gamer"))
    record = _normalized(samples, over, "Record")
    return np.stack(
        [
            np.median(gamer, 1),
            gamer.mean(1),
            bootstrap.means(record).mean(1),
            bootstrap.means([np.minimum(s, 1.0) for s in record]).mean(1),
        ],
        1,
    )


def _statistics(samples: bootstrap.Samples, over: Sequence[str]) -> np.ndarray:
    """`STATISTICS` [R, 6]: also rliable's IQM and optimality gap of gamer normalized scores."""
    gamer = _normalized(samples, over, "Gamer")
    more = [bootstrap.iqm(gamer), bootstrap.optimality_gap(gamer)]
    return np.concatenate([_paper(samples, over), np.stack(more, 1)], 1)


def _runs(scores: Scores, over: Sequence[str]) -> list[np.ndarray]:
    return [np.asarray(scores[game], float) for game in over]


def _exactly(runs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The runs themselves, as a sample."""
    return [scores[None] for scores in runs]


def aggregate(scores: Scores) -> dict[str, float]:
    """The paper's four aggregates: normalize, average over runs, then over games.

    Args:
      scores: of one agent.

    Returns:
      name -> value, for the names in `AGGREGATES`.
    """
    over = list(scores)
    values = _paper(_exactly(_runs(scores, over)), over)[0]
    return dict(zip(AGGREGATES, values.tolist(), strict=True))


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
    return {
        agent: _intervals(table, over, _statistics, STATISTICS, reps)
        for agent, table in scores.items()
    }


def paper_intervals(scores: Scores, reps: int = 1000) -> dict[str, Interval]:
    """The paper's four aggregates with stratified bootstrap intervals.

    Args:
      scores: of one agent.
      reps: bootstrap samples.
    """
    return _intervals(scores, list(scores), _paper, AGGREGATES, reps)


def _intervals(
    scores: Scores, over: Sequence[str], function: Callable, names: Sequence[str], reps: int
) -> dict[str, Interval]:
    runs = _runs(scores, over)

    def compute() -> np.ndarray:
        low, high = bootstrap.percentiles(function(bootstrap.resample(runs, reps), over))
        return np.stack([function(_exactly(runs), over)[0], low, high], 1)

    name = f"{function.__name__} {reps}"
    rows = cache.array(name, [*runs, _scales(over)], compute).tolist()
    return {name: Interval(*row) for name, row in zip(names, rows, strict=True)}


def _scales(over: Sequence[str]) -> np.ndarray:
    """What scores are normalized with: a part of what an interval follows from."""
    return np.array([reference(game, kind) for game in over for kind in ("Gamer", "Record")])


def iqm(scores: Scores, over: Sequence[str]) -> float:
    """The interquartile mean of gamer normalized scores."""
    return float(bootstrap.iqm(_normalized(_exactly(_runs(scores, over)), over, "Gamer"))[0])


def iqm_lead(left: Scores, right: Scores, over: Sequence[str], reps: int = 1000) -> Interval:
    """How far the IQM of `left` is above that of `right`, with its 95% bootstrap interval.

    Both are resampled independently. An interval without 0 tells the agents apart; two separate
    intervals that overlap do not say that they are equal. The intervals of `intervals` are those of
    rliable, which are too narrow for few runs; this one, which decides, is widened.
    """

    def values(samples: Sequence[bootstrap.Samples]) -> np.ndarray:
        one, other = (
            bootstrap.widened(bootstrap.iqm(_normalized(drawn, over, "Gamer")), _runs(own, over))
            for drawn, own in zip(samples, (left, right), strict=True)
        )
        return one - other

    return _of_two("iqm lead, widened", left, right, over, values, reps)


def probability_of_improvement(
    left: Scores, right: Scores, over: Sequence[str], reps: int = 500
) -> Interval:
    """Probability that a run of `left` beats a run of `right` on a random game; ties are halves.

    The same as rliable's `metrics.probability_of_improvement`, for any numbers of runs.
    """

    def values(samples: Sequence[bootstrap.Samples]) -> np.ndarray:
        return bootstrap.win_rates(*samples)

    return _of_two("wins", left, right, over, values, reps)


def _of_two(
    name: str, left: Scores, right: Scores, over: Sequence[str], function: Callable, reps: int
) -> Interval:
    runs = [_runs(scores, over) for scores in (left, right)]

    def compute() -> np.ndarray:
        low, high = bootstrap.percentiles(function([bootstrap.resample(r, reps) for r in runs]))
        [value] = function([_exactly(r) for r in runs])
        return np.array([value, low, high])

    inputs = [*runs[0], *runs[1], _scales(over)]
    return Interval(*cache.array(f"{name} {reps}", inputs, compute).tolist())


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
    found = {}
    for agent, table in scores.items():
        runs = [normalize(game, table[game], "Gamer") for game in over]
        found[agent] = cache.array(
            f"profile {reps}", [*runs, taus], functools.partial(_profile, runs, taus, reps)
        )
    return found


def _profile(runs: Sequence[np.ndarray], taus: np.ndarray, reps: int) -> np.ndarray:
    samples = bootstrap.resample(runs, reps)
    low, high = bootstrap.percentiles(bootstrap.shares_above(samples, taus))
    return np.stack([bootstrap.shares_above(_exactly(runs), taus)[0], low, high], 1)


def mean_interval(values: Sequence[float], reps: int = 2000) -> Interval:
    """Mean over runs with its 95% bootstrap interval.

    The interval of a single run is the run itself, the interval of two runs is the two runs.
    """
    array = np.asarray(values, float)
    # One run says nothing about the spread. Tables show no interval then.
    if len(array) == 1:
        return Interval(float(array[0]), float(array[0]), float(array[0]))
    [low], [high] = bootstrap.mean_intervals(array[None], reps)
    return Interval(float(array.mean()), float(low), float(high))


def mean_lead(left: Sequence[float], right: Sequence[float]) -> Interval:
    """How far one mean over runs is above another, with the 95% interval of Welch's t test.

    Few runs are usual on a single game, where a bootstrap interval is too narrow. With a single
    run, or without any spread, there is no interval: its ends are the value.
    """
    from scipy import stats

    one, other = np.asarray(left, float), np.asarray(right, float)
    value = float(one.mean() - other.mean())
    if min(len(one), len(other)) < 2 or not (one.std() or other.std()):
        return Interval(value, value, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one of them may have no spread
        ends = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    return Interval(value, float(ends.low), float(ends.high))
