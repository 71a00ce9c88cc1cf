"""The interface: completing a user's class, labels, checks, and the adapters."""

import contextlib
import copy

import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.interface import (
    DopamineEnvironment,
    Environment,
    GymnasiumEnvironment,
    check_arrival,
    complete,
    protocol_label,
    scale_action,
)
from dreamer_tf.errors import UserError
from tests.helpers import ScriptedEnvironment


class Required:
    """Has the required members and nothing else."""

    name, protocol, frames_per_step = "Required", "test", 1
    observation_space = gymnasium.spaces.Dict({"v": gymnasium.spaces.Box(-1, 1, (2,))})
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, seed=None):
        return {"v": np.zeros(2, np.float32)}

    def step(self, action):
        return {"v": np.ones(2, np.float32)}, 1.0, False, True, {}


class Whole(Required):
    """Has the optional members, too."""

    max_steps, notes, records, color = 7, ("resized",), False, "red"

    def __init__(self):
        self.closed = False

    def render(self):
        return np.zeros((2, 2, 3), np.uint8)

    def close(self):
        self.closed = True


class Derived(Required, Environment):
    def render(self):
        return np.zeros((2, 2, 3), np.uint8)


class Nameless(Derived):
    @property
    def name(self):
        raise AttributeError


def test_a_class_with_the_required_members_gets_defaults():
    environment = complete(Required())
    assert isinstance(environment, Environment)
    assert (environment.name, environment.protocol) == ("Required", "test")
    assert environment.max_steps is None and tuple(environment.notes) == ()
    assert not environment.records
    with pytest.raises(UserError, match=r"give its class a method render\(\)"):
        environment.render()
    assert environment.reset()["v"].shape == (2,)
    assert environment.step(1)[1:4] == (1.0, False, True)
    environment.close()


def test_what_a_class_has_is_kept():
    whole = Whole()
    environment = complete(whole)
    assert (environment.max_steps, environment.notes) == (7, ("resized",))
    assert not environment.records and environment.color == "red"
    assert environment.render().shape == (2, 2, 3)
    environment.close()
    assert whole.closed
    with pytest.raises(AttributeError, match="smell"):
        environment.smell  # noqa: B018
    assert copy.copy(environment).color == "red"


def test_a_class_that_can_render_records():
    assert complete(ScriptedEnvironment()).records


def test_a_derived_environment_passes_through():
    environment = Derived()
    assert complete(environment) is environment
    assert environment.records and environment.max_steps is None
    assert complete(complete(Required())).name == "Required"


def test_missing_members_are_named():
    with pytest.raises(UserError, match=r"a SimpleSpace, has no name, .*, reset, step: it must be"):
        complete(type("SimpleSpace", (), {})())
    with pytest.raises(UserError, match="a Nameless, has no name: it must be"):
        complete(Nameless())


def test_the_label_names_the_runners_limit_only_if_it_comes_first():
    environment = complete(Whole())
    assert protocol_label(environment, 7) == protocol_label(environment, 8) == "test"
    assert protocol_label(environment, 6) == "test, max_steps_per_episode=6"
    assert protocol_label(complete(Required()), 1) == "test"


def test_actions_are_scaled_to_the_bounds_and_clipped():
    low, high = np.array([-3.0, 0.0]), np.array([5.0, 1.0])
    for action, expected in ((-1, [-3, 0]), (0, [1, 0.5]), (1, [5, 1]), (7, [5, 1])):
        scaled = scale_action(np.full(2, action, np.float32), low, high)
        np.testing.assert_allclose(scaled, expected)


@pytest.mark.parametrize(
    ("observation", "reward", "words"),
    [
        ({}, 0.0, "'v' is missing"),
        ({"v": np.zeros(3)}, 0.0, r"'v' has shape \(3,\), not \(2,\)"),
        ({"v": np.array([0.0, np.nan])}, 0.0, "'v' has numbers that are not finite"),
        ({"v": np.zeros(2)}, np.inf, "the reward is inf"),
    ],
)
def test_a_delivery_that_breaks_the_promise_is_an_error(observation, reward, words):
    check_arrival(Required.observation_space, {"v": np.zeros(2)}, 1.0)
    with pytest.raises(ValueError, match=words):
        check_arrival(Required.observation_space, observation, reward)


