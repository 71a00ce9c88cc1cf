"""Actions of every kind, there and back."""

import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.actions import Actions
from dreamer_tf.environments.factored import FactoredActions
from dreamer_tf.errors import UserError

spaces = gymnasium.spaces
Box, Discrete = spaces.Box, spaces.Discrete
MIXED = spaces.Dict(
    {
        "kind": Discrete(3, start=1),
        "move": Box(np.array([[-2.0], [0.0]]), np.array([[2.0], [8.0]]), dtype=np.float64),
        "rest": spaces.Tuple([spaces.MultiBinary(2), spaces.MultiDiscrete([[2], [4]])]),
    }
)


@pytest.mark.parametrize(
    ("space", "choices", "numbers"),
    [
        (spaces.MultiDiscrete([2, 3], start=[5, -1]), (2, 3), 0),
        (spaces.MultiBinary([2, 2]), (2, 2, 2, 2), 0),
        (spaces.Tuple([Box(-1, 1, (2,)), Box(0, 1, ())]), (), 3),
        (MIXED, (3, 2, 2, 2, 4), 2),
    ],
)
def test_parts_are_factored_and_every_action_fits(space, choices, numbers):
    actions = Actions(space, "E")
    assert actions.space == FactoredActions(choices, numbers)
    actions.space.seed(0)
    for _ in range(50):
        action = actions.to_environment(actions.space.sample())
        assert space.contains(action), action


def test_every_part_gets_its_own_numbers():
    action = np.array([2, 1, 0, 1, 3, 1.0, -1.0], np.float32)
    found = Actions(MIXED, "E").to_environment(action)
    assert found["kind"] == 3
    np.testing.assert_allclose(found["move"], [[2.0], [0.0]])
    np.testing.assert_array_equal(found["rest"][0], [1, 0])
    np.testing.assert_array_equal(found["rest"][1], [[1], [3]])


def test_masks_are_put_together():
    mask = {"kind": np.array([1, 0, 1], np.int8), "rest": (np.ones(4), (np.ones(2), np.zeros(4)))}
    flat = Actions(MIXED, "E").mask(mask)
    assert flat.dtype == bool and list(np.flatnonzero(~flat)) == [1, 9, 10, 11, 12]
    np.testing.assert_array_equal(Actions(Discrete(2), "E").mask([0, 1]), [False, True])
    with pytest.raises(ValueError, match="has 3 entries, but there are 2"):
        Actions(Discrete(2), "E").mask(np.ones(3))


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Tuple([Box(-np.inf, np.inf, (1,))]), "TransformAction"),
        (spaces.Dict({"say": spaces.Text(3)}), "the actions have a Text.*ActionWrapper"),
    ],
)
def test_parts_that_cannot_be_chosen_are_errors(space, words):
    with pytest.raises(UserError, match=words):
        Actions(space, "E")


def test_a_mask_has_the_order_of_the_actions():
    """A Dict space sorts its keys. The mask's own order let forbidden actions through."""
    space = spaces.Dict({"move": Discrete(3), "attack": Discrete(3), "aim": Box(-1, 1, (2,))})
    mask = {"move": np.array([1, 0, 0]), "attack": np.ones(3), "aim": None}
    np.testing.assert_array_equal(Actions(space, "E").mask(mask), [1, 1, 1, 1, 0, 0])
    with pytest.raises(
        ValueError, match=r"has \['jump'\], but the actions are named \['aim', 'att"
    ):
        Actions(space, "E").mask({"jump": np.ones(3)})
    both = spaces.Tuple([Box(-1, 1, (1,)), Discrete(2)])
    for found in ((None, [1, 0]), ([1, 0],)):
        np.testing.assert_array_equal(Actions(both, "E").mask(found), [True, False])
    with pytest.raises(ValueError, match="the action mask has 3 parts, but the actions 2"):
        Actions(both, "E").mask(([1, 0], [1, 0], [1, 0]))
