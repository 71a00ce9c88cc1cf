"""Removing files and directories, above all what is unfinished when its process ends."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator

_unfinished: list[str] = []


def remove(path: str | os.PathLike) -> None:
    """Removes whatever has this name, if anything: a file, a link itself, or a directory."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)


@contextlib.contextmanager
def removing(path: str | os.PathLike) -> Iterator[None]:
    """Removes what has this name after the block, also where a signal ends the process in it.

    Args:
      path: of a file or directory. What was renamed in the block is not there any more, and stays.
    """
    name = os.path.abspath(path)
    _unfinished.append(name)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            remove(name)
        _unfinished.remove(name)


def remove_all() -> None:
    """Removes everything that is unfinished now. For a process that ends without exceptions."""
    for name in tuple(_unfinished):
        with contextlib.suppress(OSError):
            remove(name)
