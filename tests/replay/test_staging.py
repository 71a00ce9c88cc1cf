"""The replay on a node's own disk: the same batches, and nothing but what is new is copied."""

import json
import os

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.replay import ring, staging
from tests.replay.replays import add_episode, check_sequences, make

LENGTHS = (13, 30, 25, 31, 12)


def assert_same_batches(ours, theirs):
    for _ in range(5):
        for one, other in zip(ours.sample()[1:], theirs.sample()[1:], strict=True):
            np.testing.assert_array_equal(one, other)


def saved(replay):
    """What a checkpoint holds, as it comes back from a file."""
    replay.flush()
    return json.loads(json.dumps(replay.state()))


def test_a_staged_replay_gives_the_same_batches_also_on_the_next_node(tmp_path):
    """The ring wraps around; the second node has nothing but the base directory."""
    # Between two checkpoints come 43 steps; the next batch is copied in the background meanwhile.
    sizes = {"capacity": 60, "reserve": 45}
    plain = make(tmp_path / "plain", **sizes)
    staged = make(tmp_path / "base", scratch=str(tmp_path / "node1"), **sizes)
    for node, numbers in ((2, (0, 1, 2)), (3, (3, 4)), (4, (5, 6))):
        for number in numbers:
            for replay in (plain, staged):
                add_episode(replay, LENGTHS[number % 5], number=number, finished=number != 4)
        for replay in (plain, staged):
            replay.close_episodes()
        assert_same_batches(plain, staged)
        state = saved(plain)
        assert saved(staged) == state
        staged._ring._kept.close()  # the node is lost; nothing else is closed
        staged = make(tmp_path / "base", scratch=str(tmp_path / f"node{node}"), **sizes)
        staged.restore(state)
        assert "compared" in staged.verify()
    check_sequences(staged.sample())
    plain.close()
    staged.close()


def test_a_run_goes_on_without_scratch_and_with_it_again(tmp_path):
    replay = make(tmp_path / "base", scratch=str(tmp_path / "node"))
    add_episode(replay, 30, number=0)
    state = saved(replay)
    add_episode(replay, 30, number=1)  # after the checkpoint
    replay.close()
    assert not (tmp_path / "node").exists()
    for settings in ({}, {"scratch": str(tmp_path / "node")}):
        replay = make(tmp_path / "base", **settings)
        replay.restore(state)
        assert replay.steps_added == 30
        add_episode(replay, 20, number=2)
        check_sequences(replay.sample())
        replay.close()


def test_only_what_is_new_is_copied(tmp_path, monkeypatch):
    replay = make(tmp_path / "base", scratch=str(tmp_path / "node"))
    copied = []
    real = ring.Ring.copy

    def copy(self, source, stream, start, end):
        copied.append((start, end))
        real(self, source, stream, start, end)

    monkeypatch.setattr(ring.Ring, "copy", copy)
    for length in (30, 5, 0, 70):
        if length:
            add_episode(replay, length, finished=False)
        replay.close_episodes()
        replay.flush()
    assert copied == [(0, 30), (30, 35), (35, 35), (35, 105)]
    # The end of an episode is marked after its last step was copied.
    add_episode(replay, 5, finished=False)
    replay.flush()
    replay.close_episodes()
    replay.flush()
    replay.close()
    assert copied[4:] == [(105, 110), (109, 110)]


def test_steps_that_were_made_again_are_copied_again(tmp_path):
    replay = make(tmp_path / "base", scratch=str(tmp_path / "node"))
    add_episode(replay, 20, number=0)
    state = saved(replay)
    add_episode(replay, 15, number=1)
    replay.flush()
    replay.close()
    replay = make(tmp_path / "base", scratch=str(tmp_path / "node"))
    replay.restore(state)
    add_episode(replay, 10, number=7)
    state = saved(replay)
    replay.close()
    replay = make(tmp_path / "base")
    replay.restore(state)
    np.testing.assert_array_equal(replay._ring.steps("observation.number", 0, 20, 30)[:, 0], 7)
    replay.verify()
    replay.close()


def test_what_a_killed_process_left_on_the_node_is_removed(tmp_path):
    (tmp_path / "node").mkdir()
    (tmp_path / "node/reward.bin").write_bytes(b"old")
    replay = make(tmp_path / "base", scratch=str(tmp_path / "node"))
    add_episode(replay, 20)
    check_sequences(replay.sample())
    replay.close()


def test_missing_files_of_the_base_directory_are_told(tmp_path):
    replay = make(tmp_path / "base", scratch=str(tmp_path / "node"))
    add_episode(replay, 20)
    state = saved(replay)
    replay.close()
    (tmp_path / "base/reward.bin").unlink()
    replay = make(tmp_path / "base", scratch=str(tmp_path / "node"))
    with pytest.raises(UserError, match=r"base lacks reward"):
        replay.restore(state)
    replay.close()


def test_every_run_has_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv(staging.VARIABLE, raising=False)
    assert staging.place(tmp_path) is None
    monkeypatch.setenv(staging.VARIABLE, "")
    staging.use(str(tmp_path / "node"))
    one, other = staging.place(tmp_path / "a"), staging.place(tmp_path / "b")
    assert one != other and os.path.dirname(one) == str(tmp_path / "node")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert staging.place(tmp_path / "link") == one


def test_a_scratch_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--scratch=.*cannot be written"):
        staging.use(str(tmp_path / "file"))
