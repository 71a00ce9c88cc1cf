"""Errors of the operating system keep their number, whoever wraps them."""

import errno
import os

import gin
import pytest

from dreamer_tf.storage import os_errors


@gin.configurable
class _Inner:
    def __init__(self, path):
        os.close(os.open(path, os.O_RDONLY))


@gin.configurable
class _Outer:
    def __init__(self, path):
        _Inner(path)


@pytest.mark.parametrize("constructor", [_Inner, _Outer])
def test_an_error_inside_constructors_keeps_number_and_file(tmp_path, constructor):
    path = str(tmp_path / ("x" * 300))
    with pytest.raises(OSError) as error:
        constructor(path)
    assert error.value.errno is None  # gin's
    found = os_errors.original(error.value)
    assert found.errno == errno.ENAMETOOLONG and found.filename == path
    assert os_errors.sentence(error.value) == f"{path}: File name too long"


def test_an_error_that_nobody_wrapped_is_itself():
    try:
        raise ValueError
    except ValueError:
        try:
            raise OSError("no number")
        except OSError as error:
            assert os_errors.original(error) is error and os_errors.reason(error) is None


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EFBIG, "File too large, as limited by ulimit -f"),
        (errno.EEXIST, "a file or link is where a directory should be"),
        (errno.ENOTDIR, "a file or link is where a directory should be"),
        (errno.EISDIR, "a directory is where a file should be"),
        (errno.EMFILE, "Too many open files"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_every_number_has_a_reason(number, words):
    error = OSError(number, os.strerror(number), "/a/file")
    assert os_errors.reason(error) == words
    assert os_errors.sentence(error) == f"/a/file: {words}"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ECONNREFUSED, errno.EBADF])
def test_mistakes_of_a_program_have_none(number):
    assert os_errors.sentence(OSError(number, os.strerror(number))) is None


def test_a_file_system_without_inodes_is_told_from_one_without_space(monkeypatch):
    error = OSError(errno.ENOSPC, "No space left on device", "/a/file")

    class Found:
        f_files, f_favail = 100, 0

    monkeypatch.setattr(os_errors.os, "statvfs", lambda path: Found)
    assert "no inodes left" in os_errors.reason(error)
    Found.f_favail = 7
    assert os_errors.reason(error) == "No space left on device"
