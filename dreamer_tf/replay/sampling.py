"""Which stored steps make a training sequence (paper 2.1, "Experience dataset")."""

import bisect
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import gin
import numpy as np


class Segment(NamedTuple):
    """Part of a training sequence: `length` steps of a stream from step `start` on."""

    stream: int
    start: int
    length: int
    begins: bool  # the model's state is reset before its first step


class Stream:
    """Which steps of one environment are stored, and where its episodes begin."""

    def __init__(self, capacity: int):
        self._capacity = capacity
        self.count = 0  # steps ever added
        self.lost = 0  # steps before this one were overwritten
        self.starts: list[int] = []  # first step of each stored episode, ascending
        self.running = False  # whether the last episode is still being recorded

    @property
    def first(self) -> int:
        """The oldest step that is stored."""
        return max(0, self.count - self._capacity, self.lost)

    def __len__(self) -> int:
        return self.count - self.first

    def append(self, is_first: bool, is_last: bool) -> None:
        """Counts one step."""
        if is_first:
            self.starts.append(self.count)
        self.count += 1
        self.running = not is_last
        while len(self.starts) > 1 and self.starts[1] <= self.first:
            self.starts.pop(0)

    def episode(self, step: int) -> tuple[int, int]:
        """First step and end (exclusive) of the stored part of the episode of a step."""
        index = bisect.bisect_right(self.starts, step) - 1
        return self._bounds(index)

    def episodes(self) -> list[tuple[int, int]]:
        """First step and end of every stored episode, the running one included."""
        return [self._bounds(index) for index in range(len(self.starts))]

    def _bounds(self, index: int) -> tuple[int, int]:
        last = index + 1 == len(self.starts)
        end = self.count if last else self.starts[index + 1]
        return max(self.starts[index], self.first), end

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint must hold, JSON-compatible."""
        return {"count": self.count, "starts": list(self.starts), "running": self.running}

    def restore(self, state: Mapping[str, Any], lost: int) -> None:
        """Goes back to a stored state; steps before `lost` have been overwritten since.

        Raises:
          ValueError: the state cannot be one.
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


class Sampling(Protocol):
    """Chooses what a training sequence is made of."""

    def draw(
        self, streams: list[Stream], length: int, count: int, rng: np.random.Generator
    ) -> list[list[Segment]] | None:
        """For each of `count` sequences, segments that add up to `length` steps.

        Returns None where too little is stored.
        """

    def state(self) -> list[list[int]]:
        """What must be checkpointed, JSON-compatible."""

    def restore(self, state: list[list[int]]) -> None:
        """Goes back to a stored state."""


@gin.configurable
class UniformSampling:
    """The paper's rule: a start uniform within the episode, clipped so that the sequence fits.

    A step is drawn uniformly from all stored steps; it names the episode and the start. The
    start is then moved back to `episode end - T`, so an episode's end is seen T times as often
    as any other sequence (2.1: "to observe enough episode ends during training"). An episode
    shorter than T is taken from its beginning and continues with the episode after it.
    """

    def __init__(self, prioritize_ends: bool = True):
        """Sets the rule for starts.

        Args:
          prioritize_ends: if False, starts are uniform over the sequences that fit.
        """
        self._prioritize_ends = prioritize_ends

    def draw(
        self, streams: list[Stream], length: int, count: int, rng: np.random.Generator
    ) -> list[list[Segment]] | None:
        """One segment of the full length for each sequence."""
        sizes = [len(stream) if len(stream) >= length else 0 for stream in streams]
        total = sum(sizes)
        if not total:
            return None
        drawn: list[list[Segment]] = []
        while len(drawn) < count:
            for position in rng.integers(total, size=count - len(drawn)).tolist():
                index = 0
                while position >= sizes[index]:
                    position -= sizes[index]
                    index += 1
                stream = streams[index]
                step = stream.first + position
                begin, end = stream.episode(step)
                latest = max(end - length, begin)
                if step > latest and not self._prioritize_ends and end - begin >= length:
                    continue  # drawn again
                start = min(step, latest, stream.count - length)
                drawn.append([Segment(index, start, length, True)])
        return drawn

    def state(self) -> list[list[int]]:
        """Nothing is carried from one sequence to the next."""
        return []

    def restore(self, state: list[list[int]]) -> None:
        """Nothing to restore."""


@gin.configurable
class ReleasedSampling:
    """The rule of the authors' later public code (docs/deviations.md).

    Episodes are drawn uniformly, whatever their length; those with no more than
    `minimum_length` steps are never drawn. Pieces of random length are cut out and joined, so a
    sequence may continue the one before it.
    """

    def __init__(
        self,
        minimum_length: int = 50,
        maximum_length: int | None = 50,
        prioritize_ends: bool = True,
    ):
        """Sets the rule.

        Args:
          minimum_length: shortest piece, in steps.
          maximum_length: longest piece, in steps; None for whole episodes.
          prioritize_ends: draws the end of an episode more often.
        """
        self._minimum = minimum_length
        self._maximum = maximum_length
        self._prioritize_ends = prioritize_ends
        self._rest: Segment | None = None

    def draw(
        self, streams: list[Stream], length: int, count: int, rng: np.random.Generator
    ) -> list[list[Segment]] | None:
        """Pieces that add up to the length, the rest of the last one first."""
        drawn = [self._sequence(streams, length, rng) for _ in range(count)]
        return None if None in drawn else drawn

    def _sequence(
        self, streams: list[Stream], length: int, rng: np.random.Generator
    ) -> list[Segment] | None:
        segments = []
        missing = length
        while missing:
            if self._rest and self._rest.start < streams[self._rest.stream].lost:
                self._rest = None
            piece = self._rest or self._piece(streams, rng)
            if piece is None:
                return None
            taken = min(missing, piece.length)
            segments.append(piece._replace(length=taken))
            missing -= taken
            rest = piece.length - taken
            self._rest = None
            if rest:
                self._rest = Segment(piece.stream, piece.start + taken, rest, False)
        return segments

    def _piece(self, streams: list[Stream], rng: np.random.Generator) -> Segment | None:
        episodes = [
            (index, *bounds)
            for index, stream in enumerate(streams)
            for bounds in stream.episodes()
            if bounds[1] - bounds[0] - 1 >= self._minimum
        ]
        if not episodes:
            return None
        index, begin, end = episodes[int(rng.integers(len(episodes)))]
        start, length = self.cut(end - begin, rng)
        return Segment(index, begin + start, length, True)

    def cut(self, total: int, rng: np.random.Generator) -> tuple[int, int]:
        """Start and length of a piece of an episode of `total` steps."""
        length = min(total, self._maximum or total)
        length = max(self._minimum, length - int(rng.integers(self._minimum)))
        choices = total - length + 1 + (self._minimum if self._prioritize_ends else 0)
        return min(int(rng.integers(choices)), total - length), length

    def state(self) -> list[list[int]]:
        """The piece that the next sequence begins with."""
        return [[int(value) for value in self._rest]] if self._rest else []

    def restore(self, state: list[list[int]]) -> None:
        """Goes back to a stored state."""
        self._rest = as_segment(state[0]) if state else None


def as_segment(values: list[int]) -> Segment:
    """A segment from its stored form."""
    stream, start, length, begins = (int(value) for value in values)
    return Segment(stream, start, length, bool(begins))
