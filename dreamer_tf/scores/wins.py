"""Wins, ties and losses of two agents, with the paper's rule of 5% (section 3.2, Table K1)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.scores import aggregate, budgets, names
from dreamer_tf.scores.report import Report, last_scores

MARGIN = 0.05  # "We define a tie as being within 5% of another"


class Record(NamedTuple):
    """On how many games the first of two agents is better, equal and worse."""

    wins: int
    ties: int
    losses: int


def close(score: float, best: float) -> bool:
    """Whether a score is within 5% of the best one.

    The paper does not say of what. Here it is the size of the best score, as the game counts it:
    not normalized.
    """
    return best - score <= MARGIN * abs(best)


def count(left: Mapping[str, float], right: Mapping[str, float]) -> Record:
    """Counts over the games that both have.

    Args:
      left: game -> score of the first agent, averaged over its runs.
      right: game -> score of the second agent.
    """
    wins = ties = losses = 0
    for game in left.keys() & right.keys():
        low, high = sorted((left[game], right[game]))
        if close(low, high):
            ties += 1
        elif left[game] == high:
            wins += 1
        else:
            losses += 1
    return Record(wins, ties, losses)


def rows(report: Report) -> list[dict[str, Any]]:
    """Wins, ties and losses of the first agent against each other one, on the 55 Atari games."""
    scores = last_scores(report)
    known = aggregate.games()
    means = {
        agent: {game: float(np.mean(runs)) for game, runs in table.items() if game in known}
        for agent, table in scores.items()
    }
    first, *others = report.agents
    ends = budgets.frames(report)
    found = []
    for other in others:
        record = count(means[first], means[other])
        if sum(record):
            row = {"agent": first, "against": other, "games": sum(record), **record._asdict()}
            after = [names.frames(ends[agent]) for agent in (first, other)]
            found.append(row | {"frames": " against ".join(after)})
    return found
