"""A file is replaced as a whole or not at all."""

import hashlib
import os

import pytest

from dreamer_tf.storage import files


def test_a_replaced_file_has_the_new_contents(tmp_path):
    path = tmp_path / "scores.json"
    files.replace_text(path, "old")
    files.replace_text(path, "néw")
    assert path.read_bytes() == "néw".encode()
    assert os.listdir(tmp_path) == ["scores.json"]


def test_an_exception_keeps_the_old_file(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("old")

    def write():
        with files.replacing(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["scores.json"]


def test_the_contents_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            files.os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))
        )
    files.replace_text(tmp_path / "file", "text")
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the directory


def test_a_path_without_a_folder_is_written_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.replace_text("file", "text")
    assert (tmp_path / "file").read_text() == "text"


def test_a_fingerprint_is_size_and_sha256(tmp_path):
    data = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "file").write_bytes(data)
    found = files.fingerprint(tmp_path / "file")
    assert found == {"bytes": 1_280_000, "sha256": hashlib.sha256(data).hexdigest()}
