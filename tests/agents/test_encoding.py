"""Actions as vectors for the networks, and back."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.encoding import ActionEncoding
from tests.small_models import sequences

DISCRETE = gymnasium.spaces.Discrete(4)
BOX = gymnasium.spaces.Box(-1.0, 1.0, (2, 3))


@pytest.mark.parametrize("lead", [(5,), (2, 5)])
def test_discrete_actions_become_one_hot(lead):
    encoding = ActionEncoding(DISCRETE)
    actions = np.arange(np.prod(lead)).reshape(lead) % 4
    encoded = encoding.encode(tf.constant(actions))
    assert encoding.size == 4 and encoded.shape == (*lead, 4) and encoded.dtype == tf.float32
    np.testing.assert_array_equal(np.argmax(encoded, -1), actions)
    np.testing.assert_array_equal(np.sum(encoded, -1), 1.0)


@pytest.mark.parametrize("lead", [(5,), (2, 5)])
def test_box_actions_are_flattened_in_order(lead):
    encoding = ActionEncoding(BOX)
    actions = np.random.default_rng(0).uniform(-1, 1, (*lead, 2, 3)).astype(np.float32)
    encoded = encoding.encode(tf.constant(actions))
    assert encoding.size == 6
    np.testing.assert_array_equal(encoded, actions.reshape(*lead, 6))


@pytest.mark.parametrize("space", [DISCRETE, BOX])
def test_an_environment_gets_back_the_action_that_was_encoded(space):
    encoding = ActionEncoding(space)
    space.seed(0)
    actions = np.stack([space.sample() for _ in range(5)])
    decoded = encoding.decode(encoding.encode(tf.constant(actions)))
    np.testing.assert_array_equal(decoded, actions)


def test_a_batch_has_the_fields_of_its_sequences():
    found = sequences()
    batch = ActionEncoding(gymnasium.spaces.Discrete(3)).batch(found)
    assert batch.action.shape == (3, 6, 3)
    for name in ("reward", "is_first", "is_last", "is_terminal"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(found, name), err_msg=name)