def test_dopamine_sees_a_time_limit_as_game_over_and_not_as_terminal():
    environment = DopamineEnvironment(
        ScriptedEnvironment([(2, "truncated"), (2, "terminated"), (4, "life")])
    )
    found = []
    for _ in range(3):
        environment.reset()
        assert not environment.game_over
        while not environment.game_over:
            is_terminal = environment.step(0)[2]
            found.append((is_terminal, environment.game_over))
    assert found == [
        *[(False, False), (False, True)],
        *[(False, False), (True, True)],
        *[(False, False), (True, False), (False, False), (True, True)],
    ]


def test_a_seed_is_used_by_the_next_reset_only():
    environment = DopamineEnvironment(ScriptedEnvironment())
    environment.seed(5)
    environment.reset()
    environment.reset()
    assert environment.environment.seeds == [5, None]


def test_the_gymnasium_adapter_delivers_gymnasiums_values():
    environment = GymnasiumEnvironment(ScriptedEnvironment())
    observation, info = environment.reset(seed=1)
    assert environment.observation_space.contains(observation) and info == {}
    assert environment.step(1)[1:4] == (1.5, False, False)
    assert environment.render().shape == (16, 16, 3)
    environment.close()


@pytest.mark.parametrize(
    ("declared", "delivered", "fits"),
    [
        (np.uint8, np.uint8, True),
        (np.uint8, np.int64, True),
        (np.uint8, np.float32, False),  # an image in [0, 1] would be black
        (bool, np.uint8, True),
        (bool, np.float32, False),
        (np.float32, np.int64, True),
        (np.float32, np.float64, True),
        (np.float32, object, False),
    ],
)
def test_numbers_of_another_kind_are_refused(declared, delivered, fits):
    space = gymnasium.spaces.Dict({"v": gymnasium.spaces.Box(0, 1, (2,), declared)})
    with contextlib.nullcontext() if fits else pytest.raises(ValueError, match="'v' has the type"):
        check_arrival(space, {"v": np.ones(2, delivered)})


class Reusing(Required):
    """Writes each observation into the same array."""

    def __init__(self):
        self.seen = np.zeros(2, np.float32)

    def reset(self, seed=None):
        return {"v": self.seen}

    def step(self, action):
        self.seen += 0.25
        return {"v": self.seen}, np.array([1.0]), False, False, {}


def test_an_observation_stays_as_it_was_when_the_next_one_comes():
    """Dopamine's agents keep the array, and stored each action with the next observation."""
    environment = DopamineEnvironment(Reusing())
    first = environment.reset()
    second, reward, _, _ = environment.step(0)
    environment.step(0)
    assert first["v"][0] == 0.0 and second["v"][0] == 0.25
    assert type(reward) is float and reward == 1.0


@pytest.mark.parametrize(
    ("value", "reward", "words"),
    [
        (np.array([300, -1]), 1.0, "numbers from -1 to 300, which uint8 does not have"),
        (np.zeros(2, np.uint8), np.zeros(2), r"the reward has shape \(2,\), but must be a number"),
    ],
)
def test_what_would_change_silently_is_an_error(value, reward, words):
    class Wrong(Required):
        observation_space = gymnasium.spaces.Dict(
            {"v": gymnasium.spaces.Box(0, 255, (2,), np.uint8)}
        )

        def reset(self, seed=None):
            return {"v": np.array([1, 255])}

        def step(self, action):
            return {"v": value}, reward, False, False, {}

    environment = DopamineEnvironment(Wrong())
    assert environment.reset()["v"].dtype == np.uint8
    with pytest.raises(ValueError, match=words):
        environment.step(0)
