"""Errors of the operating system: the real one behind gin's, and its reason in a few words."""

import contextlib
import errno
import os

# Other numbers (for example ENOENT) are mistakes of a program and should show their traceback.
_REASONS = {
    number: os.strerror(number)
    for number in (
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
        *(errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ELOOP, errno.ENXIO),
    )
}
_REASONS |= {
    errno.EFBIG: f"{os.strerror(errno.EFBIG)}, as limited by ulimit -f",
    errno.EEXIST: "a file or link is where a directory should be",
    errno.ENOTDIR: "a file or link is where a directory should be",
    errno.EISDIR: "a directory is where a file should be",
}


def original(error: BaseException) -> BaseException:
    """The exception that gin has wrapped, or the exception itself.

    gin raises a proxy of the same type with a longer text from every constructor. `errno`,
    `strerror` and `filename` are fields of C, so the proxy has none of them.
    """
    # A proxy of gin defines this method, which no built-in exception has.
    while "__getattr__" in vars(type(error)):
        inner = error.__context__
        if inner is None or type(error).__mro__[1] is not type(inner):
            break
        error = inner
    return error


def reason(error: BaseException) -> str | None:
    """What the user has to know about an error.

    Args:
      error: any exception, also one of gin.

    Returns:
      A few words, for example 'No space left on device'; None if it is not the system's, or the
      user cannot change it.
    """
    error = original(error)
    if not isinstance(error, OSError) or error.errno not in _REASONS:
        return None
    path = error.filename
    if error.errno == errno.ENOSPC and isinstance(path, str | os.PathLike) and _no_inodes(path):
        return "No space left on device for more files: it has no inodes left (df -i)"
    if error.errno not in (errno.EFBIG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return error.strerror
    # Errors that this package raises itself say more than the number.
    own = error.strerror != os.strerror(error.errno)
    return error.strerror if own else _REASONS[error.errno]


def sentence(error: BaseException) -> str | None:
    """The reason with the file, as in '/data/run/lock: Permission denied'; None as for `reason`."""
    found = reason(error)
    if found is None:
        return None
    path = getattr(original(error), "filename", None)
    return f"{path or 'a file'}: {found}"


def _no_inodes(path: str | os.PathLike) -> bool:
    with contextlib.suppress(OSError):
        found = os.statvfs(os.path.dirname(os.path.abspath(path)))
        return found.f_files > 0 and found.f_favail == 0
    return False
