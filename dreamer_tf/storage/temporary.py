"""Files and directories that are unfinished, and do not outlive the process that makes them."""

import contextlib
import os
from collections.abc import Iterator

from dreamer_tf.storage.files import remove

_unfinished: list[str] = []


@contextlib.contextmanager
def removing(path: str | os.PathLike) -> Iterator[None]:
    """Removes what has this name after the block, also where a signal ends the process in it.

    Args:
      path: of a file or directory. What was renamed in the block is not there any more, and stays.
    """
    name = os.fspath(path)
    _unfinished.append(name)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            remove(name)
        _unfinished.remove(name)


def remove_all() -> None:
    """Removes everything that is unfinished now. For a process that ends without exceptions."""
    for name in _unfinished:
        with contextlib.suppress(OSError):
            remove(name)
