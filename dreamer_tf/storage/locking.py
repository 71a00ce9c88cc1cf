"""One process at a time in a base directory, on one host and on several."""

import contextlib
import errno
import fcntl
import os

from dreamer_tf.errors import UserError
from dreamer_tf.storage.files import open_file
from dreamer_tf.storage.lease import Lease

FILE = "lock"
# Network file systems may not lock directories; there the file has to do.
_UNSUPPORTED = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.EISDIR)


class DirectoryLock:
    """A locked base directory. The operating system unlocks it when the process ends, however.

    Both the directory and a file in it are locked. The file can be removed, and whoever makes it
    anew could lock that one; the directory cannot be removed while the run is in it. Other hosts
    that see the directory are kept out by a lease (`lease.py`).
    """

    def __init__(self, base_dir: str | os.PathLike):
        """Locks a directory that exists.

        Args:
          base_dir: base directory of the run.

        Raises:
          UserError: another process has it.
          OSError: the file cannot be made.
        """
        self._files: list[int] = []
        self._lease: Lease | None = None
        try:
            self._files.append(os.open(base_dir, os.O_RDONLY | os.O_DIRECTORY))
            with contextlib.suppress(_Unsupported):
                _lock(self._files[0], base_dir)
            path = os.path.join(base_dir, FILE)
            self._files.append(open_file(path, os.O_RDWR | os.O_CREAT, below=base_dir))
            _lock(self._files[1], base_dir)
            self._lease = Lease(base_dir)
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Ends the process if another host may own the directory by now.

        Called before something is written that another owner would miss.
        """
        if self._lease is not None:
            self._lease.check()

    def close(self) -> None:
        """Unlocks the directory."""
        if self._lease is not None:
            self._lease.close()
        while self._files:
            os.close(self._files.pop())

    def __enter__(self) -> "DirectoryLock":
        """The lock itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Unlocks the directory."""
        self.close()


class _Unsupported(OSError):
    """The file system cannot lock this."""


def _lock(file: int, base_dir: str | os.PathLike) -> None:
    # flock, because a file that merely exists would survive a killed process.
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            f"{os.fspath(base_dir)} is in use by another process: wait until it has ended, or "
            "choose another --base_dir."
        ) from error
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise _Unsupported(*error.args) from error
        raise
