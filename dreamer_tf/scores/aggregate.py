"""Scores over games: the paper's four aggregates (section 3) and rliable's metrics.

A score is normalized per game and run BEFORE anything is averaged (appendix K).
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.scores import curves

# Game -> score of every run; a table of scores of one agent.
Scores = Mapping[str, Sequence[float]]

AGGREGATES = ("gamer_median", "gamer_mean", "record_mean", "clipped_record_mean")


class Interval(NamedTuple):
    """A point estimate with its 95% stratified bootstrap interval."""

    value: float
    low: float
    high: float


def games() -> list[str]:
    """The 55 games of Table K1."""
    return [str(row["Game"]) for row in curves.table("table_k1")]


def reference(game: str, standard: str) -> tuple[float, float]:
    """Scores that become 0 and 1.

    Args:
      game: its key.
      standard: 'Gamer' or 'Record'.

    Raises:
      UserError: there is no such score for the game.
    """
    for row in curves.table("reference_scores"):
        if row["Game"] == game and standard in row and "Random" in row:
            return float(row["Random"]), float(row[standard])
    raise UserError(f"There is no {standard.lower()} score for the game '{game}'.")


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


def whole_rows(scores: Scores, over: Sequence[str]) -> int:
    """Runs that an agent has on every one of the games."""
    return min(len(scores[game]) for game in over)


def matrix(scores: Scores, over: Sequence[str], standard: str = "Gamer") -> np.ndarray:
    """Normalized scores [runs, games] as rliable takes them.

    Games with more runs than others lose the last ones, because every row needs every game.
    """
    runs = whole_rows(scores, over)
    return np.stack([normalize(game, scores[game][:runs], standard) for game in over], 1)


def intervals(
    scores: Mapping[str, Scores], over: Sequence[str], standard: str = "Gamer", reps: int = 2000
) -> dict[str, dict[str, Interval]]:
    """rliable's aggregates with stratified bootstrap intervals (Agarwal et al., 2021).

    Args:
      scores: agent -> game -> scores.
      over: games that every agent has.
      standard: 'Gamer' or 'Record'.
      reps: bootstrap samples.

    Returns:
      agent -> 'IQM', 'median', 'mean', 'optimality gap' -> interval.
    """
    from rliable import metrics

    functions: dict[str, Callable[[np.ndarray], float]] = {
        "IQM": metrics.aggregate_iqm,
        "median": metrics.aggregate_median,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    matrices = {agent: matrix(table, over, standard) for agent, table in scores.items()}
    points, bounds = _estimate(
        matrices, lambda x: np.array([function(x) for function in functions.values()]), reps
    )
    return {
        agent: {
            name: Interval(float(points[agent][i]), *map(float, bounds[agent][:, i]))
            for i, name in enumerate(functions)
        }
        for agent in matrices
    }


def probability_of_improvement(
    left: Scores, right: Scores, over: Sequence[str], reps: int = 500
) -> Interval:
    """Probability that a run of `left` beats a run of `right` on a random game."""
    from rliable import metrics

    pair = {"pair": (matrix(left, over), matrix(right, over))}
    points, bounds = _estimate(pair, metrics.probability_of_improvement, reps)
    low, high = np.ravel(bounds["pair"])
    return Interval(float(np.ravel(points["pair"])[0]), float(low), float(high))


def _estimate(data: Mapping[str, Any], function: Callable, reps: int) -> tuple[dict, dict]:
    """rliable's point estimates and 95% intervals, the same in every call."""
    from rliable import library

    with warnings.catch_warnings(), _same_samples():
        warnings.simplefilter("ignore", FutureWarning)  # rliable uses arch's old argument
        return library.get_interval_estimates(data, function, reps=reps)


@contextlib.contextmanager
def _same_samples() -> Iterator[None]:
    """rliable draws from NumPy's global generator, whatever it is given."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def performance_profiles(
    scores: Mapping[str, Scores], over: Sequence[str], taus: np.ndarray, reps: int = 200
) -> dict[str, np.ndarray]:
    """Share of runs and games with a gamer normalized score above each tau.

    Args:
      scores: agent -> game -> scores.
      over: games that every agent has.
      taus: [K] normalized scores.
      reps: bootstrap samples.

    Returns:
      agent -> [K, 3]: share, and the ends of its 95% stratified bootstrap interval.
    """
    from rliable import library

    matrices = {agent: matrix(table, over) for agent, table in scores.items()}
    with _same_samples():
        shares, bounds = library.create_performance_profile(matrices, taus, reps=reps)
    return {agent: np.stack([shares[agent], *bounds[agent]], 1) for agent in matrices}


def mean_interval(values: Sequence[float], reps: int = 2000) -> Interval:
    """Mean over runs with its 95% bootstrap interval; the value alone for a single run."""
    array = np.asarray(values, float)
    if len(array) == 1:
        return Interval(float(array[0]), float(array[0]), float(array[0]))
    from arch.bootstrap import IIDBootstrap

    bootstrap = IIDBootstrap(array, seed=np.random.RandomState(0))
    low, high = bootstrap.conf_int(np.mean, reps=reps, method="percentile").ravel()
    return Interval(float(array.mean()), float(low), float(high))
