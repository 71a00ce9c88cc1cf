"""The rules that choose sequences: where they start and what they may contain."""

import itertools
from collections import Counter

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.replay.sampling import ReleasedSampling, UniformSampling
from dreamer_tf.replay.streams import Stream
from tests.replay.replays import add_episode, make


def draws(sampling, replay, count, length):
    rng = np.random.default_rng(1)
    found = Counter()
    for _ in range(count):
        [[segment]] = sampling.draw(replay._streams, length, 1, rng)
        found[segment.start] += 1
    return found


@pytest.mark.parametrize("total", [10, 11, 30])
def test_starts_have_the_distribution_of_the_paper(tmp_path, total):
    """Paper 2.1: uniform in the episode, then clipped to the last start that fits."""
    replay = make(tmp_path)
    add_episode(replay, total)
    count, length = 20_000, 10
    found = draws(UniformSampling(), replay, count, length)
    expected = dict.fromkeys(range(total - length), 1 / total)
    expected[total - length] = length / total
    assert set(found) == set(expected)
    for start, probability in expected.items():
        error = 5 * np.sqrt(probability * (1 - probability) / count)
        assert abs(found[start] / count - probability) <= error + 1e-9
    replay.close()


def test_starts_are_uniform_without_prioritized_ends(tmp_path):
    replay = make(tmp_path)
    add_episode(replay, 30)
    found = draws(UniformSampling(prioritize_ends=False), replay, 20_000, 10)
    assert set(found) == set(range(21))
    assert all(abs(times / 20_000 - 1 / 21) < 0.01 for times in found.values())
    replay.close()


def test_episodes_are_drawn_by_their_length(tmp_path):
    replay = make(tmp_path)
    add_episode(replay, 80, number=0)
    add_episode(replay, 20, number=1)
    found = draws(UniformSampling(), replay, 10_000, 10)
    late = sum(times for start, times in found.items() if start >= 80)
    assert abs(late / 10_000 - 0.2) < 0.02
    replay.close()


def stream_of(*lengths, capacity=1000):
    stream = Stream(capacity)
    for length in lengths:
        for step in range(length):
            stream.append(step == 0, step == length - 1)
    return stream


def _running(stream, steps):
    """The stream with an episode that goes on."""
    for step in range(steps):
        stream.append(step == 0, False)
    return stream


@pytest.mark.parametrize("sampling", [UniformSampling(), ReleasedSampling(3, 7)])
def test_nothing_is_drawn_from_too_few_steps(sampling):
    rng = np.random.default_rng(0)
    assert sampling.draw([Stream(10)], 4, 2, rng) is None
    assert sampling.draw([stream_of(3)], 4, 2, rng) is None
    assert sampling.draw([stream_of(3), stream_of(9)], 4, 2, rng) is not None


def test_a_longest_piece_below_the_shortest_one_is_refused():
    with pytest.raises(UserError, match=r"maximum_length is 10, but its minimum_length is 50"):
        ReleasedSampling(50, 10)


def test_released_pieces_add_up_and_their_rest_begins_the_next_sequence():
    sampling, rng = ReleasedSampling(3, 7), np.random.default_rng(0)
    drawn = sampling.draw([stream_of(20, 30)], 5, 40, rng)
    assert all(sum(piece.length for piece in row) == 5 for row in drawn)
    continued = 0
    for before, row in itertools.pairwise(drawn):
        last, first = before[-1], row[0]
        if not first.begins:
            assert first.start == last.start + last.length
            continued += 1
    assert continued > 5


def test_released_sampling_never_draws_episodes_of_the_minimum_length():
    sampling, rng = ReleasedSampling(5, 5), np.random.default_rng(0)
    drawn = sampling.draw([stream_of(5, 6, 4)], 5, 50, rng)
    assert {piece.start for row in drawn for piece in row} <= {5, 6, 7, 8, 9, 10}


@pytest.mark.parametrize(("lost", "expected"), [(3, (3, False)), (4, None)])
def test_a_rest_that_was_overwritten_is_dropped(lost, expected):
    sampling = ReleasedSampling(8, 8)
    sampling.restore([[0, 3, 4, 0]])
    stream = stream_of(12, 12)
    stream.lost = lost
    [[first, *_]] = sampling.draw([stream], 5, 1, np.random.default_rng(0))
    if expected:
        assert (first.start, first.begins) == expected
    else:
        assert first.start >= lost and first.begins


def test_released_sampling_never_draws_the_running_episode():
    """Three episodes of 1,000 steps have ended, and one with 200 steps goes on."""
    stream = _running(stream_of(1000, 1000, 1000, capacity=5000), 200)
    rng = np.random.default_rng(0)
    drawn = ReleasedSampling(50, 50).draw([stream], 50, 300, rng)
    assert max(piece.start + piece.length for row in drawn for piece in row) <= 3000
    assert ReleasedSampling(5, 5).draw([_running(Stream(1000), 200)], 5, 1, rng) is None


def test_uniform_sampling_draws_the_running_episode_by_its_length():
    stream = _running(stream_of(600), 200)
    drawn = UniformSampling().draw([stream], 10, 4000, np.random.default_rng(0))
    late = sum(piece.start >= 600 for [piece] in drawn)
    assert abs(late / 4000 - 0.25) < 0.03


class Rule(UniformSampling):
    """The rule of a user, with a mistake."""

    def __init__(self, change=lambda plan: plan, state=()):
        super().__init__()
        self.change, self.saved = change, state

    def draw(self, *arguments):
        return self.change(super().draw(*arguments))

    def state(self):
        return self.saved


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan[1:],
        lambda plan: [[segment._replace(length=3) for segment in row] for row in plan],
        lambda plan: [[segment._replace(start=10**6) for segment in row] for row in plan],
        lambda plan: [[segment._replace(stream=7) for segment in row] for row in plan],
        lambda plan: [3] * len(plan),
        lambda plan: 3,
    ],
)
def test_sequences_that_cannot_be_read_are_the_fault_of_the_rule(tmp_path, change):
    """They ended in pages of TensorFlow's signatures, after the random start."""
    replay = make(tmp_path, sampling=Rule(change, []))
    add_episode(replay, 40)
    with pytest.raises(UserError, match=r"EpisodeReplay.sampling: Rule.draw returned .*8 lists of"):
        replay.sample()
    replay.close()


@pytest.mark.parametrize("state", [{"n": 5}, None, [np.int64(3)], [{1, 2}]])
def test_a_state_that_no_checkpoint_can_hold_is_refused_at_once(tmp_path, state):
    """Every checkpoint was written, and none could be read again."""
    with pytest.raises(UserError, match=r"Rule.state returned .*must return a list of what JSON"):
        make(tmp_path, sampling=Rule(state=state))
