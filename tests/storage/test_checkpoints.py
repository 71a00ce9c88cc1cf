"""Checkpoints are complete or absent, verified, and never unpickled."""

import errno
import json

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage import checkpoints
from dreamer_tf.storage.checkpoints import (
    NEEDS,
    Checkpoint,
    CheckpointStore,
    DamagedCheckpoint,
    check_arrays,
)
from dreamer_tf.storage.files import fingerprint


def checkpoint(number: int) -> Checkpoint:
    arrays = {"weights/a": np.full((3, 2), number, np.float32), "count": np.int64(number)}
    return Checkpoint(arrays, {"number": number, "rng": {"state": 2**100}})


def test_a_checkpoint_is_loaded_as_it_was_saved(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    assert store.load_latest() is None
    store.save(1, checkpoint(1))
    number, loaded = store.load_latest()
    assert number == 1 and loaded.state == checkpoint(1).state
    np.testing.assert_array_equal(loaded.arrays["weights/a"], checkpoint(1).arrays["weights/a"])
    assert loaded.arrays["count"] == 1


def test_only_the_newest_are_kept(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for number in range(1, 6):
        store.save(number, checkpoint(number))
    assert store.numbers() == [4, 5]


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def damage_flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damage_remove(path):
    path.unlink()


def damage_foreign(path):
    path.write_bytes(b'{"format": 1}')


@pytest.mark.parametrize("damage", [damage_truncate, damage_flip, damage_remove, damage_foreign])
@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "manifest.json"])
def test_damaged_checkpoints_are_passed_over(tmp_path, damage, name):
    store = CheckpointStore(tmp_path)
    for number in (1, 2):
        store.save(number, checkpoint(number))
    damage(store.path(2) / name)
    if name != "manifest.json" or damage is not damage_flip:  # a flip may keep its meaning
        with pytest.raises(DamagedCheckpoint):
            store.load(2)
        assert store.load_latest()[0] == 1


def test_no_good_checkpoint_is_an_error(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(1, checkpoint(1))
    damage_remove(store.path(1) / "state.json")
    with pytest.raises(UserError, match="None of the 1 checkpoints"):
        store.load_latest()


def test_a_newer_format_is_not_loaded(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(1, checkpoint(1))
    manifest = store.path(1) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(DamagedCheckpoint, match="format is 99"):
        store.load(1)


def test_an_unfinished_write_is_not_a_checkpoint(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path)
    store.save(1, checkpoint(1))

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(UserError, match="No space left"):
        store.save(2, checkpoint(2))
    assert store.numbers() == [1] and store.load_latest()[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["ckpt-000001"]  # no half that takes space
    monkeypatch.undo()
    store.save(2, checkpoint(2))
    assert store.load_latest()[0] == 2


def test_pickled_arrays_are_never_loaded(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(1, Checkpoint({"object": np.array([{"a": 1}], dtype=object)}, {}))
    with pytest.raises(DamagedCheckpoint, match="allow_pickle"):
        store.load(1)


def test_a_checkpoint_gets_its_name_when_everything_is_on_the_disk(tmp_path, monkeypatch):
    """The order of writing, flushing and renaming is what survives a loss of power."""
    calls = []
    flush, rename = checkpoints.flush, checkpoints.os.rename
    monkeypatch.setattr(checkpoints, "flush", lambda p: (calls.append(p.name), flush(p)))
    monkeypatch.setattr(
        checkpoints.os, "rename", lambda a, b: (calls.append("rename"), rename(a, b))
    )
    CheckpointStore(tmp_path / "checkpoints").save(1, checkpoint(1))
    files = ["arrays.npz", "state.json", "manifest.json"]
    assert calls == [*files, ".ckpt-000001.partial", "rename", "checkpoints"]


def test_other_files_that_a_checkpoint_needs_are_verified(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    (tmp_path / "part").write_text("steps")
    for number, needs in ((1, {}), (2, {NEEDS: {"part": fingerprint(tmp_path / "part")}})):
        store.save(number, Checkpoint({}, needs))
    assert store.needed() == {"part"} and store.load_latest()[0] == 2
    (tmp_path / "part").write_text("stepz")
    with pytest.raises(DamagedCheckpoint, match="part, which it needs, has changed"):
        store.load(2)
    assert store.load(2, beside=False).state
    assert store.load_latest()[0] == 1 and store.load_latest(beside=False)[0] == 2


@pytest.mark.parametrize(
    "stored", [{"w": np.zeros(3)}, {"w": np.zeros(2), "b": np.zeros(1)}, {"v": np.zeros(2)}, {}]
)
def test_arrays_of_another_network_are_a_user_error(stored):
    expected = {"w": np.ones(2)}
    check_arrays(expected, {"w": np.zeros(2)})
    with pytest.raises(UserError, match=r"belongs to another network: [wvb]"):
        check_arrays(expected, stored)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ESTALE, errno.EFBIG])
def test_what_cannot_be_read_now_may_need_its_files(tmp_path, monkeypatch, number):
    """Files of a replay were removed, because nobody seemed to need them."""
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(1, Checkpoint({}, {NEEDS: {}}))

    def fail(*arguments):
        raise OSError(number, "for a moment")

    monkeypatch.setattr(checkpoints, "read_bytes", fail)
    assert store.needed() is None
    monkeypatch.undo()
    assert store.needed() == set()


def test_a_moment_of_a_network_disk_is_no_damage(tmp_path, monkeypatch):
    """The run went on from the checkpoint before, and the good one was removed."""
    store = CheckpointStore(tmp_path)
    for number in (1, 2):
        store.save(number, checkpoint(number))
    read = checkpoints.read_bytes

    def stale(path, *arguments):
        if "000002" in str(path):
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path, *arguments)

    monkeypatch.setattr(checkpoints, "read_bytes", stale)
    with pytest.raises(OSError, match="Stale"):
        store.load_latest()


def test_a_state_that_nobody_could_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_STATE_BYTES", 100)
    store = CheckpointStore(tmp_path)
    store.save(1, Checkpoint({}, {}))
    with pytest.raises(UserError, match="and 100 are the most that is read again: lower"):
        store.save(2, Checkpoint({}, {"logs": [0.5] * 100}))
    assert store.load_latest()[0] == 1
