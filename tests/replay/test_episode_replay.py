"""Batches of the replay: boundaries, wrap-around, short episodes, prefetching, resuming."""

import json

import gymnasium
import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.replay.episode_replay import EpisodeReplay
from dreamer_tf.replay.sampling import ReleasedSampling, UniformSampling
from tests.replay.replays import SPACE, add_episode, check_sequences, make


def test_sequences_keep_steps_together(tmp_path):
    replay = make(tmp_path)
    for number, length in enumerate((23, 4, 31)):
        add_episode(replay, length, number=number, terminal=number != 1)
    for _ in range(50):
        batch = replay.sample()
        assert batch.observation["image"].shape == (8, 10, 4, 4, 1)
        assert batch.observation["image"].dtype == np.uint8
        assert batch.action.dtype == np.int32 and batch.is_terminal.dtype == bool
        check_sequences(batch)
        number = batch.observation["number"][..., 0]
        np.testing.assert_array_equal(batch.is_terminal, batch.is_last & (number != 1))
    replay.close()


def test_a_sequence_stays_inside_a_long_episode(tmp_path):
    """Where the episode is long enough, a sequence stays inside it."""
    replay = make(tmp_path)
    for number in range(3):
        add_episode(replay, 20, number=number)
    for _ in range(50):
        number = replay.sample().observation["number"][..., 0]
        assert (number == number[:, :1]).all()
    replay.close()


def test_batches_stay_right_while_the_ring_wraps_around(tmp_path):
    """The ring is overwritten many times; the newest steps are always there."""
    replay = make(tmp_path, capacity=50, reserve=7)
    lengths = np.random.default_rng(0).integers(1, 33, 60)
    for number, length in enumerate(lengths):
        add_episode(replay, int(length), number=number)
        if len(replay) < 10:
            continue
        assert len(replay) == min(50, replay.steps_added)
        oldest = replay.steps_added - len(replay)
        replay._plan = None  # chosen before this episode was added
        replay._pending = None
        batch = replay.sample()
        check_sequences(batch)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        steps = starts[batch.observation["number"][..., 0].astype(int)]
        steps = steps + batch.observation["number"][..., 1]
        assert steps.min() >= oldest and steps.max() < replay.steps_added
    assert replay.num_episodes <= 52
    replay.close()


def test_the_running_episode_is_sampled_too(tmp_path):
    replay = make(tmp_path)
    add_episode(replay, 15, finished=False)
    batch = replay.sample()
    check_sequences(batch)
    assert not batch.is_last.any()
    replay.close()


def test_short_episodes_are_joined(tmp_path):
    """All episodes shorter than a sequence, down to a single transition."""
    replay = make(tmp_path)
    for number in range(20):
        add_episode(replay, 2 + number % 3, number=number)
    seen = set()
    for _ in range(60):
        batch = replay.sample()
        check_sequences(batch)
        assert (batch.is_first.sum(1) >= 3).all()
        seen |= set(batch.observation["number"][..., 0].astype(int).flat)
    assert seen == set(range(20))
    replay.close()


def test_a_batch_needs_as_many_steps_as_a_sequence(tmp_path):
    replay = make(tmp_path)
    add_episode(replay, 9, finished=False)
    assert not replay.can_sample()
    with pytest.raises(ValueError, match="9 steps"):
        replay.sample()
    replay.close()


def test_prefetching_does_not_change_the_batches(tmp_path):
    replays = [make(tmp_path / str(on), prefetch=on) for on in (True, False)]
    batches = []
    for replay in replays:
        found = []
        for number in range(12):
            add_episode(replay, 12, number=number)
            found.append(replay.sample())
        batches.append(found)
        replay.close()
    for ours, theirs in zip(*batches, strict=True):
        np.testing.assert_array_equal(ours.observation["number"], theirs.observation["number"])


