"""Which stored steps make a training sequence (paper 2.1, "Experience dataset")."""

import json
from typing import Any, Protocol

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.replay.streams import Segment, Stream, as_segment
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import PositiveInt


class Sampling(Protocol):
    """Chooses the steps of training sequences."""

    def draw(
        self, streams: list[Stream], length: int, count: int, rng: np.random.Generator
    ) -> list[list[Segment]] | None:
        """Draws sequences.

        Args:
          streams: what is stored.
          length: T, steps of a sequence.
          count: B, number of sequences.
          rng: source of all randomness.

        Returns:
          For each sequence, segments that add up to `length` steps; None if too few steps are
          stored.
        """

    def state(self) -> list[Any]:
        """What a checkpoint must hold: a list of what JSON can hold."""

    def restore(self, state: list[Any]) -> None:
        """Returns to a stored state."""


def draw(
    rule: Sampling, streams: list[Stream], length: int, count: int, rng: np.random.Generator
) -> list[list[Segment]] | None:
    """Draws sequences with a rule, which may be a user's; arguments as for `Sampling.draw`.

    Raises:
      UserError: the rule returned something else than such sequences.
    """
    plan = rule.draw(streams, length, count, rng)
    if plan is not None:
        try:
            check_plan(plan, streams, length, count)
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise UserError(
                f"EpisodeReplay.sampling: {type(rule).__name__}.draw returned {error}, but must "
                f"return {count} lists of segments with {length} stored steps each, or None."
            ) from error
    return plan


def check_plan(plan: list[list[Segment]], streams: list[Stream], length: int, count: int) -> None:
    """Checks that a plan is one for a batch.

    Args:
      plan: segments of each sequence.
      streams: what is stored.
      length: T, steps of a sequence.
      count: B, number of sequences.

    Raises:
      ValueError: another length or number, or steps that are not stored.
    """
    lengths = [sum(segment.length for segment in row) for row in plan]
    if lengths != [length] * count:
        raise ValueError(f"a batch of sequences with {lengths} steps")
    for segment in (segment for row in plan for segment in row):
        stored = streams[segment.stream].count if segment.stream >= 0 else 0
        if segment.length < 1 or not 0 <= segment.start <= stored - segment.length:
            raise ValueError(f"a sequence of steps that are not stored, {tuple(segment)}")


def saved_state(rule: Sampling) -> list[Any]:
    """The state of a rule, as a checkpoint can hold it.

    Raises:
      UserError: a resume could not read it.
    """
    state = rule.state()
    try:
        json.dumps(state)
        held = isinstance(state, list)
    except (TypeError, ValueError, RecursionError):
        held = False
    if not held:
        raise UserError(
            f"EpisodeReplay.sampling: {type(rule).__name__}.state returned {state!r:.100}, but "
            "must return a list of what JSON can hold."
        )
    return state


@configurable
class UniformSampling:
    """The paper's rule: a uniform start within the episode, clipped so that the sequence fits.

    A step drawn uniformly from all stored steps chooses the episode and the start. A start after
    `episode end - T` is moved back to it, so the last sequence of an episode is drawn T times as
    often as any other (2.1: "to observe enough episode ends during training"). An episode shorter
    than T is used from its beginning, and the sequence continues into the next episode.

    The running episode is drawn too. It ends at its newest step for this rule, although it goes on.
    """

    def __init__(self, prioritize_ends: bool = True):
        """Configures the rule.

        Args:
          prioritize_ends: if False, every start of a sequence that fits is equally likely. An
            episode shorter than T has one start, as likely as all of its steps together.
        """
        self._prioritize_ends = prioritize_ends

    def draw(
        self, streams: list[Stream], length: int, count: int, rng: np.random.Generator
    ) -> list[list[Segment]] | None:
        """Draws one segment of the full length for each sequence; see `Sampling.draw`."""
        sizes = [len(stream) if len(stream) >= length else 0 for stream in streams]
        total = sum(sizes)
        if not total:
            return None
        drawn: list[list[Segment]] = []
        while len(drawn) < count:
            # One call for all sequences is much faster than a call for each.
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
                    continue  # rejected, drawn again
                # In the newest, still short episode there is no next one to continue into.
                start = min(step, latest, stream.count - length)
                drawn.append([Segment(index, start, length, True)])
        return drawn

    def state(self) -> list[list[int]]:
        """Empty: no sequence depends on the one before it."""
        return []

    def restore(self, state: list[list[int]]) -> None:
        """Does nothing."""


