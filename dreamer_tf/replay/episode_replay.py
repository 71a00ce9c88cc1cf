"""Experience dataset: a ring of steps in memory-mapped files (paper 2.1, "Experience dataset").

Steps are numbered for ever; step n of a stream lives in slot n modulo the ring's size. Stream s
holds the steps of environment s in order, so a training sequence is one contiguous slice:

    stream   ... 0 1 2 3 4 | 0 1 2 | 0 1 2 3 ...      | marks is_first
                   [-------T-------]                  a sequence may run into the next episode

Steps are written with ordinary writes (a full disk is an OSError, not a crash of the process)
and read through a memory map, so the operating system's page cache is the only memory in use.
"""

import concurrent.futures
import errno
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gin
import gymnasium
import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.replay.sampling import Sampling, Segment, Stream, UniformSampling, as_segment

_LARGE = 512  # bytes; smaller steps are gathered one by one


class Sequences(NamedTuple):
    """B sequences of T steps as NumPy arrays; index t holds what arrived at time t."""

    observation: dict[str, np.ndarray]  # [B, T, ...]
    action: np.ndarray  # [B, T] int32 or [B, T, A] float32, the action that LED to observation t
    reward: np.ndarray  # [B, T] float32
    is_first: np.ndarray  # [B, T] bool
    is_last: np.ndarray  # [B, T] bool
    is_terminal: np.ndarray  # [B, T] bool


