"""Actions as vectors for the networks, and back."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.encoding import ActionEncoding
from dreamer_tf.environments.factored import FactoredActions
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


def test_factored_actions_are_one_hot_parts_and_numbers():
    space = FactoredActions([2, 3], 2)
    encoding = ActionEncoding(space)
    assert encoding.size == 7 and not encoding.discrete
    space.seed(0)
    actions = np.stack([space.sample() for _ in range(12)]).reshape(3, 4, 4)
    encoded = encoding.encode(tf.constant(actions)).numpy()
    assert encoded.shape == (3, 4, 7)
    np.testing.assert_array_equal(np.argmax(encoded[..., 2:5], -1), actions[..., 1])
    np.testing.assert_array_equal(encoded[..., 5:], actions[..., 2:])
    back = encoding.decode(tf.reshape(encoded, [12, 7]))
    np.testing.assert_array_equal(back, actions.reshape(12, 4))
