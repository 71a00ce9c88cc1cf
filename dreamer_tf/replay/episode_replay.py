"""The experience dataset (paper 2.1): a FIFO of environment steps that delivers training batches.

A stream holds the steps of one environment in order, so a training sequence is a slice of it:

    stream   ... 0 1 2 3 4 | 0 1 2 | 0 1 2 3 ...      | marks is_first
                   [-------T-------]                  a sequence may run into the next episode

`ring.py` has the files, `streams.py` knows which steps are in them, `sampling.py` chooses.
"""

import concurrent.futures
import copy
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from absl import logging

from dreamer_tf.environments.interface import Observation, action_shape, boxes
from dreamer_tf.errors import UserError
from dreamer_tf.replay import integrity, staging
from dreamer_tf.replay.integrity import Checksums, SavedReplay
from dreamer_tf.replay.ring import Field, Ring
from dreamer_tf.replay.sampling import (
    Sampling,
    UniformSampling,
    check_plan,
    draw,
    saved_state,
)
from dreamer_tf.replay.streams import Segment, Stream, as_segment, say_gaps
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import AtLeastTwo, NonNegativeInt, PositiveInt, Size
from dreamer_tf.storage import schema

_IS_LAST = 1  # index into the flags of a step: is_first, is_last, is_terminal
Plan = list[list[Segment]]  # the segments of each sequence of a batch


class Sequences(NamedTuple):
    """B sequences of T steps as NumPy arrays; index t holds what arrived at time t."""

    observation: dict[str, np.ndarray]  # [B, T, ...]
    action: np.ndarray  # [B, T] int32 or [B, T, A] float32, the action that LED to observation t
    reward: np.ndarray  # [B, T] float32
    is_first: np.ndarray  # [B, T] bool
    is_last: np.ndarray  # [B, T] bool
    is_terminal: np.ndarray  # [B, T] bool


