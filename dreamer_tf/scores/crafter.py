"""The score of Crafter (Hafner, 2021): how often an agent unlocks each achievement."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dreamer_tf.environments.crafter import ACHIEVEMENTS
from dreamer_tf.errors import UserError
from dreamer_tf.scores.run_metrics import load_metrics

_PREFIX = "Train/EpisodeInfo_"  # of what a run logs at the end of an episode of training


class Run(NamedTuple):
    """What a run has unlocked."""

    config: str  # as in `load_metrics`
    seed: int
    steps: int  # agent steps of training at the end of the last episode that counts
    episodes: int
    rates: Mapping[str, float]  # share of episodes, in percent, by the name of the achievement

    @property
    def score(self) -> float:
        """See `score`."""
        return score(self.rates)


def score(rates: Mapping[str, float]) -> float:
    """Geometric mean of success rates, in percent: exp(mean(ln(1 + rate))) - 1 (section 3.3).

    Args:
      rates: percent of the episodes, in [0, 100], by the name of the achievement.

    Raises:
      ValueError: a rate is missing, or the name or the rate is none of Crafter's.
    """
    if set(rates) != set(ACHIEVEMENTS):
        raise ValueError(f"the names are not the {len(ACHIEVEMENTS)} of Crafter: {sorted(rates)}")
    percent = np.array(list(rates.values()), np.float64)
    if not ((percent >= 0) & (percent <= 100)).all():
        raise ValueError(f"a rate is not within 0 and 100 percent: {rates}")
    return float(np.expm1(np.log1p(percent).mean()))


def success_rates(unlocked: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Percent of the episodes that unlocked each achievement.

    Args:
      unlocked: of each episode, 1 or 0 by the name of the achievement, as in Crafter's `info`.
    """
    return {name: _percent([episode[name] for episode in unlocked]) for name in ACHIEVEMENTS}


def runs(
    patterns: str | os.PathLike | Sequence[str | os.PathLike], steps: int | None = None
) -> list[Run]:
    """Success rates of runs, over all their episodes of training, as in the paper.

    Args:
      patterns: base directories of runs, with wildcards, as in "runs/crafter/*/*".
      steps: agent steps; later episodes are left out. By default none is.

    Raises:
      UserError: there is no such run, a file of it is none of ours, or no episode is Crafter's.
    """
    table = load_metrics(patterns)
    found = []
    for (config, seed, directory), rows in table.groupby(["config", "seed", "run"]):
        rows = rows[rows.metric.str.startswith(_PREFIX)]
        if steps is not None:
            rows = rows[rows.steps <= steps]
        values = {
            name: of_name.value.to_numpy()
            for name, of_name in rows.groupby(rows.metric.str.removeprefix(_PREFIX))
            if name in ACHIEVEMENTS
        }
        if set(values) != set(ACHIEVEMENTS):
            within = "" if steps is None else f" within {steps:,} agent steps"
            raise UserError(
                f"{directory} has no finished episode of Crafter{within}: name runs of crafter.gin "
                "that have finished an episode of training."
            )
        rates = {name: _percent(values[name]) for name in ACHIEVEMENTS}
        episodes = len(values[ACHIEVEMENTS[0]])
        found.append(Run(config, int(seed), int(rows.steps.max()), episodes, rates))
    return found


def _percent(unlocked: Sequence[float] | np.ndarray) -> float:
    """Percent of the episodes that unlocked one achievement."""
    return 100 * float(np.mean(np.asarray(unlocked) > 0))
