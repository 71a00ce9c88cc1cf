"""The files of the replay buffer: a ring of steps for each stream.

Each field of a step (an observation, the action, ...) has a file of its own. Step n of a stream is
in slot `n % rows` of the stream's part of that file. `head.bin` holds how many steps each stream
ever got.

Steps are written with ordinary writes, so a full disk raises an OSError; a write through a memory
map would crash the process. They are read through a memory map, so the operating system's page
cache is the only memory in use.
"""

import errno
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.replay.streams import Segment

# In bytes. Copying slices is faster for larger values, indexing one by one for smaller ones.
_LARGE = 512
_COUNT = np.dtype(np.int64)  # of the numbers in head.bin


class Field(NamedTuple):
    """What a step holds under one name."""

    dtype: np.dtype
    shape: tuple[int, ...]


class _Run(NamedTuple):
    """Steps of a sequence that are neighbors in the files."""

    row: int  # of the batch
    position: int  # time step within the sequence
    slot: int  # the first one
    length: int


class Ring:
    """The memory-mapped files of all streams."""

    def __init__(
        self,
        directory: str | os.PathLike,
        fields: Mapping[str, Field],
        *,
        capacity: int,
        reserve: int,
        num_streams: int,
        read_only: bool = False,
    ):
        """Creates or opens the files.

        Args:
          directory: where the files are; created if it does not exist.
          fields: dtype and shape of everything that a step holds. The field 'flags' is needed.
          capacity: steps to keep, over all streams.
          reserve: additional slots, over all streams.
          num_streams: number of environments.
          read_only: opens existing files and changes nothing.

        Raises:
          UserError: the disk or the address space is too small, or the directory has files of
            another size.
        """
        self.rows = (capacity + reserve) // num_streams  # slots of each stream
        self._fields = dict(fields)
        self._directory = Path(directory)
        self._read_only = read_only
        self._cure = f"lower EpisodeReplay.capacity (now {capacity:,} steps)"
        self._slots = self.rows * num_streams
        sizes = {
            key: self._slots * field.dtype.itemsize * math.prod(field.shape)
            for key, field in self._fields.items()
        }
        self.bytes = sum(sizes.values())
        # Steps that each stream ever got. A new run begins at 0, whatever head.bin says: the steps
        # of a run that was abandoned before its first checkpoint do not count.
        self._heads = np.zeros(num_streams, _COUNT)
        if not read_only:
            self._directory.mkdir(parents=True, exist_ok=True)
        self._check_disk(sizes)
        self._files: dict[str, int] = {}  # descriptors
        self.arrays: dict[str, np.ndarray] = {}  # [slots, ...], read-only views of the files
        for key, size in sizes.items():
            self._open(key, size)
        self._open_heads()

    def write(self, stream: int, step: int, values: Mapping[str, Any]) -> None:
        """Writes one step.

        Args:
          stream: number of the environment.
          step: number of the step in its stream.
          values: a value for every field.

        Raises:
          ValueError: a value has the wrong shape.
          OSError: the disk is full.
        """
        slot = self._slot(stream, step)
        for key, value in values.items():
            dtype, shape = self._fields[key]
            array = np.asarray(value, dtype)
            if array.shape != shape:
                raise ValueError(f"Replay: {key} has shape {array.shape}, but must be {shape}.")
            os.pwrite(self._files[key], array.tobytes(), slot * array.nbytes)
        if step >= self._heads[stream]:
            self._heads[stream] = step + 1
            os.pwrite(self._head, self._heads[stream].tobytes(), _COUNT.itemsize * stream)

    def set_flag(self, stream: int, step: int, flag: int) -> None:
        """Sets one flag of a stored step.

        Args:
          stream: number of the environment.
          step: number of the step in its stream.
          flag: index into the field 'flags'.
        """
        [size] = self._fields["flags"].shape
        os.pwrite(self._files["flags"], b"\x01", self._slot(stream, step) * size + flag)

    def read(self, plan: Sequence[Sequence[Segment]]) -> dict[str, np.ndarray]:
        """Copies sequences.

        Args:
          plan: the segments of each of B sequences; each adds up to T steps.

        Returns:
          Every field, [B, T, ...].
        """
        size = (len(plan), sum(segment.length for segment in plan[0]))
        slots = np.empty(size, np.int64)
        runs = self._runs(plan)
        for row, position, slot, length in runs:
            slots[row, position : position + length] = np.arange(slot, slot + length)
        copied = {}
        for key, stored in self.arrays.items():
            if stored[0].nbytes < _LARGE:
                copied[key] = stored[slots]
                continue
            copied[key] = result = np.empty((*size, *stored.shape[1:]), stored.dtype)
            for row, position, slot, length in runs:
                result[row, position : position + length] = stored[slot : slot + length]
        return copied

    def read_heads(self) -> np.ndarray:
        """Reads how many steps each stream ever got, and counts on from there.

        Returns:
          [number of streams] int64.
        """
        stored = os.pread(self._head, self._heads.nbytes, 0)
        self._heads = np.frombuffer(stored, _COUNT).copy()
        return self._heads.copy()

    def flush(self) -> None:
        """Returns when all steps are on the disk."""
        for file in (*self._files.values(), self._head):
            os.fsync(file)

    def close(self) -> None:
        """Closes the files."""
        self.arrays.clear()
        for file in (*self._files.values(), self._head):
            os.close(file)
        self._files.clear()

    def _slot(self, stream: int, step: int) -> int:
        return stream * self.rows + step % self.rows

    def _runs(self, plan: Sequence[Sequence[Segment]]) -> list[_Run]:
        """Splits segments where they wrap around to the first slot of their stream."""
        runs = []
        for row, segments in enumerate(plan):
            position = 0
            for stream, start, length, _ in segments:
                before_wrap = min(length, self.rows - start % self.rows)
                runs.append(_Run(row, position, self._slot(stream, start), before_wrap))
                if before_wrap < length:
                    position_after = position + before_wrap
                    after_wrap = length - before_wrap
                    runs.append(_Run(row, position_after, stream * self.rows, after_wrap))
                position += length
        return runs

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.bin"

    def _check_disk(self, sizes: Mapping[str, int]) -> None:
        allocated = 0
        for key, size in sizes.items():
            path = self._path(key)
            if path.exists():
                status = path.stat()
                # The files are sparse: slots that were never written take no space yet.
                allocated += status.st_blocks * 512
                if status.st_size != size:
                    raise UserError(
                        f"{path} has {status.st_size:,} bytes, but this configuration needs "
                        f"{size:,}: the base directory belongs to another configuration; choose "
                        "another --base_dir."
                    )
        missing = self.bytes - allocated
        free = shutil.disk_usage(self._directory).free
        if missing > free and not self._read_only:
            raise UserError(
                f"The replay needs {missing / 1e9:.1f} GB in {self._directory}, but only "
                f"{free / 1e9:.1f} GB are free: choose a --base_dir on a larger disk, or "
                f"{self._cure}."
            )

    def _open_file(self, path: Path) -> int:
        return os.open(path, os.O_RDONLY if self._read_only else os.O_RDWR | os.O_CREAT, 0o644)

    def _open(self, key: str, size: int) -> None:
        path = self._path(key)
        self._files[key] = self._open_file(path)
        if not self._read_only:
            os.truncate(self._files[key], size)
        dtype, shape = self._fields[key]
        try:
            mapped = np.memmap(path, dtype, "r", shape=(self._slots, *shape))
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            raise UserError(
                f"The replay maps {self.bytes / 1e9:.1f} GB of files into memory, but this process "
                f"has too little address space (ulimit -v): raise that limit, or {self._cure}."
            ) from error
        # A plain array over the memory map: slices of a np.memmap are slow.
        self.arrays[key] = np.asarray(mapped)

    def _open_heads(self) -> None:
        self._head = self._open_file(self._directory / "head.bin")
        if not self._read_only and os.fstat(self._head).st_size < self._heads.nbytes:
            os.truncate(self._head, self._heads.nbytes)
