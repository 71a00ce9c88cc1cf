"""Failures of the disk, whoever reports them: Python raises OSError, TensorFlow its own errors."""

import contextlib
import errno
from collections.abc import Callable, Iterator

import tensorflow as tf

from dreamer_tf.errors import UserError

ERRORS = (OSError, tf.errors.OpError)
_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_NUMBERS |= {errno.EFBIG, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_REASONS = ("No space left", "Read-only file system", "Permission denied", "quota exceeded")


@contextlib.contextmanager
def user_errors(sentence: Callable[[str], str]) -> Iterator[None]:
    """Turns failures of the disk inside the block into user errors.

    Args:
      sentence: makes the message from what the disk says.

    Raises:
      UserError: the disk is full, read-only or cannot be written.
    """
    try:
        yield
    except ERRORS as error:
        found = reason(error)
        if found is None:
            raise
        raise UserError(sentence(found)) from error


def reason(error: Exception) -> str | None:
    """What the disk says, in a few words; None where the error is of something else."""
    if isinstance(error, OSError):
        return error.strerror if error.errno in _NUMBERS else None
    if isinstance(error, tf.errors.OpError):
        found = (text for text in _REASONS if text.lower() in str(error.message).lower())
        return next(found, None)
    return None
