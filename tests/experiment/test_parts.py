"""Checkpoints of several workers: complete with all parts, or absent."""

import json

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import cluster, parts
from dreamer_tf.experiment.group import Group
from dreamer_tf.experiment.signals import StopRequest
from dreamer_tf.networks.workers import Workers
from dreamer_tf.storage.checkpoints import NEEDS, Checkpoint, DamagedCheckpoint


class Scripted(Workers):
    """One worker of two whose meetings always agree with what the chief says."""

    def __init__(self, index, number):
        super().__init__(index, 2)
        self.number = number

    def gather(self, row):
        """The chief's row is its number."""
        return np.array([[self.number], row])


def store_of(tmp_path, index, number=1, keep=2):
    group = Group(Scripted(index, number), StopRequest())
    return group, parts.store(group, cluster.directory(tmp_path, index), keep)


def save(tmp_path, number):
    """Both workers save, the chief last."""
    for index in (1, 0):
        group, store = store_of(tmp_path, index, number)
        parts.save(group, store, Checkpoint({}, {"who": index}))
    return store


def test_the_checkpoint_of_the_chief_needs_the_parts_of_the_others(tmp_path):
    store = save(tmp_path, 1)
    state = store.load(1).state
    part = tmp_path / "workers" / "1" / "checkpoints" / "ckpt-000001"
    assert set(state[NEEDS]) == {str(path.relative_to(tmp_path)) for path in part.iterdir()}
    assert len(state[NEEDS]) == 3 and json.loads((part / "state.json").read_text()) == {"who": 1}
    (part / "state.json").write_text('{"who": 2}')
    with pytest.raises(DamagedCheckpoint, match=r"workers/1/.*json, which it needs, has changed"):
        store.load(1)


def test_a_worker_keeps_the_part_before_the_newest_until_the_chief_has_completed_it(tmp_path):
    for number in range(1, 5):
        save(tmp_path, number)
    group, other = store_of(tmp_path, 1, number=5)
    parts.save(group, other, Checkpoint({}, {"who": 1}))  # the chief dies before its own
    _, chief = store_of(tmp_path, 0)
    assert chief.numbers() == [3, 4] and other.numbers() == [3, 4, 5]
    assert all(chief.load(number) for number in chief.numbers())


def test_a_part_that_the_chief_does_not_see_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_VISIBLE", 0.2)
    group, store = store_of(tmp_path, 0)
    with pytest.raises(UserError, match="the chief does not see it: give all workers the same"):
        parts.save(group, store, Checkpoint({}, {}))
    assert not store.numbers()


def test_a_single_process_writes_what_it_wrote_before(tmp_path):
    group = Group(Workers(), StopRequest())
    store = parts.store(group, cluster.directory(tmp_path, 0), 2)
    parts.save(group, store, Checkpoint({}, {"a": 1}))
    assert store.load(1).state == {"a": 1} and not (tmp_path / "workers").exists()


def test_another_number_of_workers_is_a_sentence():
    parts.check_count(2, 2)
    with pytest.raises(UserError, match="made by 1 worker, and now there is a group of 3 workers"):
        parts.check_count(1, 3)
