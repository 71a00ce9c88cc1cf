"""The median over 57 Atari games, predicted from few of them (Atari-5; Aitchison et al., 2023).

A linear regression without intercept, between logarithms: of the median gamer normalized score of
an agent, and of its scores on the few games. It is fitted to agents that others published.
"""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.scores import curves, names
from dreamer_tf.scores.report import Report, last_scores

_FIVE = ("battlezone", "doubledunk", "namethisgame", "phoenix", "qbert")
SUBSETS = {
    "atari3": ("battlezone", "namethisgame", "phoenix"),
    "atari5": _FIVE,
    "atari10": (*_FIVE, "amidar", "bowling", "frostbite", "kungfumaster", "riverraid"),
}
LEVEL = 0.9  # of the prediction interval
# Of the published agents of this project that have all 55 games: how many of them have their median
# within the interval. They were measured in other ways than most agents of the regression.
HERE = ("DreamerV2", "Rainbow", "IQN", "C51", "DQN", "DreamerV3", "MuZero", "PPO")
COVERED_HERE = {"atari3": 5, "atari5": 6, "atari10": 3}


class Prediction(NamedTuple):
    """A predicted gamer normalized median with its 90% prediction interval."""

    value: float
    low: float
    high: float


class Model(NamedTuple):
    """A fitted regression."""

    games: tuple[str, ...]
    agents: tuple[str, ...]  # those it is fitted to: the ones with scores on all of the games
    features: np.ndarray  # [agents, games] logarithms
    targets: np.ndarray  # [agents] logarithms of the medians
    weights: np.ndarray  # [games]
    r_squared: float
    margin: float  # of the prediction interval, as a difference of logarithms

    def predict(self, normalized: Mapping[str, float]) -> Prediction:
        """The median of an agent.

        Args:
          normalized: game -> gamer normalized score, 1 for the gamer.
        """
        features = logarithm(np.array([normalized[game] for game in self.games]))
        center = float(features @ self.weights)
        ends = (center, center - self.margin, center + self.margin)
        return Prediction(*((10.0**end - 1.0) / 100.0 for end in ends))


def logarithm(normalized: np.ndarray) -> np.ndarray:
    """log10(1 + 100 score) of gamer normalized scores; those below random play count as 0."""
    return np.log10(1.0 + 100.0 * np.maximum(normalized, 0.0))


@functools.cache
def dataset() -> dict[str, dict[str, float]]:
    """Agent -> game -> gamer normalized score, of the agents that the regression is fitted to."""
    found = json.loads((curves.directory() / "atari5.json").read_text())
    return {
        agent: {game: normalize(game, score) for game, score in scores.items()}
        for agent, scores in found["Agents"].items()
    }


@functools.cache
def _references() -> dict[str, tuple[float, float]]:
    return json.loads((curves.directory() / "atari5.json").read_text())["References"]


def normalize(game: str, score: float) -> float:
    """With the reference scores of the dataset, which has 302.8 for the gamer on James Bond."""
    low, high = _references()[game]
    return (score - low) / (high - low)


@functools.cache
def fit(subset: str) -> Model:
    """Fits the regression of a subset, once.

    Args:
      subset: name in `SUBSETS`.
    """
    games = SUBSETS[subset]
    complete = {name: row for name, row in dataset().items() if set(games) <= set(row)}
    features = logarithm(np.array([[row[game] for game in games] for row in complete.values()]))
    targets = logarithm(np.array([np.median(list(row.values())) for row in complete.values()]))
    weights = solve(features, targets)
    residuals = targets - features @ weights
    r_squared = 1.0 - float(np.sum(residuals**2) / np.sum((targets - targets.mean()) ** 2))
    margin = prediction_margin(features, targets)
    return Model(games, tuple(complete), features, targets, weights, r_squared, margin)


def solve(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Least squares without an intercept: [agents, games] and [agents] give [games]."""
    return np.linalg.lstsq(features, targets, rcond=None)[0]


def left_out(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Residual of every agent under the regression that is fitted to all others."""
    hat = features @ np.linalg.pinv(features)
    return (targets - hat @ targets) / (1.0 - np.diag(hat))


def prediction_margin(features: np.ndarray, targets: np.ndarray) -> float:
    """Half of the width of the 90% prediction interval.

    The quantile of the leave-one-out residuals (the jackknife): about 90% of new agents lie within
    it, if they are drawn like the others. It assumes no distribution.
    """
    sizes = np.sort(np.abs(left_out(features, targets)))
    rank = min(math.ceil(LEVEL * (len(sizes) + 1)), len(sizes))
    return float(sizes[rank - 1])


def covered(subset: str) -> int:
    """How many agents lie in the interval of the regression that has not seen them.

    Their own residuals do not enter the width of that interval either.
    """
    model = fit(subset)
    count = 0
    for number in range(len(model.agents)):
        others = np.arange(len(model.agents)) != number
        features, targets = model.features[others], model.targets[others]
        center = model.features[number] @ solve(features, targets)
        margin = prediction_margin(features, targets)
        count += abs(model.targets[number] - center) <= margin
    return int(count)


def rows(report: Report, subset: str) -> list[dict[str, Any]]:
    """One row for each agent with scores on all games of the subset.

    Raises:
      UserError: no agent has them.
    """
    model = fit(subset)
    scores = last_scores(report)
    known = curves.benchmark_games()
    found = []
    for agent, table in scores.items():
        if not set(model.games) <= set(table):
            continue
        means = {game: normalize(game, float(np.mean(table[game]))) for game in model.games}
        predicted = model.predict(means)
        measured: float | str = ""
        inside = ""
        if set(known) <= set(table):
            measured = _measured(table, known)
            inside = "yes" if predicted.low <= measured <= predicted.high else "no"
        name = agent.removesuffix(", published")
        found.append(
            {
                "agent": agent,
                "from": names.number_of(len(model.games), "game"),
                "predicted median": predicted.value,
                "low": predicted.low,
                "high": predicted.high,
                "median over 55 games": measured,
                "within the interval": inside,
                "one of the regression": "yes" if name in model.agents else "no",
            }
        )
    if not found:
        listed = names.listed((names.game(game) for game in model.games), 10)
        raise UserError(
            f"--subset={subset}: no agent has scores on {listed}, so no median is predicted."
        )
    return found


def _measured(table: Mapping[str, Sequence[float]], games: Sequence[str]) -> float:
    """The median with the reference scores of the dataset."""
    return float(np.median([normalize(game, float(np.mean(table[game]))) for game in games]))