@configurable
class ReleasedSampling:
    """The rule of the authors' later public code (docs/deviations.md).

    Episodes are drawn uniformly, whatever their length. Running episodes, and those with
    `minimum_length` steps or fewer, are never drawn. Pieces of random length are cut out of the
    others and joined, so a sequence may continue the previous one.
    """

    def __init__(
        self,
        minimum_length: PositiveInt = 50,
        maximum_length: PositiveInt | None = 50,
        prioritize_ends: bool = True,
    ):
        """Configures the rule.

        Args:
          minimum_length: shortest piece, in steps.
          maximum_length: longest piece, in steps; None for whole episodes.
          prioritize_ends: whether ends of episodes are drawn more often.

        Raises:
          UserError: the longest piece is shorter than the shortest one.
        """
        if maximum_length is not None and maximum_length < minimum_length:
            raise UserError(
                f"ReleasedSampling.maximum_length is {maximum_length}, but its minimum_length is "
                f"{minimum_length}: raise the one, or lower the other."
            )
        self._minimum = minimum_length
        self._maximum = maximum_length
        self._prioritize_ends = prioritize_ends
        self._rest: Segment | None = None

    def draw(
        self, streams: list[Stream], length: int, count: int, rng: np.random.Generator
    ) -> list[list[Segment]] | None:
        """Joins pieces, beginning with the rest of the last one; see `Sampling.draw`."""
        episodes = self._episodes(streams)  # once: a long replay has thousands of them
        drawn = [self._sequence(streams, episodes, length, rng) for _ in range(count)]
        found = [segments for segments in drawn if segments is not None]
        return found if len(found) == count else None

    def _episodes(self, streams: list[Stream]) -> list[tuple[int, int, int]]:
        """Stream, begin and end of the complete episodes that are long enough."""
        return [
            (index, *bounds)
            for index, stream in enumerate(streams)
            for bounds in stream.complete_episodes()
            if bounds[1] - bounds[0] - 1 >= self._minimum
        ]

    def _sequence(
        self,
        streams: list[Stream],
        episodes: list[tuple[int, int, int]],
        length: int,
        rng: np.random.Generator,
    ) -> list[Segment] | None:
        segments = []
        missing = length
        while missing:
            # A run that resumed may have overwritten the rest of a piece.
            if self._rest and self._rest.start < streams[self._rest.stream].lost:
                self._rest = None
            piece = self._rest or self._piece(episodes, rng)
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

    def _piece(
        self, episodes: list[tuple[int, int, int]], rng: np.random.Generator
    ) -> Segment | None:
        if not episodes:
            return None
        index, begin, end = episodes[int(rng.integers(len(episodes)))]
        start, length = self.cut(end - begin, rng)
        return Segment(index, begin + start, length, True)

    def cut(self, total: int, rng: np.random.Generator) -> tuple[int, int]:
        """Cuts a piece out of an episode.

        Args:
          total: steps of the episode.
          rng: source of all randomness.

        Returns:
          Start and length of the piece, in steps.
        """
        # The longest piece is shortened at random, so that pieces end at different steps.
        length = min(total, self._maximum or total)
        length = max(self._minimum, length - int(rng.integers(self._minimum)))
        # Starts beyond the last one that fits are moved back to it, so it is drawn more often.
        choices = total - length + 1 + (self._minimum if self._prioritize_ends else 0)
        return min(int(rng.integers(choices)), total - length), length

    def state(self) -> list[list[int]]:
        """The piece that the next sequence begins with, if there is one."""
        return [[int(value) for value in self._rest]] if self._rest else []

    def restore(self, state: list[list[int]]) -> None:
        """Returns to a stored state."""
        self._rest = as_segment(state[0]) if state else None
