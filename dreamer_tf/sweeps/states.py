"""How far the runs of a sweep are, read from their directories."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from dreamer_tf.experiment import episodes
from dreamer_tf.scores.score_files import Score
from dreamer_tf.storage import lease
from dreamer_tf.storage.checkpoints import CheckpointStore
from dreamer_tf.storage.files import open_file, read_bytes
from dreamer_tf.sweeps.home import Home
from dreamer_tf.sweeps.plan import Run

DONE, RUNNING, SAVED, MISSING, FAILED = "done", "running", "saved", "missing", "failed"
KINDS = (RUNNING, FAILED, SAVED, MISSING, DONE)
_MOST_BYTES = 1 << 26  # of the state in a checkpoint
_TAIL = 1 << 16  # bytes at the end of a log that are read


class State(NamedTuple):
    """One line of the table."""

    run: Run
    kind: str  # one of `KINDS`
    steps: int = 0  # agent steps
    rate: float | None = None  # frames per second
    last_return: float | None = None
    hours_left: float | None = None
    host: str = ""
    sentence: str = ""  # why it failed


class _Runner(msgspec.Struct):
    iteration: int
    scores: list[Score] = []


class _Agent(msgspec.Struct):
    agent_steps: int = 0


class _Saved(msgspec.Struct):
    """The part of a checkpoint's state that a sweep reads."""

    runner: _Runner
    agent: _Agent


class _Read(NamedTuple):
    """A checkpoint that was read."""

    number: int
    written: int  # nanoseconds since 1970
    state: _Saved


class _Row(msgspec.Struct):
    """The part of a row of `episodes.jsonl` that a sweep reads."""

    step: int
    frames: int
    seconds: float
    value: float = msgspec.field(name="return")


class Watcher:
    """Looks at runs again and again, and reads only what is new."""

    def __init__(self, home: Home):
        """Begins without knowledge.

        Args:
          home: of the sweep.
        """
        self._home = home
        self._read: dict[str, _Read] = {}  # by base directory

    def look(self, runs: Iterable[Run]) -> list[State]:
        """The states of runs."""
        return [self._look(run) for run in runs]

    def _look(self, run: Run) -> State:
        holder = lease.running(run.base_dir)
        read = self._checkpoint(run.base_dir)
        if read is None and holder is None:
            failure = self._failure(run)
            return State(run, MISSING if failure is None else FAILED, sentence=failure or "")
        steps, last = 0, None
        if read is not None:
            steps = read.state.agent.agent_steps
            last = read.state.runner.scores[-1].value if read.state.runner.scores else None
        if holder is not None:
            return _running(run, holder.host, steps, last)
        wanted = run.iterations
        if wanted is not None and read is not None and read.state.runner.iteration >= wanted:
            # An older failure of this sweep says nothing about a run that was finished after it.
            kind, failure = DONE, self._failure(run, after=read.written)
        else:
            kind, failure = SAVED, self._failure(run)
        if failure is not None:
            return State(run, FAILED, steps, None, last, sentence=failure)
        return State(run, kind, steps, None, last)

    def _failure(self, run: Run, after: int = 0) -> str | None:
        """What a process said that failed after a time, in nanoseconds since 1970."""
        outcome = self._home.outcome(run)
        if outcome is None or outcome.code in (0, 75) or outcome.ended * 1e9 < after:
            return None
        return outcome.sentence

    def _checkpoint(self, base_dir: str) -> _Read | None:
        """The newest checkpoint whose state can be read."""
        store = CheckpointStore(os.path.join(base_dir, "checkpoints"))
        for number in reversed(store.numbers()):
            path = store.path(number) / "state.json"
            with contextlib.suppress(OSError, ValueError, RecursionError, msgspec.MsgspecError):
                written = os.stat(path).st_mtime_ns
                read = self._read.get(base_dir)
                if read is None or (read.number, read.written) != (number, written):
                    # Only the part that is named there is decoded.
                    data = read_bytes(path, _MOST_BYTES, below=base_dir)
                    state = msgspec.json.decode(data, type=_Saved)
                    read = self._read[base_dir] = _Read(number, written, state)
                return read
        return None


def _running(run: Run, host: str, steps: int, last: float | None) -> State:
    rows = newest(run.base_dir)
    if not rows:
        return State(run, RUNNING, steps, None, last, None, host)
    first, newest_row = rows[0], rows[-1]
    steps = max(steps, newest_row.step)
    rate = hours = None
    seconds, frames = newest_row.seconds - first.seconds, newest_row.frames - first.frames
    if seconds > 0 and frames > 0:
        rate = frames / seconds
        made = newest_row.step - first.step
        if run.steps is not None and made > 0:
            hours = max(0, run.steps - steps) * seconds / made / 3600
    return State(run, RUNNING, steps, rate, newest_row.value, hours, host)


def newest(base_dir: str | os.PathLike) -> list[_Row]:
    """The newest episodes of a run, the last one at the end.

    Args:
      base_dir: base directory of the run.
    """
    try:
        with open(open_file(Path(base_dir, episodes.FILE), below=base_dir), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    rows = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError, msgspec.MsgspecError):
            rows.append(msgspec.json.decode(line, type=_Row))  # the first may be half of a line
    return rows