@gin.configurable(
    denylist=["directory", "observation_space", "action_space", "seed", "num_streams"]
)
class EpisodeReplay:
    """FIFO of environment steps on disk that delivers batches of sequences."""

    def __init__(
        self,
        directory: str | os.PathLike,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        seed: int,
        capacity: int = 2_000_000,
        reserve: int = 280_000,
        batch_size: int = 50,
        sequence_length: int = 50,
        sampling: Sampling | None = None,
        prefetch: bool = True,
        num_streams: int = 1,
        read_only: bool = False,
    ):
        """Makes or opens the files.

        Args:
          directory: where the files live; made if absent.
          observation_space: observations by name.
          action_space: Discrete or Box.
          seed: of the sampling.
          capacity: steps that are kept, over all streams (Table D1: 2e6).
          reserve: further slots for what is added between two checkpoints, so that a run that
            goes back to a checkpoint finds its oldest steps. At least the steps of an iteration.
          batch_size: B (Table D1: 50).
          sequence_length: T (Table D1: L = 50).
          sampling: chooses sequences; `UniformSampling` by default.
          prefetch: copies the next batch in the background. Batches are the same either way: the
            one for an update is chosen when the one before it is handed out.
          num_streams: number of environments.
          read_only: only for looking at it, also while the run goes on and adds steps.

        Raises:
          UserError: too little disk or address space, or files of another shape in the directory.
        """
        if capacity // num_streams < sequence_length:
            raise UserError(
                f"EpisodeReplay.capacity is {capacity:,} steps, too few for a sequence of "
                f"EpisodeReplay.sequence_length={sequence_length} steps: raise it."
            )
        self.batch_size = batch_size
        self.sequence_length = sequence_length
        self._sampling = sampling or UniformSampling()
        self._streams = [Stream(capacity // num_streams) for _ in range(num_streams)]
        self._rows = (capacity + reserve) // num_streams
        self._heads = np.zeros(num_streams, np.int64)  # most steps that were ever written
        self.reserve = reserve
        self._rng = np.random.default_rng(seed)
        self._observation_keys = list(observation_space.spaces)
        discrete = isinstance(action_space, gymnasium.spaces.Discrete)
        fields = {
            f"observation.{key}": (box.dtype, box.shape)
            for key, box in observation_space.spaces.items()
        }
        fields["action"] = (np.int32, ()) if discrete else (np.float32, action_space.shape)
        fields["reward"] = (np.float32, ())
        fields["flags"] = (np.uint8, (3,))
        self._fields = {
            key: (np.dtype(dtype), tuple(shape)) for key, (dtype, shape) in fields.items()
        }
        self.capacity = capacity
        slots = self._rows * num_streams
        sizes = {
            key: slots * dtype.itemsize * math.prod(shape)
            for key, (dtype, shape) in self._fields.items()
        }
        self.bytes = sum(sizes.values())
        self._directory = Path(directory)
        self._read_only = read_only
        self._open(slots, sizes)
        prefetch = prefetch and not read_only
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "replay") if prefetch else None
        self._plan: list[list[Segment]] | None = None
        self._pending: concurrent.futures.Future | None = None

    def __len__(self) -> int:
        """Number of stored steps."""
        return sum(len(stream) for stream in self._streams)

    @property
    def steps_added(self) -> int:
        """Number of steps ever added."""
        return sum(stream.count for stream in self._streams)

    @property
    def num_episodes(self) -> int:
        """Number of stored episodes, the running ones included."""
        return sum(len(stream.starts) for stream in self._streams)

    def add(
        self,
        observation: Mapping[str, np.ndarray],
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
          is_first: the observation is a reset's.
          is_last: the episode ended here, for whatever reason.
          is_terminal: the environment terminated here (not a time limit).
          stream: number of the environment.
        """
        record = self._streams[stream]
        if is_first != (not record.running):
            raise ValueError(
                f"Replay stream {stream}: is_first is {is_first}, but the episode before "
                f"{'is still running' if record.running else 'has ended'}."
            )
        slot = stream * self._rows + record.count % self._rows
        values = {f"observation.{key}": observation[key] for key in self._observation_keys}
        values |= {
            "action": action,
            "reward": reward,
            "flags": (is_first, is_last, is_terminal),
        }
        for key, value in values.items():
            dtype, shape = self._fields[key]
            array = np.asarray(value, dtype)
            if array.shape != shape:
                raise ValueError(f"Replay: {key} has shape {array.shape}, but must be {shape}.")
            os.pwrite(self._files[key], array.tobytes(), slot * array.nbytes)
        record.append(is_first, is_last)
        if record.count > self._heads[stream]:
            self._heads[stream] = record.count
            os.pwrite(self._head, self._heads[stream].tobytes(), 8 * stream)

    def close_episodes(self) -> None:
        """Marks the last step of every running episode as is_last, without terminating it."""
        for index, stream in enumerate(self._streams):
            if stream.running:
                slot = index * self._rows + (stream.count - 1) % self._rows
                os.pwrite(self._files["flags"], b"\x01", slot * 3 + 1)
                stream.running = False

    def can_sample(self) -> bool:
        """Whether enough is stored for a batch."""
        if self._plan is None:
            self._plan = self._draw()
        return self._plan is not None

    def sample(self) -> Sequences:
        """The next batch, [B, T, ...].

        Raises:
          ValueError: fewer steps are stored than a sequence needs.
        """
        if not self.can_sample():
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
        """Sequences within one episode, chosen apart from those for training.

        Args:
          count: B, how many.
          length: T, their length.
          rng: chooses them.

        Returns:
          [B, T, ...]; None where no stored episode is long enough.
        """
        if self._read_only:  # the run may have gone on since, and have overwritten some steps
            for stream, head in zip(self._streams, self._stored_heads(), strict=True):
                stream.lost = max(stream.lost, int(head) - self._rows)
        begins = [
            (index, start, end)
            for index, stream in enumerate(self._streams)
            for start, end in stream.episodes()
            if end - start >= length
        ]
        if not begins:
            return None
        plan = []
        for choice in rng.integers(len(begins), size=count):
            index, start, end = begins[choice]
            first = int(rng.integers(start, end - length + 1))
            plan.append([Segment(index, first, length, True)])
        return self._copy(plan)

    def state(self) -> dict[str, Any]:
        """Everything but the files' contents that a checkpoint must hold, JSON-compatible."""
        plan = None
        if self._plan is not None:
            plan = [[[int(v) for v in segment] for segment in row] for row in self._plan]
        return {
            "streams": [stream.state() for stream in self._streams],
            "rng": self._rng.bit_generator.state,
            "sampling": self._sampling.state(),
            "plan": plan,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to a stored state.

        Args:
          state: from `state`; the files may hold later steps, which are forgotten.

        Raises:
          UserError: the state is of a replay with another number of streams, or of more steps
            than the files hold.
        """
        try:
            self._restore(state)
        except (TypeError, LookupError, ValueError, AttributeError, ArithmeticError) as error:
            raise UserError(
                f"The checkpoint says of the replay in {self._directory} what cannot be "
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
        self._heads = self._stored_heads()
        for stream, head, saved in zip(self._streams, self._heads, state["streams"], strict=True):
            if head < saved["count"]:
                raise UserError(
                    f"The replay in {self._directory} holds {head} steps, but the checkpoint was "
                    f"made with {saved['count']}: the replay's files are not those of this run."
                )
            stream.restore(saved, lost=max(0, int(head) - self._rows))
        self._rng.bit_generator.state = state["rng"]
        self._sampling.restore(state["sampling"])
        self._plan = None
        if state["plan"] is not None:
            plan = [[as_segment(segment) for segment in row] for row in state["plan"]]
            self._check_plan(plan)
            lost = any(self._is_lost(segment) for row in plan for segment in row)
            self._plan = self._draw() if lost else plan

    def _stored_heads(self) -> np.ndarray:
        return np.frombuffer(os.pread(self._head, 8 * len(self._streams), 0), np.int64).copy()

    def _check_plan(self, plan: list[list[Segment]]) -> None:
        """Raises a ValueError where the plan is none for a batch of this replay."""
        lengths = [sum(segment.length for segment in row) for row in plan]
        if lengths != [self.sequence_length] * self.batch_size:
            raise ValueError(f"a batch of sequences with {lengths} steps")
        for segment in (segment for row in plan for segment in row):
            count = self._streams[segment.stream].count if segment.stream >= 0 else 0
            if segment.length < 1 or not 0 <= segment.start <= count - segment.length:
                raise ValueError(f"a sequence of steps that are not stored, {tuple(segment)}")

    def _is_lost(self, segment: Segment) -> bool:
        return segment.start < self._streams[segment.stream].lost

    def flush(self) -> None:
        """Waits until all steps are on disk."""
        for file in (*self._files.values(), self._head):
            os.fsync(file)

    def close(self) -> None:
        """Closes the files."""
        if self._pool is not None:
            self._pool.shutdown()
        self._maps.clear()
        for file in (*self._files.values(), self._head):
            os.close(file)
        self._files.clear()

    def _draw(self) -> list[list[Segment]] | None:
        return self._sampling.draw(self._streams, self.sequence_length, self.batch_size, self._rng)

    def _submit(self) -> None:
        self._pending = None
        if self._pool is not None and self._plan is not None:
            self._pending = self._pool.submit(self._copy, self._plan)

    def _copy(self, plan: list[list[Segment]]) -> Sequences:
        size = (len(plan), sum(segment.length for segment in plan[0]))
        begins = np.zeros(size, bool)
        slots = np.empty(size, np.int64)
        pieces = []  # row, first position and first slot of steps that lie side by side, length
        for row, segments in enumerate(plan):
            position = 0
            for stream, start, length, begin in segments:
                begins[row, position] = begin
                base, first = stream * self._rows, start % self._rows
                before_wrap = min(length, self._rows - first)
                pieces.append((row, position, base + first, before_wrap))
                if before_wrap < length:
                    pieces.append((row, position + before_wrap, base, length - before_wrap))
                position += length
        for row, position, slot, length in pieces:
            slots[row, position : position + length] = np.arange(slot, slot + length)
        arrays = {}
        for key, stored in self._maps.items():
            if stored[0].nbytes < _LARGE:
                arrays[key] = stored[slots]
                continue
            arrays[key] = result = np.empty((*size, *stored.shape[1:]), stored.dtype)
            for row, position, slot, length in pieces:
                result[row, position : position + length] = stored[slot : slot + length]
        flags = arrays.pop("flags").astype(bool)
        observation = {key: arrays[f"observation.{key}"] for key in self._observation_keys}
        return Sequences(
            observation,
            arrays["action"],
            arrays["reward"],
            flags[..., 0] | begins,
            flags[..., 1],
            flags[..., 2],
        )

    def _open(self, slots: int, sizes: dict[str, int]) -> None:
        if not self._read_only:
            self._directory.mkdir(parents=True, exist_ok=True)
        paths = {key: self._directory / f"{key}.bin" for key in self._fields}
        allocated = 0
        for key, path in paths.items():
            if path.exists():
                status = path.stat()
                allocated += status.st_blocks * 512
                if status.st_size != sizes[key]:
                    raise UserError(
                        f"{path} has {status.st_size:,} bytes, but this configuration needs "
                        f"{sizes[key]:,}: the base directory belongs to another configuration; "
                        "choose another --base_dir."
                    )
        missing = self.bytes - allocated
        free = shutil.disk_usage(self._directory).free
        if missing > free and not self._read_only:
            raise UserError(
                f"The replay needs {missing / 1e9:.1f} GB in {self._directory}, but only "
                f"{free / 1e9:.1f} GB are free: choose a --base_dir on a larger disk, or lower "
                f"EpisodeReplay.capacity (now {self.capacity:,} steps)."
            )
        self._files, self._maps = {}, {}
        flags = os.O_RDONLY if self._read_only else os.O_RDWR | os.O_CREAT
        for key, path in paths.items():
            self._files[key] = os.open(path, flags, 0o644)
            if not self._read_only:
                os.truncate(self._files[key], sizes[key])
            dtype, shape = self._fields[key]
            try:
                mapped = np.memmap(path, dtype, "r", shape=(slots, *shape))
            except OSError as error:
                if error.errno != errno.ENOMEM:
                    raise
                raise UserError(
                    f"The replay maps {self.bytes / 1e9:.1f} GB of files into memory, for which "
                    "this process has too little address space (ulimit -v): raise that limit, or "
                    f"lower EpisodeReplay.capacity (now {self.capacity:,} steps)."
                ) from error
            # A plain array over the memory map: slices of a np.memmap are slow.
            self._maps[key] = np.asarray(mapped)
        self._head = os.open(self._directory / "head.bin", flags, 0o644)
        if not self._read_only and os.fstat(self._head).st_size < 8 * len(self._streams):
            os.truncate(self._head, 8 * len(self._streams))