@pytest.mark.parametrize("sampling", [UniformSampling, lambda: ReleasedSampling(3, 7)])
def test_a_resumed_replay_delivers_the_same_batches(tmp_path, sampling):
    """Steps after the checkpoint are forgotten, all steps before it are there."""
    replay = make(tmp_path, sampling=sampling(), capacity=60, reserve=30)
    for number in range(8):
        add_episode(replay, 12, number=number)
        replay.sample()
    state = json.loads(json.dumps(replay.state()))
    expected = []
    for number in range(8, 10):
        expected.append(replay.sample())
        add_episode(replay, 12, number=number)
    replay.close()

    replay = make(tmp_path, sampling=sampling(), capacity=60, reserve=30)
    replay.restore(state)
    assert len(replay) == 60 and replay.steps_added == 96
    for number, before in zip(range(8, 10), expected, strict=True):
        after = replay.sample()
        np.testing.assert_array_equal(after.observation["number"], before.observation["number"])
        np.testing.assert_array_equal(after.is_first, before.is_first)
        add_episode(replay, 12, number=number)
    replay.close()


def test_resume_never_shows_overwritten_steps(tmp_path):
    """More steps were added since the checkpoint than the reserve holds."""
    replay = make(tmp_path, capacity=40, reserve=10)
    add_episode(replay, 40, number=0)
    state = replay.state()
    add_episode(replay, 25, number=1)
    replay.close()
    replay = make(tmp_path, capacity=40, reserve=10)
    replay.restore(state)
    assert len(replay) == 25  # 15 of the 40 steps are gone
    for _ in range(20):
        check_sequences(replay.sample())
    replay.close()


def test_overwritten_steps_stay_forgotten(tmp_path):
    """Also the steps of the batch that was chosen already, and after a second kill."""
    settings = {"capacity": 40, "reserve": 10, "batch_size": 30}
    replay = make(tmp_path, **settings)
    add_episode(replay, 40, number=0)
    replay.sample()  # chooses the next batch, too
    state = replay.state()
    add_episode(replay, 25, number=1)
    replay.close()
    for _ in range(2):  # the second restore finds the marks of the first
        replay = make(tmp_path, **settings)
        replay.restore(state)
        assert len(replay) == 25
        batch = replay.sample()
        check_sequences(batch)
        assert (batch.observation["number"][..., 1] >= 15).all()
        add_episode(replay, 3, number=2)
        replay.close()
    replay = make(tmp_path, **settings)
    replay.restore(state)
    again = replay.state()
    add_episode(replay, 12, number=3)
    replay.close()
    replay = make(tmp_path, **settings)
    replay.restore(again)
    assert len(replay) == 25
    replay.close()


def test_a_replay_resumes_empty_if_everything_was_overwritten(tmp_path):
    replay = make(tmp_path, capacity=20, reserve=5)
    add_episode(replay, 12)
    state = replay.state()
    add_episode(replay, 90, number=1)
    replay.close()
    replay = make(tmp_path, capacity=20, reserve=5)
    replay.restore(state)
    assert len(replay) == 0 and not replay.can_sample()
    add_episode(replay, 12, number=2)
    check_sequences(replay.sample())
    replay.close()


def test_a_new_run_forgets_what_an_abandoned_one_wrote(tmp_path):
    """The abandoned run was killed before its first checkpoint, after it had filled the ring."""
    replay = make(tmp_path, capacity=20, reserve=5)
    add_episode(replay, 90)
    replay.close()
    replay = make(tmp_path, capacity=20, reserve=5)
    add_episode(replay, 12, number=1)
    state = replay.state()
    replay.close()
    replay = make(tmp_path, capacity=20, reserve=5)
    replay.restore(state)
    assert len(replay) == 12
    check_sequences(replay.sample())
    replay.close()


def test_a_capacity_below_a_sequence_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=r"EpisodeReplay\.capacity is 9 steps"):
        make(tmp_path, capacity=9)


def test_a_cut_episode_is_truncated_and_not_terminated(tmp_path):
    replay = make(tmp_path)
    add_episode(replay, 12, finished=False)
    replay.close_episodes()
    add_episode(replay, 12, number=1)
    for _ in range(20):
        batch = replay.sample()
        check_sequences(batch)
        number = batch.observation["number"][..., 0]
        assert not batch.is_terminal[number == 0].any()
    replay.close()


