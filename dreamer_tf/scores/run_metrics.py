"""What runs have logged, as one table."""

import glob
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import pandas as pd

from dreamer_tf.errors import UserError, printable
from dreamer_tf.scores import score_files
from dreamer_tf.storage import identity
from dreamer_tf.storage.files import read_bytes
from dreamer_tf.storage.schema import Count

METRICS = "metrics/json_lines/metrics.jsonl"
EPISODES = "episodes.jsonl"
COLUMNS = ("config", "game", "seed", "steps", "frames", "metric", "value", "time", "run")
_BYTES = 1 << 30  # the most that a log may have
_STEPS = 2**53  # more would not be exact in a table
_NO_METRICS = ("step", "time")


class _Facts(msgspec.Struct):
    """What is read of a run's `run.json`, as anybody could have written it."""

    seed: Count
    label: str | None = None
    game: str | None = None
    frames_per_step: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None


class _Row(NamedTuple):
    """One value."""

    steps: int | None
    frames: int | None
    metric: str
    value: float
    time: str | None


class _Episode(msgspec.Struct):
    """A row of `episodes.jsonl`."""

    phase: str
    step: Count
    frames: Count
    value: float = msgspec.field(name="return")
    length: Count
    time: str
    info: dict[str, float] = {}


def load_metrics(patterns: str | os.PathLike | Sequence[str | os.PathLike]) -> pd.DataFrame:
    """Everything that runs have logged, one value a row.

    Args:
      patterns: base directories of runs, with wildcards, as in "runs/*/*/*".

    Returns:
      Columns: `config` (the label of the run, or the directory that names its configuration),
      `game`, `seed`, `steps` (agent steps of training), `frames` (environment frames), `metric` (a
      name of docs/metrics.md; returns and lengths of episodes too), `value`, `time` (UTC) and `run`
      (the base directory). Runs that 0.1.0 began have older lines without a time: there, `frames`
      is known for iterations only, and `steps` for `Agent/*` and `Dream/*` only.

    Raises:
      UserError: there is no run in such a place, or a file of a run is none of ours.
    """
    if isinstance(patterns, str | os.PathLike):
        patterns = [patterns]
    named = [directory for pattern in patterns for directory in _directories(pattern)]
    if not named:
        raise UserError("load_metrics([]): name base directories, as in 'runs/*/*/*'.")
    # One run may be found in several ways.
    runs = {os.path.realpath(directory): directory for directory in reversed(named)}
    parts = [_run(directory) for directory in reversed(runs.values())]
    table = pd.concat(parts, ignore_index=True)
    whole = {"seed": "int64", "steps": "Int64", "frames": "Int64", "value": "float64"}
    table = table.astype(whole)
    table["time"] = pd.to_datetime(table["time"], utc=True, format="ISO8601", errors="coerce")
    return table


def _directories(pattern: str | os.PathLike) -> list[str]:
    text = os.fspath(pattern)
    around = [identity.run_around(path) for path in sorted(glob.glob(text))]
    found = list(dict.fromkeys(os.fspath(path) for path in around if path is not None))
    if not found:
        raise UserError(
            f"load_metrics({text!r}): there is no run in such a place; name base directories, as "
            "in 'runs/*/*/*'."
        )
    return found


def _run(directory: str) -> pd.DataFrame:
    facts = _facts(directory)
    scores = _scores(directory)
    game = facts.game or (scores[0].game if scores else Path(directory).absolute().parent.name)
    frames = {(score.phase, score.iteration): score.frames for score in scores}
    rows = [*_metrics(directory, facts.frames_per_step, frames), *_episodes(directory)]
    table = pd.DataFrame(rows, columns=list(_Row._fields))
    return table.assign(
        config=facts.label or _configuration(directory, game, facts.seed),
        game=game,
        seed=facts.seed,
        run=directory,
    )[list(COLUMNS)]


def _facts(directory: str) -> _Facts:
    path = Path(directory, identity.FILE)
    try:
        found = identity.facts(directory)
        return msgspec.convert(found, _Facts)
    except (OSError, msgspec.ValidationError, RecursionError) as error:
        raise _foreign(path, error) from error


def _scores(directory: str) -> list[score_files.Score]:
    path = Path(directory, score_files.FILE)
    return score_files.read(path) if os.path.lexists(path) else []


def _configuration(directory: str, game: str, seed: int) -> str:
    """The part of `runs/<config>/<game>/<seed>` or `<config>/<seed>`, or the directory itself."""
    *above, folder, last = Path(directory).absolute().parts
    if last != str(seed):
        return last
    # A name that no path can hold has a hash behind it.
    of_game = folder == game or "~" in folder
    return above[-1] if of_game and len(above) > 1 else folder


def _metrics(
    directory: str, frames_per_step: int | None, by_iteration: dict[tuple[str, int], int]
) -> Iterator[_Row]:
    for path, line in _lines(directory, METRICS):
        step, time = line.get("step"), line.get("time")
        if type(step) is not int or not 0 <= step <= _STEPS:
            raise _foreign(path, ValueError("a line has no step"))
        if not (time is None or isinstance(time, str)):
            raise _foreign(path, ValueError("a time is no text"))
        for name, value in line.items():
            if name in _NO_METRICS:
                continue
            if type(value) not in (int, float) or (isinstance(value, int) and abs(value) > _STEPS):
                raise _foreign(path, ValueError(f"the value of {name:.50} is no number"))
            phase = name.partition("/")[0].lower()
            if time is None and phase in ("train", "eval"):  # `step` was the iteration
                yield _Row(None, by_iteration.get((phase, step)), name, value, time)
                continue
            frames = None if frames_per_step is None else step * frames_per_step
            yield _Row(step, frames, name, value, time)


def _episodes(directory: str) -> Iterator[_Row]:
    for path, line in _lines(directory, EPISODES):
        try:
            row = msgspec.convert(line, _Episode)
        except msgspec.ValidationError as error:
            raise _foreign(path, error) from error
        common = (row.step, row.frames)
        phase = row.phase.title()
        yield _Row(*common, f"{phase}/EpisodeReturn", row.value, row.time)
        yield _Row(*common, f"{phase}/EpisodeLength", float(row.length), row.time)
        for name, value in row.info.items():
            yield _Row(*common, f"{phase}/EpisodeInfo_{name}", value, row.time)


def _lines(directory: str, name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Objects of a log; none if there is no such file. Half of a last line is left out."""
    path = Path(directory, name)
    try:
        # Not whole as objects: a log of a long run has millions of lines.
        data = read_bytes(path, _BYTES, below=directory)
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            found = json.loads(line)
            if not isinstance(found, dict):
                raise ValueError("a line is no object")
            yield path, found
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:
        raise _foreign(path, error) from error


def _foreign(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(
        f"{path} is not what a run writes ({printable(reason)[:200]}): restore it from a copy, or "
        "leave this run out."
    )
