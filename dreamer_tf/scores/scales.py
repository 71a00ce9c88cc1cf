"""What a normalized score of 0 and of 1 means: on Atari, and on the control suite."""

from collections.abc import Sequence
from typing import NamedTuple

from dreamer_tf.scores import names

HIGHEST = 1000.0  # return of an episode of the control suite: a reward of at most 1 in 1,000 steps


class Scale(NamedTuple):
    """How normalized scores of one suite are read."""

    title: str  # of an axis
    meaning: str  # follows a number
    largest: float  # the end of a linear axis that shows nearly all of them
    statistics: dict[str, str]  # of `aggregate.STATISTICS`, those that make sense -> column


ATARI = Scale(
    "gamer normalized score",
    "where 0 is random play and 1 is a human gamer",
    8.0,
    {name: name for name in names.STATISTICS},
)
CONTROL_SUITE = Scale(
    "return / 1,000",
    "where 1 is a return of 1,000, the highest possible",
    1.0,
    {
        "gamer_median": "median",
        "gamer_mean": "mean",
        "IQM": "IQM",
        "optimality_gap": "optimality_gap",
    },
)


def of(games: Sequence[str]) -> Scale:
    """The scale of games of one suite."""
    return CONTROL_SUITE if games and names.is_of_the_suite(games[0]) else ATARI
