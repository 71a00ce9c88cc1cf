"""Writing files so that a reader never sees half of one."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Opens a file that gets its name only when the block ends.

    The contents are on the disk before that. After an exception, the previous file of that name is
    still there.

    Args:
      path: the final name; the file is written as `<path>.partial`.

    Yields:
      The file, opened for binary writing.
    """
    # In the same directory, because renaming is atomic only within one file system.
    partial = f"{os.fspath(path)}.partial"
    with open(partial, "wb") as file:
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


def fingerprint(path: str | os.PathLike) -> dict[str, Any]:
    """Size and SHA-256 of a file, as a manifest stores them."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"bytes": os.path.getsize(path), "sha256": digest.hexdigest()}