def test_a_sequence_never_mixes_streams(tmp_path):
    replay = make(tmp_path, num_streams=2)
    for step in range(30):
        for stream in range(2):
            replay.add(
                {
                    "image": np.zeros((4, 4, 1), np.uint8),
                    "number": np.array([stream, step], np.float32),
                },
                0,
                0.0,
                is_first=step == 0,
                is_last=False,
                is_terminal=False,
                stream=stream,
            )
    batch = replay.sample()
    number = batch.observation["number"][..., 0]
    assert (number == number[:, :1]).all() and set(number.flat) == {0, 1}
    np.testing.assert_array_equal(np.diff(batch.observation["number"][..., 1], axis=1), 1)
    replay.close()


def test_continuous_actions_are_stored_as_vectors(tmp_path):
    space = gymnasium.spaces.Box(-1, 1, (3,))
    replay = EpisodeReplay(
        tmp_path, SPACE, space, seed=0, capacity=50, reserve=0, batch_size=2, sequence_length=4
    )
    for step in range(8):
        replay.add(
            {"image": np.zeros((4, 4, 1)), "number": np.zeros(2)},
            np.full(3, step / 10),
            0.0,
            is_first=step == 0,
            is_last=False,
            is_terminal=False,
        )
    action = replay.sample().action
    assert action.shape == (2, 4, 3) and action.dtype == np.float32
    np.testing.assert_allclose(np.diff(action[..., 0], axis=1), 0.1, rtol=1e-5)
    replay.close()


def test_a_step_that_does_not_fit_is_an_error_with_its_name(tmp_path):
    replay = make(tmp_path)
    with pytest.raises(ValueError, match="is_first is False"):
        add = {"image": np.zeros((4, 4, 1)), "number": np.zeros(2)}
        replay.add(add, 0, 0.0, is_first=False, is_last=False, is_terminal=False)
    with pytest.raises(ValueError, match=r"observation.number has shape \(3,\)"):
        add = {"image": np.zeros((4, 4, 1)), "number": np.zeros(3)}
        replay.add(add, 0, 0.0, is_first=True, is_last=False, is_terminal=False)
    replay.close()


def test_a_reader_beside_a_running_training_changes_nothing_and_sees_no_lost_steps(tmp_path):
    writer = make(tmp_path)
    for number in range(6):
        add_episode(writer, 20, number=number)
    state = json.loads(json.dumps(writer.state()))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        path.chmod(0o444)
    reader = make(tmp_path, read_only=True)
    reader.restore(state)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    rng = np.random.default_rng(0)
    assert reader.whole_sequences(50, 10, rng).observation["number"][..., 0].min() == 1
    for number in range(6, 9):  # 180 steps in 120 slots: 60 and later are there
        add_episode(writer, 20, number=number)
    found = reader.whole_sequences(200, 10, rng)
    assert set(found.observation["number"][..., 0].ravel()) == {3.0, 4.0, 5.0}
    check_sequences(found, first_resets=False)
    with pytest.raises(FileNotFoundError):
        make(tmp_path / "elsewhere", read_only=True)
    assert not (tmp_path / "elsewhere").exists()


def test_a_resume_that_is_not_exact_says_so(tmp_path, caplog):
    """Resets take a place too: short episodes overwrite more than their agent steps."""
    replay = make(tmp_path, capacity=60, reserve=20)
    for _ in range(20):
        add_episode(replay, 5)
    state = replay.state()
    add_episode(replay, 20)
    make(tmp_path, capacity=60, reserve=20).restore(state)
    assert "were overwritten" not in caplog.text
    add_episode(replay, 4)
    make(tmp_path, capacity=60, reserve=20).restore(state)
    assert "4 of the oldest steps were overwritten since the checkpoint" in caplog.text


def test_a_cut_shows_in_the_batch_that_was_copied_before(tmp_path):
    """The copy ran ahead: a run and its resume got another is_last in one batch."""
    found = []
    for prefetch in (True, False):
        replay = make(tmp_path / str(prefetch), prefetch=prefetch)
        add_episode(replay, 12, finished=False)
        for _ in range(5):
            replay.sample()
        replay.close_episodes()
        found.append([replay.sample() for _ in range(3)])
        replay.close()
    assert any(batch.is_last.any() for batch in found[0])
    for ahead, behind in zip(*found, strict=True):
        np.testing.assert_array_equal(ahead.is_last, behind.is_last)
