"""Which agents may be ranked together: those that trained for about as many frames."""

from collections.abc import Sequence

import numpy as np

from dreamer_tf.scores.report import Report, grouped, whole_runs

# Agents whose frames differ by more are not ranked together. Published curves end between 190M and
# 200M frames, and runs end with whole episodes; what was trained twice as long is another question.
SIMILAR = 1.5


def frames(report: Report, over: Sequence[str] | None = None) -> dict[str, float]:
    """Label -> frames of training at which it is compared: mean over runs, median over games.

    Args:
      report: what is compared.
      over: games; all by default. Agents with none of them are left out.
    """
    groups = grouped(report.all)
    found = {}
    for agent in report.agents:
        ends = [
            float(np.mean([curve.end for curve in whole_runs(groups[game, agent])]))
            for game in (report.games if over is None else over)
            if (game, agent) in groups
        ]
        if ends:
            found[agent] = float(np.median(ends))
    return found


def groups(ends: dict[str, float], first: Sequence[str] = ()) -> list[list[str]]:
    """Agents that are ranked together, every agent in one group.

    Args:
      ends: label -> frames.
      first: labels whose groups come first, as those of our own runs do.

    Returns:
      Groups with several agents before single agents, then those with one of the first, then large
      ones. Inside a group the order is that of the agents.
    """
    left = list(ends)
    found = []
    while left:
        # From each agent upwards, so that all pairs of a group are similar.
        near = [[b for b in left if ends[a] <= ends[b] <= SIMILAR * ends[a]] for a in left]
        group = max(near, key=len)
        found.append(group)
        left = [agent for agent in left if agent not in group]
    return sorted(found, key=lambda g: (len(g) < 2, not set(g) & set(first), -len(g)))


def ranked(report: Report, over: Sequence[str] | None = None) -> list[list[str]]:
    """The labels of a report by groups that are ranked together, those of our runs first.

    Args:
      report: what is compared.
      over: games; all by default.
    """
    return groups(frames(report, over), report.ours)
