"""Failures of the disk are told from other errors."""

import errno
import os

import pytest
import tensorflow as tf

from dreamer_tf.storage import disk


def os_error(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (os_error(errno.ENOSPC), "No space left on device"),
        (os_error(errno.EROFS), "Read-only file system"),
        (tf.errors.UnknownError(None, None, "write failed: no space left on device"), "No space"),
        (tf.errors.PermissionDeniedError(None, None, "x: Permission denied"), "Permission denied"),
    ],
)
def test_a_failure_of_the_disk_has_a_reason(error, reason):
    assert disk.reason(error).startswith(reason) and isinstance(error, disk.ERRORS)


@pytest.mark.parametrize(
    "error",
    [
        os_error(errno.ENOENT),
        os_error(errno.ECONNREFUSED),
        tf.errors.InvalidArgumentError(None, None, "Incompatible shapes"),
        ValueError("No space left on device"),
    ],
)
def test_other_errors_have_none(error):
    assert disk.reason(error) is None
