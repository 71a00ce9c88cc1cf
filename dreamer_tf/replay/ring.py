"""The files of the replay buffer: a ring of steps for each stream.

Each field of a step (an observation, the action, ...) has a file of its own. Step n of a stream is
in slot `n % rows` of the stream's part of that file. `head.bin` holds how many steps each stream
ever got.

Steps are written with ordinary writes, so a full disk raises an OSError; a write through a memory
map would crash the process. They are read through a memory map, so the operating system's page
cache is the only memory in use. Reading a hole of a file needs space too on some file systems, and
kills the process where there is none. So space is reserved in chunks before steps are written, and
only written steps are read.
"""

import contextlib
import errno
import hashlib
import math
import mmap
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.replay.streams import Segment
from dreamer_tf.storage.files import make_directory, open_file, reserve, write_all

CHUNK = 1 << 24  # bytes over all fields: how much is reserved at once, and has one checksum
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

    flag = "--base_dir"  # what names the directory

    def __init__(
        self,
        directory: str | os.PathLike,
        fields: Mapping[str, Field],
        *,
        capacity: int,
        reserve: int,
        num_streams: int,
        read_only: bool = False,
        chunk: int = CHUNK,
    ):
        """Opens the files. Those that are missing are made when the first step is written.

        Args:
          directory: where the files are; created if it does not exist.
          fields: dtype and shape of everything that a step holds. The field 'flags' is needed.
          capacity: steps to keep, over all streams.
          reserve: additional slots, over all streams.
          num_streams: number of environments.
          read_only: opens existing files and changes nothing.
          chunk: bytes of disk space that are reserved at once, over all streams.

        Raises:
          UserError: the disk or the address space is too small, or the directory has files of
            another size.
          OSError: a file cannot be opened, or is missing although `read_only`.
        """
        self.rows = (capacity + reserve) // num_streams  # slots of each stream
        self._fields = dict(fields)
        self._directory = Path(directory)
        self._read_only = read_only
        self._cure = f"lower EpisodeReplay.capacity (now {capacity:,} steps)"
        self._slots = self.rows * num_streams
        self._sizes = {
            key: field.dtype.itemsize * math.prod(field.shape)  # of one step
            for key, field in self._fields.items()
        }
        self.step_bytes = sum(self._sizes.values())
        self.bytes = self._slots * self.step_bytes
        self._ahead = max(1, chunk // (self.step_bytes * num_streams))  # steps of each stream
        # Steps that each stream ever got. A new run begins at 0, whatever head.bin says: the steps
        # of a run that was abandoned before its first checkpoint do not count.
        self._heads = np.zeros(num_streams, _COUNT)
        self._reserved = np.zeros(num_streams, _COUNT)  # slots of each stream, from its first on
        if not read_only:
            make_directory(self._directory)
        self._check_disk()
        self._files: dict[str, int] = {}  # descriptors
        self.arrays: dict[str, np.ndarray] = {}  # [slots, ...], read-only views of the files
        # head.bin is made last, so with it all files have been there.
        self.missing = [name for name in (*self._fields, "head") if not self._path(name).exists()]
        if read_only or not self.missing:
            self._open_all()
        else:
            self._check_address_space()

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
        arrays = {}
        for key, value in values.items():
            dtype, shape = self._fields[key]
            arrays[key] = array = np.asarray(value, dtype)
            if array.shape != shape:
                raise ValueError(f"Replay: {key} has shape {array.shape}, but must be {shape}.")
        if not self._files:
            self._open_all()
        if step % self.rows >= self._reserved[stream]:
            self._reserve(stream, step % self.rows)
        for key, array in arrays.items():
            write_all(self._files[key], array.tobytes(), slot * array.nbytes)
        self._raise_head(stream, step + 1)

    def copy(self, source: "Ring", stream: int, start: int, end: int) -> None:
        """Copies steps of one stream from a ring of the same fields and slots.

        Args:
          source: where they are.
          stream: number of the environment.
          start: first step.
          end: step after the last one.

        Raises:
          ValueError: a step was never written.
          OSError: the disk is full.
        """
        if end <= start:
            return
        if not self._files:
            self._open_all()
        ahead = max(1, CHUNK // max(1, self.step_bytes))
        for first in range(start, end, ahead):
            length = min(ahead, end - first)
            for run in source._runs([[Segment(stream, first, length, True)]]):
                last = run.slot + run.length - stream * self.rows
                while self._reserved[stream] < last:
                    self._reserve(stream, int(self._reserved[stream]))
                for key, array in source.arrays.items():
                    data = np.ascontiguousarray(array[run.slot : run.slot + run.length])
                    write_all(self._files[key], data.tobytes(), run.slot * self._sizes[key])
        self._raise_head(stream, end)

    def set_flag(self, stream: int, step: int, flag: int) -> None:
        """Sets one flag of a stored step.

        Args:
          stream: number of the environment.
          step: number of the step in its stream.
          flag: index into the field 'flags'.
        """
        [size] = self._fields["flags"].shape
        write_all(self._files["flags"], b"\x01", self._slot(stream, step) * size + flag)

    def read(self, plan: Sequence[Sequence[Segment]]) -> dict[str, np.ndarray]:
        """Copies sequences.

        Args:
          plan: the segments of each of B sequences; each adds up to T steps.

        Returns:
          Every field, [B, T, ...].

        Raises:
          ValueError: a step was never written.
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

        Raises:
          UserError: head.bin is damaged.
          OSError: the disk is too full to read the steps.
        """
        if not self._files:
            return self._heads.copy()
        stored = os.pread(self._head, self._heads.nbytes, 0)
        heads = np.frombuffer(stored.ljust(self._heads.nbytes, b"\0"), _COUNT).copy()
        if (heads < 0).any():
            raise UserError(
                f"{self._path('head')} is damaged: restore the replay from a copy, or choose "
                "another --base_dir."
            )
        self._heads = heads
        if not self._read_only:
            self._adopt(np.minimum(heads, self.rows))
        return heads.copy()

    def steps(self, key: str, stream: int, start: int, end: int) -> np.ndarray:
        """A copy of steps of one stream.

        Args:
          key: name of the field.
          stream: number of the environment.
          start: first step.
          end: step after the last one.

        Returns:
          [end - start, ...]

        Raises:
          ValueError: a step was never written.
        """
        runs = self._runs([[Segment(stream, start, end - start, True)]])
        return np.concatenate([self.arrays[key][run.slot : run.slot + run.length] for run in runs])

    def digest(self, stream: int, start: int, end: int) -> str:
        """SHA-256 of steps of one stream, of all fields; arguments as for `steps`."""
        found = hashlib.sha256()
        if end > start:
            for run in self._runs([[Segment(stream, start, end - start, True)]]):
                for array in self.arrays.values():
                    found.update(array[run.slot : run.slot + run.length].reshape(-1).data)
        return found.hexdigest()

    def flush(self) -> None:
        """Returns when all steps are on the disk."""
        if self._files:
            for file in (*self._files.values(), self._head):
                os.fsync(file)

    def close(self) -> None:
        """Closes the files."""
        self.arrays.clear()
        if self._files:
            for file in (*self._files.values(), self._head):
                os.close(file)
        self._files.clear()

    def _reserve(self, stream: int, slot: int) -> None:
        """Reserves a chunk, so that writing its steps and reading them cannot fail."""
        end = min(self.rows, slot + self._ahead)
        for key, size in self._sizes.items():
            start = stream * self.rows + slot
            reserve(self._files[key], start * size, (end - slot) * size)
        self._reserved[stream] = end

    def _adopt(self, counts: np.ndarray) -> None:
        """Takes over the slots that an earlier process wrote, [number of streams]."""
        written = int(counts.sum())
        for key, size in self._sizes.items():
            # Holes: a version without reservation left them where the disk was full. Or the file
            # system compresses.
            if os.fstat(self._files[key]).st_blocks * 512 < written * size:
                for stream, count in enumerate(counts.tolist()):
                    start = stream * self.rows * size
                    reserve(self._files[key], start, count * size, in_use=True)
        self._reserved = counts.copy()

    def _raise_head(self, stream: int, count: int) -> None:
        if count > self._heads[stream]:
            # Written before it counts: a head that failed to be written must not be raised.
            head = np.asarray(count, _COUNT)
            write_all(self._head, head.tobytes(), _COUNT.itemsize * stream)
            self._heads[stream] = head

    def _slot(self, stream: int, step: int) -> int:
        return stream * self.rows + step % self.rows

    def _runs(self, plan: Sequence[Sequence[Segment]]) -> list[_Run]:
        """Splits segments where they wrap around to the first slot of their stream."""
        runs = []
        for row, segments in enumerate(plan):
            position = 0
            for stream, start, length, _ in segments:
                if start + length > self._heads[stream]:
                    raise ValueError(f"step {start + length - 1} of stream {stream} is not stored")
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

    def _check_disk(self) -> None:
        allocated = 0
        for key, step in self._sizes.items():
            path, size = self._path(key), step * self._slots
            if path.exists():
                status = path.stat()
                # The files are sparse: slots that were never written take no space yet.
                allocated += status.st_blocks * 512
                if status.st_size != size:
                    raise UserError(
                        f"{path} has {status.st_size:,} bytes, but this configuration needs "
                        f"{size:,}: the base directory belongs to another configuration, or the "
                        "file is damaged; restore it from a copy, or choose another --base_dir."
                    )
        missing = self.bytes - allocated
        free = shutil.disk_usage(self._directory).free
        if missing > free and not self._read_only:
            raise UserError(
                f"The replay needs {missing / 1e9:.1f} GB in {self._directory}, but only "
                f"{free / 1e9:.1f} GB are free: choose a {self.flag} on a larger disk, or "
                f"{self._cure}."
            )

    def _open_all(self) -> None:
        try:
            for key in self._fields:
                self._files[key] = self._open_file(key, self._sizes[key] * self._slots)
                self.arrays[key] = self._map(key)
            self._head = self._open_file("head", self._heads.nbytes)
            self.missing = []
        except BaseException:
            self.arrays.clear()
            for file in self._files.values():
                os.close(file)
            self._files.clear()
            raise

    def _open_file(self, key: str, size: int) -> int:
        flags = os.O_RDONLY if self._read_only else os.O_RDWR | os.O_CREAT
        file = open_file(self._path(key), flags)
        if not self._read_only and os.fstat(file).st_size < size:
            os.truncate(file, size)
        return file

    def _map(self, key: str) -> np.ndarray:
        dtype, shape = self._fields[key]
        size = self._sizes[key] * self._slots
        if not size:
            return np.empty((self._slots, *shape), dtype)
        with self._address_space():
            # Of the descriptor: by its name, it could be another file meanwhile.
            mapped = mmap.mmap(self._files[key], size, prot=mmap.PROT_READ)
        return np.frombuffer(mapped, dtype).reshape(self._slots, *shape)

    def _check_address_space(self) -> None:
        """Before hours of training, not when the files are made."""
        with self._address_space():
            mmap.mmap(-1, self.bytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).close()

    @contextlib.contextmanager
    def _address_space(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            raise UserError(
                f"The replay maps {self.bytes / 1e9:.1f} GB of files into memory, but this process "
                f"has too little address space (ulimit -v): raise that limit, or {self._cure}."
            ) from error
