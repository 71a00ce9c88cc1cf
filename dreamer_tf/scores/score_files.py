"""Score files in Dopamine's record format.

    [{"Iteration": 0, "Value": -20.4, "Agent": "DreamerV2", "Phase": "train", ...}, ...]

`Iteration`, `Value` and `Agent` are Dopamine's; the rest says where the number comes from, so
that two score files are only compared when they mean the same.
"""

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dreamer_tf.errors import UserError
from dreamer_tf.storage.files import replace_text

FILE = "scores.json"


class Score(NamedTuple):
    """Mean return of the episodes of one phase of one iteration."""

    iteration: int
    value: float
    agent: str
    phase: str  # 'train' or 'eval'
    game: str
    seed: int
    frames: int  # environment frames seen in training up to the end of the phase
    episodes: int
    protocol: str
    gin_hash: str
    numerics: int = 1  # `NUMERICS` of the program that wrote it; files before it was counted: 1

    @property
    def configuration(self) -> str:
        """Tells apart what are not seeds of one configuration: its hash, and other numerics."""
        return self.gin_hash if self.numerics == 1 else f"n{self.numerics}-{self.gin_hash}"

    def record(self) -> dict[str, object]:
        """As a record of a score file."""
        return {_key(name): value for name, value in self._asdict().items()}


def _key(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def read(path: str | os.PathLike) -> list[Score]:
    """Reads a score file.

    Raises:
      UserError: the file is not a score file of ours.
    """
    try:
        records = json.loads(Path(path).read_text())
        types = Score.__annotations__
        scores = [
            Score(
                **{
                    name: types[name](record[_key(name)])
                    for name in Score._fields
                    if name not in Score._field_defaults or _key(name) in record
                }
            )
            for record in records
        ]
        _check(scores)
        return scores
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a score file: {type(error).__name__}: {error}") from error


def _check(scores: Iterable[Score]) -> None:
    """A curve needs numbers, in order."""
    last: dict[tuple, int] = {}
    for score in scores:
        if not math.isfinite(score.value):
            raise ValueError(f"the value of iteration {score.iteration} is {score.value}")
        run = score._replace(iteration=0, value=0.0, frames=0, episodes=0)
        if score.frames <= last.get(run, -1):
            raise ValueError(f"the frames of iteration {score.iteration} do not ascend")
        last[run] = score.frames


def write(path: str | os.PathLike, scores: Iterable[Score]) -> None:
    """Writes a score file; a reader sees the old one or the new one, never half of it."""
    lines = ",\n ".join(json.dumps(score.record()) for score in scores)
    replace_text(path, f"[{lines}]\n")
