"""Score files in Dopamine's record format.

    [{"Iteration": 0, "Value": -20.4, "Agent": "DreamerV2", "Phase": "train", ...}, ...]

`Iteration`, `Value` and `Agent` are Dopamine's; the rest says where the number comes from, so
that two score files are only compared when they mean the same.
"""

import json
import os
from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from dreamer_tf.errors import UserError, printable
from dreamer_tf.storage.files import read_bytes, replace_text
from dreamer_tf.storage.schema import Count

FILE = "scores.json"
_BYTES = 1 << 26  # the most that a score file may have
Name = Annotated[str, msgspec.Meta(max_length=200)]


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
    workers: int = 1  # of the run: each has episodes, replay and noise of its own

    @property
    def configuration(self) -> str:
        """Tells apart what are not seeds of one configuration.

        It is the hash of the configuration, behind the numerics and the workers where they are not
        1: 'n2-w4-0123456789abcdef'.
        """
        parts = [f"n{self.numerics}"] if self.numerics != 1 else []
        parts += [f"w{self.workers}"] if self.workers != 1 else []
        return "-".join([*parts, self.gin_hash])

    def record(self) -> dict[str, object]:
        """As a record of a score file."""
        return {_key(name): value for name, value in self._asdict().items()}


class _Record(msgspec.Struct, rename="pascal"):
    """A record of a score file, as anybody could have written it."""

    iteration: Count
    value: float
    agent: Name
    phase: Literal["train", "eval"]
    game: Name
    seed: Count
    frames: Count
    episodes: Count
    protocol: Name
    gin_hash: Name
    numerics: Count = 1
    workers: Count = 1


def _key(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def read(path: str | os.PathLike) -> list[Score]:
    """Reads a score file.

    Raises:
      UserError: the file is not a score file of ours.
    """
    try:
        rows = json.loads(read_bytes(path, _BYTES))
        _check_fields(rows)
        found = msgspec.convert(rows, list[_Record])
        scores = [
            Score(*(_clean(getattr(record, name)) for name in Score._fields)) for record in found
        ]
        _check(scores)
        return scores
    except (OSError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        raise UserError(
            f"{path} is not a score file: {type(error).__name__}: {error!s:.300}"
        ) from error


def _clean(value: Any) -> Any:
    """Text without control characters: programs that draw pictures end at some of them."""
    if not isinstance(value, str):
        return value
    value.encode()  # half of a pair of UTF-16 is text in JSON, but no file can hold it
    return printable(value)


def _check_fields(rows: Any) -> None:
    """Names all missing fields at once, because somebody may write such a file by hand."""
    first = rows[0] if isinstance(rows, list) and rows else None
    if isinstance(first, dict):
        needed = (field for field in msgspec.structs.fields(_Record) if field.required)
        missing = [field.encode_name for field in needed if field.encode_name not in first]
        if missing:
            raise ValueError(f"its first record lacks {', '.join(missing)}")


def _check(scores: Iterable[Score]) -> None:
    """A curve needs numbers, in order."""
    last: dict[tuple, int] = {}
    for score in scores:
        # Larger ones overflow in sums and squares.
        if not abs(score.value) <= 1e30:
            raise ValueError(f"the value of iteration {score.iteration} is {score.value}")
        run = score._replace(iteration=0, value=0.0, frames=0, episodes=0)
        if score.frames <= last.get(run, -1):
            raise ValueError(f"the frames of iteration {score.iteration} do not ascend")
        last[run] = score.frames


def write(path: str | os.PathLike, scores: Iterable[Score]) -> None:
    """Writes a score file; a reader sees the old one or the new one, never half of it."""
    lines = ",\n ".join(json.dumps(score.record()) for score in scores)
    replace_text(path, f"[{lines}]\n")
