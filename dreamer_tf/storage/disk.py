"""Failures of the disk. Python reports them as OSError, TensorFlow with its own errors."""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.storage import os_errors

ERRORS = (OSError, tf.errors.OpError)
# TensorFlow's errors have no errno, only the text of the operating system.
_REASONS = (
    *("No space left", "Read-only file system", "Permission denied", "quota exceeded"),
    *("File too large", "Not a directory", "Is a directory", "File exists", "Input/output error"),
)


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


def reason(error: BaseException) -> str | None:
    """Tells failures of the disk from other errors.

    Args:
      error: any exception, also one of gin.

    Returns:
      The reason in a few words, for example 'No space left on device', or None if the error has
      nothing to do with the disk.
    """
    error = os_errors.original(error)
    if isinstance(error, tf.errors.OpError):
        found = (text for text in _REASONS if text.lower() in str(error.message).lower())
        return next(found, None)
    return os_errors.reason(error)
