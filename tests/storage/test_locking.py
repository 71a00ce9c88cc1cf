"""One process at a time, also where the lock file is removed or the directory cannot be locked."""

import errno
import fcntl
import os

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage import locking
from dreamer_tf.storage.locking import DirectoryLock


def test_a_locked_directory_is_in_use_until_it_is_closed(tmp_path):
    lock = DirectoryLock(tmp_path)
    with pytest.raises(UserError, match="in use by another process"):
        DirectoryLock(tmp_path)
    lock.close()
    lock.close()
    with DirectoryLock(tmp_path):
        pass
    DirectoryLock(tmp_path).close()


def test_a_removed_lock_file_unlocks_nothing(tmp_path):
    with DirectoryLock(tmp_path):
        (tmp_path / "lock").unlink()
        with pytest.raises(UserError, match="in use by another process"):
            DirectoryLock(tmp_path)


@pytest.mark.parametrize("number", [errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_directories_cannot_be_locked_the_file_is(tmp_path, monkeypatch, number):
    real = fcntl.flock

    def flock(file, operation):
        if os.path.isdir(f"/proc/self/fd/{file}"):
            raise OSError(number, os.strerror(number))
        return real(file, operation)

    monkeypatch.setattr(locking.fcntl, "flock", flock)
    with DirectoryLock(tmp_path), pytest.raises(UserError, match="in use by another process"):
        DirectoryLock(tmp_path)


def test_locking_changes_no_file(tmp_path):
    (tmp_path / "lock").write_text("mine")
    DirectoryLock(tmp_path).close()
    assert (tmp_path / "lock").read_text() == "mine"
