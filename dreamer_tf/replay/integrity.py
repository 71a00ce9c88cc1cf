"""Whether the files of the replay still hold what was written.

Every chunk of steps has a checksum. They are in the checkpoint, which has a checksum itself:

    stream    0 1 2 3 | 4 5 6 7 | 8 9          chunks of 4 steps; the last one is not complete
    sums      sums[0]   sums[1]   tail

A checkpoint adds the sums of the chunks that are new, so it costs what is new since the last one.
A resumed run compares some chunks, `train --verify` all of them. The flags, actions and rewards are
few bytes, so a resume looks at all of them: they must be possible, whatever the checksums say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import msgspec
import numpy as np

from dreamer_tf.environments.factored import choices
from dreamer_tf.replay.ring import CHUNK, Ring
from dreamer_tf.replay.streams import Stream
from dreamer_tf.storage.schema import Count, Rng

CHECKSUMS = "checksums"  # key in the state of the replay
SAMPLES = 8  # chunks of each stream that a resume compares, beside the newest one
_BLOCK = 1 << 18  # steps that are looked at together


class SavedStream(msgspec.Struct):
    """Which steps of one environment are stored, and where their episodes begin."""

    count: Count
    starts: list[Count]
    running: bool


class SavedChecksums(msgspec.Struct):
    """Checksums of the chunks of one stream."""

    first: Count
    sums: list[str]
    tail: str | None


class SavedIntegrity(msgspec.Struct):
    """Checksums of all streams, of chunks of so many steps."""

    steps: Count
    streams: list[SavedChecksums]


class SavedReplay(msgspec.Struct):
    """The state of an `EpisodeReplay`."""

    streams: list[SavedStream]
    rng: Rng
    sampling: list[Any]  # the rule knows what it is
    plan: list[list[tuple[Count, Count, Count, Count]]] | None
    checksums: SavedIntegrity | None = None


class Damage(Exception):
    """The files do not hold what was written; the message says which steps."""


class Checksums:
    """SHA-256 of the chunks of each stream."""

    def __init__(self, ring: Ring, num_streams: int):
        """Begins with a replay without steps.

        Args:
          ring: the files.
          num_streams: number of environments.
        """
        self._ring = ring
        self.size = max(1, CHUNK // max(1, ring.step_bytes))  # steps of a chunk
        self._first = [0] * num_streams  # number of the first chunk with a known sum
        self._sums: list[list[str]] = [[] for _ in range(num_streams)]
        self._tails: list[str | None] = [None] * num_streams

    def changed(self, stream: int, step: int) -> None:
        """Forgets the sums from a step on, which is written anew."""
        del self._sums[stream][max(0, step // self.size - self._first[stream]) :]
        self._tails[stream] = None

    def state(self, streams: Sequence[Stream]) -> dict[str, Any]:
        """Adds the chunks that are new.

        Args:
          streams: which steps are stored.

        Returns:
          What a checkpoint must hold, JSON-compatible.
        """
        found = []
        for index, stream in enumerate(streams):
            self._forget(index, stream)
            sums, complete = self._sums[index], stream.count // self.size
            for chunk in range(self._first[index] + len(sums), complete):
                sums.append(self._digest(index, chunk * self.size, (chunk + 1) * self.size))
            start = max(complete * self.size, stream.count - self._ring.rows)
            self._tails[index] = self._digest(index, start, stream.count)
            found.append({"first": self._first[index], "sums": list(sums)})
            found[-1]["tail"] = self._tails[index]
        return {"steps": self.size, "streams": found}

    def restore(self, state: Mapping[str, Any] | None, streams: Sequence[Stream]) -> None:
        """Returns to a stored state; None for that of a version without checksums.

        Raises:
          ValueError: no replay can have this state.
        """
        counts = [stream.count for stream in streams]
        if state is None:
            # What is there was never summed up, but everything from here on is.
            self._first = [count // self.size for count in counts]
            self._sums, self._tails = [[] for _ in counts], [None for _ in counts]
            return
        size = int(state["steps"])
        stored = [(int(s["first"]), list(s["sums"]), s["tail"]) for s in state["streams"]]
        ends = [first + len(sums) for first, sums, _ in stored]
        possible = size > 0 and all(first >= 0 for first, _, _ in stored)
        if not possible or ends != [count // size for count in counts]:
            raise ValueError("checksums of another number of steps")
        self.size = size
        self._first = [first for first, _, _ in stored]
        self._sums = [[str(value) for value in sums] for _, sums, _ in stored]
        self._tails = [None if tail is None else str(tail) for _, _, tail in stored]

    def compare(self, streams: Sequence[Stream], samples: int | None) -> int:
        """Reads chunks and compares them.

        Args:
          streams: as in the restored state.
          samples: how many complete chunks of each stream, chosen at random; None for all.

        Returns:
          How many steps have been compared.

        Raises:
          Damage: a chunk is not what was written.
        """
        compared = 0
        # Other chunks each time, and no random numbers of the run.
        rng = np.random.default_rng()
        for index, stream in enumerate(streams):
            whole = -(-stream.lost // self.size)  # chunks before it are partly overwritten
            chunks = np.arange(max(whole, self._first[index]), stream.count // self.size)
            if samples is not None and len(chunks) > samples:
                chunks = np.sort(rng.choice(chunks, samples, replace=False))
            for chunk in chunks.tolist():
                expected = self._sums[index][chunk - self._first[index]]
                compared += self._compare(index, chunk * self.size, self.size, expected)
            start = max(stream.count // self.size * self.size, stream.count - self._ring.rows)
            tail = self._tails[index]
            if tail is not None and stream.lost <= start:
                compared += self._compare(index, start, stream.count - start, tail)
        return compared

    def _compare(self, stream: int, start: int, steps: int, expected: str) -> int:
        if self._digest(stream, start, start + steps) != expected:
            raise Damage(f"steps {start:,} to {start + steps - 1:,} of stream {stream} differ")
        return steps

    def _digest(self, stream: int, start: int, end: int) -> str:
        return self._ring.digest(stream, start, end)

    def _forget(self, index: int, stream: Stream) -> None:
        """Leaves out chunks that have dropped out, or can no longer be read."""
        known = self._first[index] + len(self._sums[index])
        # The next chunk to add must not have been overwritten before it was summed up.
        readable = max(0, stream.count - self._ring.rows)
        if known * self.size < readable:
            self._first[index] = min(-(-readable // self.size), stream.count // self.size)
            self._sums[index] = []
        dropped = min(stream.first // self.size - self._first[index], len(self._sums[index]))
        if dropped > 0:
            del self._sums[index][:dropped]
            self._first[index] += dropped


def check_values(
    ring: Ring, streams: Sequence[Stream], action_space: gymnasium.Space, samples: int | None
) -> None:
    """Checks that what is stored is possible.

    Args:
      ring: the files.
      streams: which steps are stored, and where episodes begin.
      action_space: Discrete or Box.
      samples: how many chunks of the observations of each stream, chosen at random; None for all.

    Raises:
      Damage: numbers that are not finite, unknown actions, or flags that contradict the episodes.
    """
    for index, stream in enumerate(streams):
        for start in range(stream.first, stream.count, _BLOCK):
            end = min(start + _BLOCK, stream.count)
            _check_flags(ring.steps("flags", index, start, end), stream, index, start)
            sizes = choices(action_space)
            action = ring.steps("action", index, start, end).reshape(end - start, -1)
            chosen = action[:, : len(sizes)]
            if ((chosen < 0) | (chosen >= np.array(sizes)) | (chosen != chosen.round())).any():
                raise Damage(f"an action of stream {index} is unknown from step {start:,} on")
        for key in ring.arrays:
            some = samples if key.startswith("observation.") else None
            _check_numbers(ring, key, stream, index, some)


def _check_flags(flags: np.ndarray, stream: Stream, index: int, start: int) -> None:
    is_first, is_last, is_terminal = flags.T
    begins = [step - start for step in stream.starts if start <= step < start + len(flags)]
    if (
        (flags > 1).any()
        or (is_terminal > is_last).any()
        or np.flatnonzero(is_first).tolist() != begins
    ):
        raise Damage(
            f"the flags of steps {start:,} to {start + len(flags) - 1:,} of stream {index} are "
            "impossible"
        )


def _check_numbers(ring: Ring, key: str, stream: Stream, index: int, samples: int | None) -> None:
    array = ring.arrays[key]
    if array.dtype.kind not in "fb":
        return
    steps = max(1, CHUNK // max(1, array[0].nbytes))
    starts = np.arange(stream.first, stream.count, steps)
    if samples is not None and len(starts) > samples:
        starts = np.random.default_rng().choice(starts, samples, replace=False)
    for start in starts.tolist():
        values = ring.steps(key, index, start, min(start + steps, stream.count))
        # A bool is a byte, and no other than 0 and 1 is one.
        if array.dtype == bool and (values.view(np.uint8) > 1).any():
            raise Damage(f"{key} of stream {index} is not bool from step {start:,} on")
        if not np.isfinite(values).all():
            raise Damage(f"{key} of stream {index} is not finite from step {start:,} on")