@configurable(
    denylist=[
        *("directory", "observation_space", "action_space", "seed", "num_streams", "scratch"),
        "workers",
    ]
)
class EpisodeReplay:
    """The replay buffer of one run, on disk."""

    def __init__(
        self,
        directory: str | os.PathLike,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        seed: int,
        capacity: PositiveInt = 2_000_000,
        reserve: NonNegativeInt = 280_000,
        batch_size: Size = 50,
        sequence_length: AtLeastTwo = 50,
        sampling: Sampling | None = None,
        prefetch: bool = True,
        num_streams: int = 1,
        read_only: bool = False,
        scratch: str | None = None,
        workers: int = 1,
    ):
        """Creates or opens the files.

        Args:
          directory: where the files are; created if it does not exist.
          observation_space: observations by name.
          action_space: Discrete or Box.
          seed: of the sampling.
          capacity: steps to keep, over all streams (Table D1: 2e6).
          reserve: additional slots for steps that are added between two checkpoints, so that a
            run that resumes from a checkpoint finds its oldest steps. At least the steps of an
            iteration.
          batch_size: B (Table D1: 50).
          sequence_length: T (Table D1: L = 50).
          sampling: chooses sequences; `UniformSampling` by default.
          prefetch: copies the next batch in the background. It does not change the batches: the
            next batch is always chosen when the current one is handed out.
          num_streams: number of environments.
          read_only: only reads the files, also while a run adds steps to them.
          scratch: a directory of this node that holds the replay while it is used; `flush` copies
            what is new to `directory`. By default as `staging.use` was told, or none.
          workers: processes that each have such a replay; capacity and batch are divided.

        Raises:
          UserError: the disk or the address space is too small, or the directory has files of
            another shape.
        """
        whole, capacity = capacity, capacity // workers
        if capacity // num_streams < sequence_length:
            raise UserError(
                f"EpisodeReplay.capacity is {whole:,} steps, too few for a sequence of "
                f"EpisodeReplay.sequence_length={sequence_length} steps: raise it."
            )
        self.capacity = capacity
        self.reserve = reserve
        self.whole_batch = batch_size  # of all workers
        self.batch_size = batch_size // workers
        self.sequence_length = sequence_length
        self._sampling = sampling or UniformSampling()
        saved_state(self._sampling)  # fails now rather than at the first checkpoint
        self._rng = np.random.default_rng(seed)
        self._streams = [Stream(capacity // num_streams) for _ in range(num_streams)]
        self._action_space = action_space
        self._observation_keys = list(observation_space.spaces)
        self._directory = directory
        self._read_only = read_only
        self._fields = _fields(observation_space, action_space)
        sizes: dict[str, Any] = {
            "capacity": capacity,
            "reserve": reserve,
            "num_streams": num_streams,
        }
        scratch = staging.place(directory) if scratch is None else scratch
        self._ring = (
            Ring(directory, self._fields, **sizes, read_only=read_only)
            if scratch is None or read_only
            else staging.StagedRing(directory, self._fields, **sizes, scratch=scratch)
        )
        self._checksums = Checksums(self._ring, num_streams)
        prefetch = prefetch and not read_only
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "replay") if prefetch else None
        self._plan: Plan | None = None  # of the next batch
        self._pending: concurrent.futures.Future[Sequences] | None = None  # the next batch

    def __len__(self) -> int:
        """Number of stored steps."""
        return sum(len(stream) for stream in self._streams)

    @property
    def bytes(self) -> int:
        """Size of the files when they are full."""
        return self._ring.bytes

    @property
    def steps_added(self) -> int:
        """Number of steps ever added."""
        return sum(stream.count for stream in self._streams)

    @property
    def num_episodes(self) -> int:
        """Number of stored episodes, including the running ones."""
        return sum(len(stream.starts) for stream in self._streams)

    def add(
        self,
        observation: Observation,
        action: np.ndarray | int,
        reward: float,
        *,
        is_first: bool = False,
        is_last: bool = False,
        is_terminal: bool = False,
        stream: int = 0,
    ) -> None:
        """Adds what arrived at one time step.

        Args:
          observation: arrays by name.
          action: the action that led here; 0 for the first step.
          reward: the reward that came with the observation; 0 for the first step.
          is_first: the observation comes from a reset.
          is_last: the episode ended here, for whatever reason.
          is_terminal: the environment terminated here (not a time limit).
          stream: number of the environment.

        Raises:
          ValueError: a value has the wrong shape, or is_first does not fit the step before.
        """
        record = self._streams[stream]
        if is_first != (not record.running):
            raise ValueError(
                f"Replay stream {stream}: is_first is {is_first}, but the previous episode "
                f"{'is still running' if record.running else 'has ended'}."
            )
        values: dict[str, Any] = {
            f"observation.{key}": observation[key] for key in self._observation_keys
        }
        flags = (is_first, is_last, is_terminal)
        values |= {"action": action, "reward": reward, "flags": flags}
        self._ring.write(stream, record.count, values)
        record.append(is_first, is_last)

    def close_episodes(self) -> None:
        """Marks the last step of every running episode as is_last, without terminating it."""
        running = [item for item in enumerate(self._streams) if item[1].running]
        if running and self._pending:
            self._pending.result()  # it reads the flags
        for index, stream in running:
            self._ring.set_flag(index, stream.count - 1, _IS_LAST)
            self._checksums.changed(index, stream.count - 1)
            stream.running = False
        if running:
            self._submit()  # the copy that waits has the flags from before

    def can_sample(self) -> bool:
        """Whether there are enough steps for a batch."""
        if self._plan is None:
            self._plan = self._draw()
        return self._plan is not None

    def made_up_batch(self) -> Sequences:
        """B sequences of T steps of the right shapes and dtypes, full of zeros; nothing is read."""
        size = (self.batch_size, self.sequence_length)
        zeros = {
            name: np.zeros((*size, *field.shape), field.dtype)
            for name, field in self._fields.items()
        }
        flags = zeros.pop("flags")
        first = flags[..., 0].astype(bool)
        first[:, 0] = True
        return Sequences(
            observation={key: zeros[f"observation.{key}"] for key in self._observation_keys},
            action=zeros["action"],
            reward=zeros["reward"],
            is_first=first,
            is_last=flags[..., 1].astype(bool),
            is_terminal=flags[..., 2].astype(bool),
        )

    def sample(self) -> Sequences:
        """The next batch, [B, T, ...].

        Raises:
          ValueError: there are fewer steps than a sequence needs.
        """
        if not self.can_sample() or self._plan is None:
            raise ValueError(
                f"The replay holds {len(self)} steps, too few for a sequence of "
                f"{self.sequence_length}."
            )
        batch = self._pending.result() if self._pending else self._copy(self._plan)
        self._plan = self._draw()
        self._submit()
        return batch

    def whole_sequences(
        self, count: int, length: int, rng: np.random.Generator
    ) -> Sequences | None:
        """Sequences that each lie within one episode; does not change the training batches.

        Args:
          count: B, how many.
          length: T, their length.
          rng: chooses them.

        Returns:
          [B, T, ...], or None if no stored episode is long enough.
        """
        if self._read_only:  # the run may have overwritten steps since
            for stream, head in zip(self._streams, self._ring.read_heads(), strict=True):
                stream.lost = max(stream.lost, int(head) - self._ring.rows)
        candidates = [
            (index, start, end)
            for index, stream in enumerate(self._streams)
            for start, end in stream.episodes()
            if end - start >= length
        ]
        if not candidates:
            return None
        plan = []
        for choice in rng.integers(len(candidates), size=count):
            index, start, end = candidates[choice]
            first = int(rng.integers(start, end - length + 1))
            plan.append([Segment(index, first, length, True)])
        return self._copy(plan)

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold beside the files, JSON-compatible."""
        plan = None
        if self._plan is not None:
            plan = [[[int(v) for v in segment] for segment in row] for row in self._plan]
        return {
            "streams": [stream.state() for stream in self._streams],
            "rng": self._rng.bit_generator.state,
            "sampling": saved_state(self._sampling),
            "plan": plan,
            integrity.CHECKSUMS: self._checksums.state(self._streams),
        }

    def check_state(self, state: Any) -> None:
        """Checks a stored state without the files, and changes nothing.

        Raises:
          ValueError: no replay of this configuration has saved it.
        """
        saved = schema.check(state, SavedReplay, "replay")
        if len(saved.streams) != len(self._streams):
            raise ValueError(f"it has {len(saved.streams)} streams, not {len(self._streams)}")
        streams = [Stream(self.capacity // len(self._streams)) for _ in saved.streams]
        for stream, values in zip(streams, state["streams"], strict=True):
            stream.restore(values, lost=0)
        schema.check_rng(saved.rng)
        copy.deepcopy(self._sampling).restore(state["sampling"])
        if saved.plan is not None:
            plan = [[as_segment(segment) for segment in row] for row in saved.plan]
            check_plan(plan, streams, self.sequence_length, self.batch_size)
        if saved.checksums is not None:
            Checksums(self._ring, len(streams)).restore(state[integrity.CHECKSUMS], streams)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Returns to a stored state.

        Args:
          state: from `state`. Steps that were added to the files later are forgotten.

        Raises:
          UserError: the state has another number of streams, or the files are missing or damaged.
        """
        try:
            self._restore(state)
            if not self._read_only:  # a run that trains meanwhile may overwrite steps
                self._verify(integrity.SAMPLES)
        except (TypeError, LookupError, ValueError, AttributeError, ArithmeticError) as error:
            raise UserError(
                f"The checkpoint describes the replay in {self._directory} wrongly "
                f"({type(error).__name__}: {error}): restore the checkpoint from a copy, or choose "
                "another --base_dir."
            ) from error
        self._submit()

    def _restore(self, state: Mapping[str, Any]) -> None:
        if len(state["streams"]) != len(self._streams):
            raise UserError(
                f"The replay in {self._directory} has {len(state['streams'])} streams, but "
                f"DreamerRunner.num_environments is {len(self._streams)}."
            )
        if self._ring.missing and any(saved["count"] for saved in state["streams"]):
            raise UserError(
                f"{self._directory} lacks {', '.join(self._ring.missing)} (.bin), but the "
                "checkpoint refers to the steps in it: restore the files of the replay from a "
                "copy, or choose another --base_dir."
            )
        heads = self._ring.read_heads()
        for stream, head, saved in zip(self._streams, heads, state["streams"], strict=True):
            if head < saved["count"]:
                raise UserError(
                    f"The replay in {self._directory} holds {head} steps, but the checkpoint was "
                    f"made with {saved['count']}: these are not the files of this run; restore "
                    "them from a copy, or choose another --base_dir."
                )
            stream.restore(saved, lost=max(0, int(head) - self._ring.rows))
        self._rng.bit_generator.state = state["rng"]
        self._sampling.restore(state["sampling"])
        self._plan = None
        if state["plan"] is not None:
            plan = [[as_segment(segment) for segment in row] for row in state["plan"]]
            check_plan(plan, self._streams, self.sequence_length, self.batch_size)
            lost = any(self._is_lost(segment) for row in plan for segment in row)
            self._plan = self._draw() if lost else plan
        if not self._read_only:
            say_gaps(self._streams)
        if integrity.CHECKSUMS not in state:
            logging.warning(
                "The replay in %s was stored without checksums, so old steps are not compared.",
                self._directory,
            )
        self._checksums.restore(state.get(integrity.CHECKSUMS), self._streams)

    def verify(self) -> str:
        """Reads everything that is stored, directly after `restore`.

        Returns:
          What was read, in a few words.

        Raises:
          UserError: the files are damaged.
        """
        return f"{len(self):,} steps, {self._verify(None):,} of them compared with checksums"

    def _verify(self, samples: int | None) -> int:
        """Checks values, and compares some chunks or all of them; the number of their steps."""
        try:
            integrity.check_values(self._ring, self._streams, self._action_space, samples)
            return self._checksums.compare(self._streams, samples)
        except integrity.Damage as damage:
            raise UserError(
                f"The replay in {self._directory} is damaged ({damage}): restore its files from a "
                "copy, or choose another --base_dir."
            ) from damage

    def _is_lost(self, segment: Segment) -> bool:
        return segment.start < self._streams[segment.stream].lost

    def flush(self) -> None:
        """Returns when all steps are on the disk."""
        self._ring.flush()

    def close(self) -> None:
        """Ends the background thread and closes the files."""
        if self._pool is not None:
            self._pool.shutdown()
        self._ring.close()

    def _draw(self) -> Plan | None:
        return draw(self._sampling, self._streams, self.sequence_length, self.batch_size, self._rng)

    def _submit(self) -> None:
        self._pending = None
        if self._pool is not None and self._plan is not None:
            self._pending = self._pool.submit(self._copy, self._plan)

    def _copy(self, plan: Plan) -> Sequences:
        stored = self._ring.read(plan)
        flags = stored["flags"].astype(bool)  # [B, T, 3]
        # A sequence that starts within an episode resets the model's state, too.
        is_first = flags[..., 0].copy()
        for row, segments in enumerate(plan):
            position = 0
            for segment in segments:
                is_first[row, position] |= segment.begins
                position += segment.length
        return Sequences(
            observation={key: stored[f"observation.{key}"] for key in self._observation_keys},
            action=stored["action"],
            reward=stored["reward"],
            is_first=is_first,
            is_last=flags[..., _IS_LAST],
            is_terminal=flags[..., 2],
        )


def _fields(
    observation_space: gymnasium.spaces.Dict, action_space: gymnasium.Space
) -> dict[str, Field]:
    """What one step holds. The names are those of the files."""
    fields = {
        f"observation.{key}": Field(np.dtype(box.dtype), box.shape)
        for key, box in boxes(observation_space).items()
    }
    if isinstance(action_space, gymnasium.spaces.Discrete):
        fields["action"] = Field(np.dtype(np.int32), ())
    else:
        fields["action"] = Field(np.dtype(np.float32), action_shape(action_space))
    fields["reward"] = Field(np.dtype(np.float32), ())
    fields["flags"] = Field(np.dtype(np.uint8), (3,))
    return fields
