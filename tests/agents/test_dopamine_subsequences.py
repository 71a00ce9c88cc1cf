"""The replay buffer of SPR: states, returns and ends of episodes, against a plain computation."""

import gin
import numpy as np
import pytest

from dreamer_tf.agents.dopamine_compat import TransitionElement
from dreamer_tf.agents.dopamine_replay import STEPS, ReplayFiles, restore_sampling, sampling_state
from dreamer_tf.agents.dopamine_subsequences import Subsequence, SubsequenceReplay

N, LENGTH, STACK, GAMMA = 3, 4, 2, 0.5


def make(capacity=1000, batch_size=64, seed=0):
    gin.clear_config()
    gin.bind_parameter("ReplayBuffer.max_capacity", capacity)
    gin.bind_parameter("ReplayBuffer.batch_size", batch_size)
    gin.bind_parameter("PrioritizedSamplingDistribution.max_capacity", 2000)
    return SubsequenceReplay(STACK, N, GAMMA, LENGTH, seed)


def fill(replay, episodes, first=0):
    """Adds episodes of (length, terminates); step k has image k + 1, action k % 7, reward k."""
    key = first
    for length, terminates in episodes:
        for step in range(length):
            last = step == length - 1
            image = np.full((2, 3), key + 1, np.uint8)
            action = np.int32(key % 7)
            step = TransitionElement(image, action, float(key), last and terminates, last)
            replay.add(step, priority=1.0)
            key += 1
    return key


def starts(replay):
    return sorted(replay._sampling_distribution._index_by_key)


def batch(replay):
    names = [element.name for element in replay.get_transition_elements()]
    arrays = dict(zip(names, replay.sample_transition_batch(), strict=True))
    return {int(key): {name: arrays[name][row] for name in names}
            for row, key in enumerate(arrays["indices"])}  # fmt: skip


def test_only_complete_returns_are_sampled():
    """Episodes of keys 0-5 (terminated), 6-11 (truncated), 12-15 (running)."""
    replay = make()
    fill(replay, [(6, True), (6, False)])
    for key in range(12, 16):
        image = np.full((2, 3), key + 1, np.uint8)
        replay.add(TransitionElement(image, np.int32(0), 0.0, False), priority=1.0)
    # Of the truncated one, the last three have no observation behind their return.
    assert starts(replay) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 12]
    assert replay.starts == 10 and replay.add_count == 16


def test_states_actions_and_returns():
    replay = make()
    fill(replay, [(6, True), (6, True)])
    rows = batch(replay)
    assert set(rows) == set(range(12))
    for key, row in rows.items():
        begin = 6 * (key // 6)
        end = begin + 5
        inside = [k for k in range(key, key + LENGTH) if k <= end]
        for offset, state in enumerate(row["state"]):
            step = min(key + offset, end)
            images = [k + 1 if k >= begin else 0 for k in range(step - STACK + 1, step + 1)]
            assert state[0, 0].tolist() == images
            assert row["action"][offset] == step % 7
        expected = [float(k in inside) for k in range(key, key + LENGTH)]
        assert row["same_trajectory"].tolist() == expected
        rewards = [k for k in range(key, key + N) if k <= end]
        assert row["reward"] == pytest.approx(sum(GAMMA**i * k for i, k in enumerate(rewards)))
        assert row["terminal"][0] == (key + N > end)
        if not row["terminal"][0]:
            images = [k + 1 for k in range(key + N - STACK + 1, key + N + 1)]
            assert row["next_state"][0, 0, 0].tolist() == images
    assert rows[0]["state"].dtype == np.uint8 and rows[0]["reward"].dtype == np.float32
    assert set(Subsequence._fields) < set(rows[0])


def test_a_cut_episode_is_not_joined_with_the_next():
    replay = make()
    for key in range(5):
        image = np.full((2, 3), key + 1, np.uint8)
        replay.add(TransitionElement(image, np.int32(0), 1.0, False), priority=1.0)
    replay.cut()
    replay.cut()
    fill(replay, [(5, True)], first=5)
    assert starts(replay) == [0, 1, 5, 6, 7, 8, 9]
    rows = batch(replay)
    assert rows[5]["state"][0, 0, 0].tolist() == [0, 6]
    assert rows[1]["same_trajectory"].tolist() == [1, 1, 1, 1]


def test_the_oldest_steps_leave_with_what_needs_them():
    replay = make(capacity=10)
    fill(replay, [(7, True)] * 4)
    assert list(replay._memory) == list(range(18, 28))
    assert starts(replay) == list(range(19, 28))  # the state of 18 needs the image of 17
    for key, row in batch(replay).items():
        assert row["state"][0, 0, 0, 1] == key + 1
    tiny = make(capacity=2)  # shorter than a return: nothing can be sampled
    fill(tiny, [(7, False)])
    assert len(tiny._memory) == 2 and tiny.starts == 0


def test_priorities_choose_the_starts():
    replay = make(batch_size=400)
    fill(replay, [(12, True)])
    replay.set_priority(np.arange(12, dtype=np.int32), np.r_[np.zeros(10), 1.0, 3.0])
    names = [element.name for element in replay.get_transition_elements()]
    arrays = dict(zip(names, replay.sample_transition_batch(), strict=True))
    keys, counts = np.unique(arrays["indices"], return_counts=True)
    assert keys.tolist() == [10, 11] and 0.65 < counts[1] / 400 < 0.85
    np.testing.assert_allclose(
        arrays["sampling_probabilities"], np.where(arrays["indices"] == 11, 0.75, 0.25)
    )


def test_a_stored_buffer_samples_the_same(tmp_path):
    replay = make()
    fill(replay, [(6, True), (6, False), (9, True)])
    files = ReplayFiles(tmp_path, replay, STEPS).save()
    arrays, state = sampling_state(replay)
    again = make(seed=5)
    ReplayFiles(tmp_path, again, STEPS).restore(files, replay.add_count)
    restore_sampling(again, {key: value.copy() for key, value in arrays.items()}, state)
    for first, second in zip(
        replay.sample_transition_batch(), again.sample_transition_batch(), strict=True
    ):
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype
    fill(replay, [(4, True)], first=21)
    fill(again, [(4, True)], first=21)
    assert starts(again) == starts(replay)


def test_an_empty_buffer_cannot_be_sampled():
    with pytest.raises(ValueError, match="No keys to sample from"):
        make().sample_transition_batch()
