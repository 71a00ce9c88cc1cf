"""Actions of several parts, and random actions under a mask."""

import pickle

import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.factored import (
    FactoredActions,
    choices,
    has_mask,
    is_discrete,
    random_actions,
)
from dreamer_tf.errors import UserError

SPACE = FactoredActions([2, 5], 3)
BITS = np.dtype(bool)


def test_samples_are_whole_choices_and_bounded_numbers():
    SPACE.seed(0)
    samples = np.stack([SPACE.sample() for _ in range(200)])
    assert samples.shape == (200, 5) and samples.dtype == np.float32
    assert set(samples[:, 0]) == {0, 1} and set(samples[:, 1]) == {0, 1, 2, 3, 4}
    assert (np.abs(samples[:, 2:]) <= 1).all() and all(map(SPACE.contains, samples))
    assert not SPACE.contains(np.array([0.5, 0, 0, 0, 0], np.float32))
    assert not SPACE.contains(np.array([0, 5, 0, 0, 0], np.float32))


def test_it_survives_the_way_to_another_process():
    copy = pickle.loads(pickle.dumps(SPACE))
    assert copy == SPACE and copy != FactoredActions([2, 5], 2)
    batched = gymnasium.vector.utils.batch_space(copy, 4)
    assert batched.shape == (4, 5)


def test_choices_of_every_space():
    assert choices(gymnasium.spaces.Discrete(3)) == (3,) and choices(SPACE) == (2, 5)
    assert is_discrete(SPACE) and not is_discrete(FactoredActions([], 2))
    assert not is_discrete(gymnasium.spaces.Box(-1, 1, (2,)))


def test_random_actions_without_a_mask_are_those_of_before():
    """Runs that began earlier continue with the same random start."""
    discrete = random_actions(gymnasium.spaces.Discrete(7), np.random.default_rng(1), 5)
    np.testing.assert_array_equal(discrete, np.random.default_rng(1).integers(7, size=5))
    box = gymnasium.spaces.Box(-1, 1, (2, 3))
    expected = np.random.default_rng(1).uniform(-1.0, 1.0, (5, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(random_actions(box, np.random.default_rng(1), 5), expected)


def test_random_actions_never_take_what_is_masked():
    rng = np.random.default_rng(0)
    mask = np.tile([True, False, False, True, False, True, False], (1_000_000, 1))
    actions = random_actions(SPACE, rng, len(mask), mask)
    assert set(np.unique(actions[:, 0])) == {0} and set(np.unique(actions[:, 1])) == {1, 3}
    discrete = random_actions(gymnasium.spaces.Discrete(7), rng, len(mask), mask)
    assert set(np.unique(discrete)) == {0, 3, 5}
    assert np.bincount(discrete)[[0, 3, 5]].min() > 300_000
    nothing = random_actions(gymnasium.spaces.Discrete(7), rng, 1000, np.zeros((1000, 7), bool))
    assert len(np.unique(nothing)) == 7


def test_a_mask_is_an_observation_of_bits_that_fits():
    box, discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete(3)
    fits = gymnasium.spaces.Dict({"action_mask": box(0, 1, (3,), BITS)})
    assert has_mask(fits, discrete)
    assert not has_mask(gymnasium.spaces.Dict({"action_mask": box(0, 1, (3,))}), discrete)
    with pytest.raises(UserError, match=r"shape \(3,\), but there are 7 values"):
        has_mask(fits, SPACE)
