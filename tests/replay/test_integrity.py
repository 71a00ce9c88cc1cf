"""Checksums of the replay: what they cost, what they cover, and that a resume changes none."""

import json

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.replay import integrity
from tests.replay.replays import add_episode, make


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 10 steps."""
    monkeypatch.setattr(integrity, "CHUNK", 10 * (16 + 8 + 4 + 4 + 3))


def test_a_resume_compares_samples_and_verify_everything(tmp_path, small_chunks, monkeypatch):
    monkeypatch.setattr(integrity, "SAMPLES", 2)
    replay = make(tmp_path, num_streams=2, capacity=400, reserve=40)
    for stream in range(2):
        add_episode(replay, 95, stream=stream)
    state = json.loads(json.dumps(replay.state()))
    replay.close()
    replay = make(tmp_path, num_streams=2, capacity=400, reserve=40)
    read = []
    digest = replay._ring.digest
    monkeypatch.setattr(
        replay._ring, "digest", lambda *steps: (read.append(steps), digest(*steps))[1]
    )
    replay.restore(state)
    assert len(read) == 2 * (2 + 1) and {(0, 90, 95), (1, 90, 95)} < set(read)
    read.clear()
    assert replay.verify() == "190 steps, 190 of them compared with checksums"
    assert len(read) == 2 * (9 + 1)
    with (tmp_path / "reward.bin").open("r+b") as file:
        file.seek(4 * (220 + 43))
        file.write(b"\x01")
    with pytest.raises(UserError, match="steps 40 to 49 of stream 1 differ"):
        replay.verify()
    replay.close()


def test_checksums_cost_what_is_new(tmp_path, small_chunks, monkeypatch):
    replay = make(tmp_path, capacity=1000)
    read = []
    digest = replay._ring.digest
    monkeypatch.setattr(
        replay._ring, "digest", lambda *steps: (read.append(steps[2] - steps[1]), digest(*steps))[1]
    )
    for number in range(20):
        add_episode(replay, 33, number=number)
        read.clear()
        replay.state()
        assert sum(read) <= 33 + 10 + 10
    replay.close()


def test_checksums_of_steps_that_dropped_out_are_dropped(tmp_path, small_chunks):
    """Also where more steps came than the ring holds."""
    replay = make(tmp_path, capacity=50, reserve=20)
    for number, length in enumerate((33, 33, 33, 33, 33, 333, 5)):
        add_episode(replay, length, number=number)
        state = json.loads(json.dumps(replay.state()))
        [stream] = state["checksums"]["streams"]
        assert len(stream["sums"]) <= 6
        other = make(tmp_path, capacity=50, reserve=20)
        other.restore(state)
        other.verify()
        other.close()
    replay.close()


def test_a_resumed_replay_has_the_same_checksums(tmp_path, small_chunks):
    whole = make(tmp_path / "whole")
    replay = make(tmp_path / "resumed")
    for number in range(4):
        add_episode(whole, 23, number=number)
        add_episode(replay, 23, number=number)
        state = replay.state()
        assert whole.state()["checksums"] == state["checksums"]
        add_episode(replay, 11, number=99)  # lost
        replay.close()
        replay = make(tmp_path / "resumed")
        replay.restore(state)
    whole.close()
    replay.close()


def test_a_flag_that_is_set_later_changes_the_checksum(tmp_path, small_chunks):
    """A checkpoint was written at the end of a chunk, within an episode that is cut later."""
    replay = make(tmp_path)
    add_episode(replay, 20, finished=False)
    replay.state()
    replay.close_episodes()
    state = replay.state()
    replay.close()
    replay = make(tmp_path)
    replay.restore(state)
    assert replay.verify() == "20 steps, 20 of them compared with checksums"
    replay.close()
