"""Stratified bootstrap of many samples at once: runs are resampled within each game.

The method is that of rliable (Agarwal et al., 2021). Its functions take one sample at a time, which
takes minutes for 55 games and six agents. These take all of them as arrays. Tests compare both.
"""

import functools
import hashlib
import math
from collections.abc import Sequence

import numpy as np

# One game: the scores of its runs in each sample, [R, n]. Games may have different numbers of runs.
Samples = Sequence[np.ndarray]

_LEVEL = (2.5, 97.5)  # percentiles of a 95% interval
_ROWS = 120  # at most, where games have different numbers of runs
_CHUNK = 1 << 22  # numbers that are sorted at once


def resample(runs: Sequence[np.ndarray], reps: int) -> list[np.ndarray]:
    """Draws runs with replacement within each game.

    The draws depend on the scores alone: the same scores have the same interval on every page, and
    two agents are drawn independently.

    Args:
      runs: [n] scores of each game.
      reps: R, the number of samples.

    Returns:
      [R, n] for each game.
    """
    content = hashlib.sha256(b"".join(np.sort(scores).tobytes() for scores in runs)).digest()
    random = np.random.default_rng(int.from_bytes(content[:8], "big"))
    # Sorted, because the order of runs says nothing.
    return [np.sort(s)[random.integers(0, len(s), (reps, len(s)))] for s in runs]


def widened(values: np.ndarray, runs: Sequence[np.ndarray]) -> np.ndarray:
    """Values of a statistic in samples, with the spread that they have over independent runs.

    A draw of n from n runs has (n-1)/n of the variance of the runs, in however many games. So the
    values are stretched about their mean. Where games have different numbers of runs, the factor is
    that of a mean over games with equal variances.

    Args:
      values: [R] of the samples of `resample`.
      runs: [n] scores of each game.
    """
    counts = np.array([len(scores) for scores in runs if len(scores) > 1], float)
    if not len(counts):
        return values
    factor = np.sqrt(np.sum(1.0 / counts) / np.sum((counts - 1.0) / counts**2))
    return values.mean() + factor * (values - values.mean())


def percentiles(values: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95% percentile interval."""
    low, high = np.percentile(values, _LEVEL, axis=axis)
    return low, high


def even(samples: Samples) -> np.ndarray:
    """Scores [R, rows * games] in which every run of a game appears equally often.

    Games may have different numbers of runs. There are then as many rows as their least common
    multiple. If that is more than 120, there are 120, and some runs appear once more than others.
    """
    counts = [sample.shape[1] for sample in samples]
    rows = min(math.lcm(*counts), _ROWS)
    if all(count == rows for count in counts):
        return np.concatenate(samples, 1)
    picks = np.arange(rows)
    return np.concatenate(
        [np.sort(s, 1)[:, picks * n // rows] for s, n in zip(samples, counts, strict=True)], 1
    )


def iqm(samples: Samples) -> np.ndarray:
    """[R] interquartile means: of the middle half of all runs and games."""
    from scipy import stats

    reps = samples[0].shape[0]
    width = max(1, _CHUNK // (_ROWS * len(samples)))
    parts = [
        stats.trim_mean(even([s[start : start + width] for s in samples]), 0.25, axis=1)
        for start in range(0, reps, width)
    ]
    return np.concatenate(parts)


def means(samples: Samples) -> np.ndarray:
    """[R, games] means over the runs of each game."""
    return np.stack([sample.mean(1) for sample in samples], 1)


def optimality_gap(samples: Samples) -> np.ndarray:
    """[R] mean distance to 1 of the scores below it."""
    return means([np.maximum(1.0 - sample, 0.0) for sample in samples]).mean(1)


def shares_above(samples: Samples, taus: np.ndarray) -> np.ndarray:
    """[R, K] shares of runs and games above each of K scores; every game has the same weight."""
    return np.mean([(s[:, :, None] > taus).mean(1) for s in samples], 0)


def win_rates(left: Samples, right: Samples) -> np.ndarray:
    """[R] probabilities that a run of `left` beats one of `right` on a random game; ties: half."""
    signs = [
        np.sign(a[:, :, None] - b[:, None, :]).mean((1, 2))
        for a, b in zip(left, right, strict=True)
    ]
    return 0.5 + np.mean(signs, 0) / 2


# Runs -> share of 95% intervals of a mean that hold the true mean, for normal returns. A test
# measures them. The field uses such intervals, and they are too narrow for few runs.
COVERAGE = {2: 0.51, 3: 0.75, 4: 0.80, 5: 0.83, 8: 0.88, 10: 0.90, 20: 0.93}


def coverage(runs: int) -> float:
    """Share of 95% intervals of means over so many runs that hold the true mean.

    Args:
      runs: two at least.
    """
    return COVERAGE[max(count for count in COVERAGE if count <= runs)]


def coverage_over_games(runs: int) -> float:
    """Largest share of 95% intervals of an aggregate over many games that hold the true value.

    An aggregate of many games is about normal, and its samples have (n-1)/n of its variance. Where
    a few games have most of the variance, the share is smaller. A test measures both.

    Args:
      runs: n of each game.
    """
    return math.erf(1.96 * math.sqrt((runs - 1) / runs / 2))


@functools.cache
def _draws(count: int, reps: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, count, (reps, count))


def mean_intervals(values: np.ndarray, reps: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95% bootstrap intervals of means over runs.

    Args:
      values: [K, n] of n runs at K points.
      reps: bootstrap samples.

    Returns:
      [K] lower and [K] upper ends. Runs are drawn whole: the same draws at every point.
    """
    drawn = np.sort(values, 1) if len(values) == 1 else values
    return percentiles(drawn[:, _draws(values.shape[1], reps)].mean(2), 1)
