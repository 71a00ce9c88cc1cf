"""What was computed from the same scores before, kept in the user's cache directory.

Entries are named after the content that they follow from, the source code of the statistics
included, so they cannot become stale. Nothing depends on them: an entry that is missing, damaged or
cannot be written is computed again.
"""

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from dreamer_tf.storage.files import read_bytes

_BYTES = 1 << 23  # the most that an entry may have
_ENTRIES = 4000  # the oldest of more are removed
_METHOD = ("aggregate.py", "bootstrap.py")  # what turns scores into an entry


def directory() -> Path:
    """Where entries are: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "dreamer_tf" / "scores"


def text(name: str, compute: Callable[[], str]) -> str:
    """A text that follows from its name alone."""
    path = directory() / f"{_digest([name.encode()])}.txt"
    with contextlib.suppress(OSError, ValueError):
        content, _, digest = read_bytes(path, _BYTES).rpartition(b"\n")
        if digest.decode() == _digest([content]):
            return content.decode()
    found = compute()
    content = found.encode()
    _write(path, content + b"\n" + _digest([content]).encode())
    return found


def array(name: str, inputs: Iterable[np.ndarray], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """An array of float64 that follows from a name and from other arrays.

    Args:
      name: of the function, with all other arguments.
      inputs: of float64; their order and shapes count.
      compute: what to call where there is no entry.
    """
    parts = [_method(), name.encode()]
    for one in inputs:
        parts += [repr(one.shape).encode(), np.ascontiguousarray(one, np.float64).tobytes()]
    path = directory() / f"{_digest(parts)}.bin"
    with contextlib.suppress(OSError, ValueError):
        return _decode(read_bytes(path, _BYTES))
    found = np.asarray(compute(), np.float64)
    _write(path, _encode(found))
    return found


@functools.cache
def _method() -> bytes:
    folder = Path(__file__).parent
    return _digest((folder / name).read_bytes() for name in _METHOD).encode()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _encode(values: np.ndarray) -> bytes:
    head = np.array([values.ndim, *values.shape], "<i8").tobytes()
    content = head + np.ascontiguousarray(values, "<f8").tobytes()
    return hashlib.sha256(content).digest() + content


def _decode(data: bytes) -> np.ndarray:
    digest, content = data[:32], data[32:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("a damaged entry")
    [rank] = np.frombuffer(content, "<i8", 1)
    shape = np.frombuffer(content, "<i8", rank, 8)
    return np.frombuffer(content, "<f8", offset=8 * (1 + rank)).reshape(shape).astype(np.float64)


def _write(path: Path, data: bytes) -> None:
    """Writes an entry if that is possible, and removes the oldest of too many."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not flushed: after a loss of power, the digest tells that an entry is damaged.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
        entries = list(path.parent.iterdir())
        if len(entries) > _ENTRIES:
            for old in sorted(entries, key=lambda entry: entry.stat().st_mtime)[
                : len(entries) // 2
            ]:
                old.unlink()
