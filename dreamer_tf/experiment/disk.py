"""Failures of the disk, whoever reports them: Python raises OSError, TensorFlow its own errors."""

import tensorflow as tf

ERRORS = (OSError, tf.errors.OpError)
_REASONS = ("No space left", "Read-only file system", "Permission denied", "quota exceeded")


def reason(error: Exception) -> str | None:
    """What the disk says, in a few words; None where the error is of something else."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, tf.errors.OpError):
        found = (text for text in _REASONS if text.lower() in str(error.message).lower())
        return next(found, None)
    return None
