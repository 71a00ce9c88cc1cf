"""Which steps are stored, where their episodes begin, and the parts that sequences are made of."""

import bisect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from absl import logging


class Segment(NamedTuple):
    """Part of a training sequence: `length` steps of a stream, from step `start` on."""

    stream: int
    start: int
    length: int
    begins: bool  # the model resets its state before the first step


def as_segment(values: Iterable[Any]) -> Segment:
    """A segment from its form in a checkpoint, a list of four numbers."""
    stream, start, length, begins = (int(value) for value in values)
    return Segment(stream, start, length, bool(begins))


class Stream:
    """Counts the steps of one environment and remembers where its episodes begin.

    Steps are numbered from 0 and never renumbered; the oldest ones drop out.
    """

    def __init__(self, capacity: int):
        """Begins without steps.

        Args:
          capacity: how many of the newest steps count as stored.
        """
        self._capacity = capacity
        self.count = 0  # steps ever added
        self.lost = 0  # earlier steps have been overwritten, although they are within the capacity
        self.starts: list[int] = []  # first step of each stored episode, ascending
        self.running = False  # whether the last episode is still being recorded

    @property
    def first(self) -> int:
        """The oldest stored step."""
        return max(0, self.count - self._capacity, self.lost)

    @property
    def gap(self) -> int:
        """Steps that the capacity would hold, but that have been overwritten."""
        return max(0, self.lost - max(0, self.count - self._capacity))

    def __len__(self) -> int:
        """Number of stored steps."""
        return self.count - self.first

    def append(self, is_first: bool, is_last: bool) -> None:
        """Counts one step and forgets episodes that have dropped out."""
        if is_first:
            self.starts.append(self.count)
        self.count += 1
        self.running = not is_last
        while len(self.starts) > 1 and self.starts[1] <= self.first:
            self.starts.pop(0)

    def episode(self, step: int) -> tuple[int, int]:
        """First step and end (exclusive) of the stored part of the episode with this step."""
        index = bisect.bisect_right(self.starts, step) - 1
        return self._bounds(index)

    def episodes(self) -> list[tuple[int, int]]:
        """First step and end (exclusive) of every stored episode, including the running one."""
        return [self._bounds(index) for index in range(len(self.starts))]

    def complete_episodes(self) -> list[tuple[int, int]]:
        """First step and end (exclusive) of every stored episode that has ended."""
        found = self.episodes()
        return found[:-1] if self.running else found

    def _bounds(self, index: int) -> tuple[int, int]:
        last = index + 1 == len(self.starts)
        end = self.count if last else self.starts[index + 1]
        return max(self.starts[index], self.first), end

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold, JSON-compatible."""
        return {"count": self.count, "starts": list(self.starts), "running": self.running}

    def restore(self, state: Mapping[str, Any], lost: int) -> None:
        """Returns to a stored state.

        Args:
          state: from `state`.
          lost: steps before this one have been overwritten since.

        Raises:
          ValueError: no stream can have this state.
        """
        count = int(state["count"])
        starts = [int(start) for start in state["starts"]]
        if starts != sorted(set(starts)) or count < 0 or not all(0 <= s < count for s in starts):
            raise ValueError(f"{count} steps with episodes that begin at {starts[:5]}")
        if bool(count) != bool(starts):
            raise ValueError(f"{count} steps and {len(starts)} episodes")
        self.count, self.starts = count, starts
        self.running = bool(state["running"])
        self.lost = min(lost, self.count)


def say_gaps(streams: Iterable[Stream]) -> None:
    """Warns where steps of a checkpoint have been overwritten, so that a resume is not exact."""
    gap = sum(stream.gap for stream in streams)
    if gap:
        # Resets take a place too, so many short episodes need more than their agent steps.
        logging.warning(
            "%d of the oldest steps were overwritten since the checkpoint, so the run goes on "
            "without them, and not bit for bit as before: raise EpisodeReplay.reserve.",
            gap,
        )
