"""Spaces that an agent would ignore or misread are refused, and named."""

import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.factored import FactoredActions
from dreamer_tf.environments.interface import complete
from dreamer_tf.environments.spaces import RESERVED_NAMES, check_spaces
from dreamer_tf.errors import UserError

spaces = gymnasium.spaces
VECTOR = spaces.Box(-np.inf, np.inf, (3,), np.float32)
IMAGE = spaces.Box(0, 255, (8, 8, 1), np.uint8)
MASK = spaces.Box(0, 1, (2,), bool)
PLAIN = spaces.Dict({"vector": VECTOR, "image": IMAGE})
TWO = spaces.Discrete(2)


@pytest.mark.parametrize(
    ("observations", "actions"),
    [
        (PLAIN, TWO),
        (spaces.Dict({"planes": spaces.Box(0, 1, (4, 4, 6), bool), "action_mask": MASK}), TWO),
        (PLAIN, spaces.Box(-1, 1, (2, 2), np.float32)),
        (PLAIN, FactoredActions([3, 2], 1)),
    ],
)
def test_what_agents_take_passes(observations, actions):
    check_spaces("Game", observations, actions)


@pytest.mark.parametrize(
    ("observations", "actions", "expected"),
    [
        (VECTOR, TWO, "Game: observation_space is Box"),
        (spaces.Dict({}), TWO, "must be a gymnasium.spaces.Dict with a Box"),
        (spaces.Dict({"a": TWO}), TWO, "observation 'a' is a Discrete, but must be a Box"),
        (spaces.Dict({"a": spaces.Box(0, 255, (8, 8), np.uint8)}), TWO, "'a' has the shape (8, 8)"),
        (spaces.Dict({"a": spaces.Box(0, 1, (), np.float32)}), TWO, "give it 1 axis or 3"),
        (spaces.Dict({"a/b": VECTOR}), TWO, "'a/b' must be named by text without a slash"),
        (
            spaces.Dict({"action_mask": spaces.Box(0, 1, (2,), np.int8)}),
            TWO,
            "type int8, but a mask",
        ),
        (spaces.Dict({"action_mask": spaces.Box(0, 1, (3,), bool)}), TWO, "has shape (3,)"),
        (PLAIN, spaces.Discrete(2, start=1), "must begin with 0: leave `start` out"),
        (PLAIN, spaces.Box(-2, 1, (2,), np.float32), "interface.scale_action"),
        (PLAIN, spaces.Box(-1, 2, (2,), np.float32), "must have numbers from -1 to 1"),
        (PLAIN, spaces.Box(-1, 1, (2,), np.int64), "must have numbers from -1 to 1"),
        (PLAIN, spaces.MultiDiscrete([2, 2]), "must be Discrete, a Box in [-1, 1], or Factored"),
    ],
)
def test_what_agents_would_misread_is_named(observations, actions, expected):
    with pytest.raises(UserError) as error:
        check_spaces("Game", observations, actions)
    assert expected in error.value.sentence


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_names_of_losses_are_reserved(name):
    with pytest.raises(UserError, match=f"'{name}' has the name of a loss or layer"):
        check_spaces("Game", spaces.Dict({name: VECTOR}), TWO)


def test_an_environment_of_yours_is_checked_when_it_is_completed():
    class Game:
        name, frames_per_step, protocol = "Game", 1, "own"
        observation_space, action_space = PLAIN, spaces.Discrete(2, start=1)

        def reset(self, seed=None):
            raise AssertionError

        step = reset

    with pytest.raises(UserError, match="action_space is Discrete"):
        complete(Game())
