"""Reading and writing files: no links, no half files, nothing but regular files.

Whoever can write into a run directory could put a link there, a pipe, or a device. A run neither
reads nor writes through them: `open_file` is the only place that opens a file of a run.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from dreamer_tf.storage.removal import removing

_BLOCK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotRegular(OSError):
    """A link, a pipe, a device or a directory is where a regular file should be."""


def open_file(
    path: str | os.PathLike, flags: int = os.O_RDONLY, below: str | os.PathLike | None = None
) -> int:
    """Opens a regular file without following links.

    Args:
      path: the file.
      flags: as for `os.open`; O_NOFOLLOW and O_NONBLOCK (a pipe must not block) are added.
      below: the base directory. No part of the path after it may be a link; it may be one itself.
        By default the directory of the file.

    Returns:
      A descriptor.

    Raises:
      NotRegular: there is something else.
      OSError: the file cannot be opened.
    """
    path = os.path.abspath(path)
    base = os.path.dirname(path) if below is None else os.path.abspath(below)
    *folders, name = _parts(path, base)
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o644, dir_fd=folder)
    except OSError as error:
        error.filename = path
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise _not_regular(error.errno, path) from error
        if error.errno == errno.ENOTDIR and _has_link(path, base):
            raise _not_regular(errno.ELOOP, path) from error
        raise
    finally:
        os.close(folder)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _not_regular(errno.EISDIR if stat.S_ISDIR(mode) else errno.ENXIO, path)
    return descriptor


def _parts(path: str, base: str) -> tuple[str, ...]:
    """The parts of a path after a base directory."""
    parts = Path(os.path.relpath(path, base)).parts
    if not parts or ".." in parts:
        raise NotRegular(errno.ELOOP, "is outside of the directory", path)
    return parts


def _not_regular(number: int, path: str) -> NotRegular:
    kind = {errno.ELOOP: "a link", errno.EISDIR: "a directory"}.get(number, "a pipe or a device")
    return NotRegular(number, f"is {kind}, or behind one, but must be a regular file", path)


def _has_link(path: str, base: str) -> bool:
    parts = _parts(path, base)
    return any(os.path.islink(os.path.join(base, *parts[:n])) for n in range(1, len(parts) + 1))


def refuse_links(base_dir: str | os.PathLike, names: tuple[str, ...]) -> None:
    """Checks the places of a run that libraries write into, which follow links.

    Args:
      base_dir: base directory of the run.
      names: files and directories in it; directories are searched to their end.

    Raises:
      NotRegular: one of them is or holds something else than directories and regular files.
    """
    for name in names:
        path = os.path.join(base_dir, name)
        if os.path.lexists(path):
            _refuse(path, os.lstat(path).st_mode)
        for folder, folders, files in os.walk(path):
            for inner in (*folders, *files):
                found = os.path.join(folder, inner)
                _refuse(found, os.lstat(found).st_mode)


def _refuse(path: str, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise _not_regular(errno.ELOOP, path)
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise _not_regular(errno.ENXIO, path)


def make_directory(path: str | os.PathLike) -> None:
    """Makes a directory, with those above it. A link to one does not count as one.

    Raises:
      OSError: it cannot be made, or a file or a link is in its place.
    """
    if os.path.islink(path):
        raise NotRegular(errno.ELOOP, "is a link, but must be a directory", os.fspath(path))
    os.makedirs(path, exist_ok=True)


def create(path: str | os.PathLike, below: str | os.PathLike | None = None) -> IO[bytes]:
    """Makes a new file in place of whatever has this name; `below` as for `open_file`."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return open(open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, below), "wb")


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Writes at a place of a file, however many calls it takes.

    A disk that fills up, a quota and a limit of the file size make `os.pwrite` write less than it
    was given, without an error. The call after that one tells the reason.

    Raises:
      OSError: not everything could be written.
    """
    while (count := os.pwrite(descriptor, data, offset)) < len(data):
        if count == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data, offset = memoryview(data)[count:], offset + count


def reserve(descriptor: int, start: int, size: int, in_use: bool = False) -> None:
    """Takes space on the disk for a part of a file, so that writing and mapping it cannot fail.

    Args:
      descriptor: of the file.
      start: first byte.
      size: bytes.
      in_use: whether the bytes are wanted. If not, they are overwritten with zeros where the file
        system cannot reserve.

    Raises:
      OSError: the disk is full.
    """
    if size <= 0:
        return
    try:
        os.posix_fallocate(descriptor, start, size)
    except (OSError, AttributeError) as error:  # macOS has no such function
        unsupported = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
        if isinstance(error, OSError) and error.errno not in unsupported:
            raise
        if in_use:
            return
        zeros = bytes(min(size, _BLOCK))
        for place in range(start, start + size, len(zeros)):
            write_all(descriptor, zeros[: start + size - place], place)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Opens a file that gets its name only when the block ends.

    The contents are on the disk before that. After an exception, the previous file of that name is
    still there, and the half of the new one is not: on a full disk it would take the last space.

    Args:
      path: the final name; the file is written as `<path>.partial`.

    Yields:
      The file, opened for binary writing.
    """
    # In the same directory, because renaming is atomic only within one file system.
    partial = f"{os.fspath(path)}.partial"
    with removing(partial):
        with create(partial) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    # Without this, a loss of power could undo the renaming.
    flush(os.path.dirname(os.path.abspath(path)))


def replace_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file as UTF-8; a reader sees the old text or the new one."""
    with replacing(path) as file:
        file.write(text.encode())


def read_bytes(
    path: str | os.PathLike, limit: int, below: str | os.PathLike | None = None
) -> bytes:
    """Reads a regular file.

    Args:
      path: the file.
      limit: the most bytes that it may have.
      below: as for `open_file`.

    Raises:
      OSError: it cannot be read, is no regular file, or is larger.
    """
    with open(open_file(path, below=below), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"has more than {limit:,} bytes", os.fspath(path))
    return data


def save_arrays(file: IO[bytes] | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name as an uncompressed .npz file."""
    np.savez(file, **arrays)  # type: ignore[arg-type]


def flush(path: str | os.PathLike) -> None:
    """Waits until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fingerprint(path: str | os.PathLike, below: str | os.PathLike | None = None) -> dict[str, Any]:
    """Size and SHA-256 of a regular file, as a manifest stores them; `below` as for `open_file`."""
    digest = hashlib.sha256()
    with open(open_file(path, below=below), "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": digest.hexdigest()}
