"""Every kind of observation with every kind of action: a few updates, a resume, a dream."""

import gymnasium
import numpy as np
import pytest

import dreamer_tf
from dreamer_tf.experiment import gin_files, launch
from tests.helpers import TINY

spaces = gymnasium.spaces
Box, Discrete = spaces.Box, spaces.Discrete
OBSERVATIONS = {
    "image": (Box(0, 255, (64, 64, 3), np.uint8), ()),
    "large_image": (
        Box(0, 255, (84, 96, 3), np.uint8),
        ("create_gym_environment.image_size=None",),
    ),
    "many_channels": (Box(0, 255, (24, 24, 6), np.uint8), ()),
    "float_image": (Box(0, 1, (24, 24, 3), np.float32), ()),
    "channels_first": (Box(0, 255, (3, 24, 24), np.uint8), ()),
    "bool_planes": (Box(0, 1, (10, 10, 4), bool), ()),
    "symbol_planes": (
        Box(0, 2, (7, 7, 3), np.uint8),
        ("create_gym_environment.planes={'image': (3, 3, 3)}",),
    ),
    "one_hot": (
        Box(0, 2, (7, 7, 3), np.uint8),
        ("create_gym_environment.one_hot={'image': (3, 3, 3)}",),
    ),
    "vector": (Box(-1, 1, (4,)), ()),
    "bytes": (Box(0, 255, (8,), np.uint8), ()),
    "matrix": (Box(-np.inf, np.inf, (5, 5)), ()),
    "discrete": (Discrete(6, start=2), ()),
    "multi_discrete": (spaces.MultiDiscrete([3, 4]), ()),
    "multi_binary": (spaces.MultiBinary(5), ()),
    "nested": (
        spaces.Dict({"a": spaces.Tuple([Box(-1, 1, (2,)), Discrete(3)]), "b": spaces.Text(4)}),
        (),
    ),
}
ACTIONS = {
    "discrete": Discrete(3, start=-1),
    "box": Box(-2, 5, (2, 2)),
    "multi_discrete": spaces.MultiDiscrete([2, 3]),
    "multi_binary": spaces.MultiBinary(3),
    "mixed": spaces.Dict({"kind": Discrete(2), "size": Box(0, 9, (2,))}),
}
TOGETHER = ("large_image", "bool_planes", "symbol_planes", "one_hot", "bytes", "discrete", "nested")
EVERYTHING = spaces.Dict({key: OBSERVATIONS[key][0] for key in TOGETHER})


class Anything(gymnasium.Env):
    """Random observations; refuses actions that do not fit, and those that it masks."""

    def __init__(self, observation, action, masks=False):
        self.observation_space, self.action_space = observation, action
        self._masks, self._steps, self._forbidden = masks, 0, None

    def _info(self):
        if not self._masks:
            return {}
        self._forbidden = int(self.np_random.integers(3))
        return {"action_mask": np.arange(3) != self._forbidden}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self._steps = 0
        return self.observation_space.sample(), self._info()

    def step(self, action):
        assert self.action_space.contains(action), action
        assert self._forbidden is None or action != self._forbidden - 1
        self._steps += 1
        return self.observation_space.sample(), 1.0, self._steps >= 8, False, self._info()


def train_resume_and_dream(directory, observation, action, bindings, masks=False):
    environment = Anything(observation, action, masks)
    small = [*TINY, "DreamerRunner.dream_length=6", "DreamerRunner.dream_context=2", *bindings]
    arguments = {"base_dir": directory / "run", "gin_files": ["gym.gin"]}
    dreamer_tf.train_agent(environment, gin_bindings=small, **arguments)
    again = [*small, "Runner.num_iterations=2"]
    policy = dreamer_tf.train_agent(environment, gin_bindings=again, **arguments)
    assert policy.agent_steps >= 80 and policy.agent.updates >= 6
    for actions in ("policy", "random"):
        dream = policy.dream(directory / f"{actions}.gif", actions=actions, context=2, length=4)
        assert all(np.isfinite(error).all() for error in dream.errors().values())
    return policy


@pytest.mark.ci
@pytest.mark.parametrize("action", ["mixed", "masked"])
def test_many_kinds_at_once(tmp_path, action):
    bindings = [
        "create_gym_environment.image_size=None",
        "create_gym_environment.planes={'symbol_planes': (3, 3, 3)}",
        "create_gym_environment.one_hot={'one_hot': (3, 3, 3)}",
    ]
    if action == "masked":
        bindings.append("create_gym_environment.action_mask='info'")
    chosen = ACTIONS["discrete" if action == "masked" else action]
    policy = train_resume_and_dream(tmp_path, EVERYTHING, chosen, bindings, action == "masked")
    assert ("action_mask" in policy.environment.observation_space.spaces) == (action == "masked")


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_every_kind_with_every_kind(tmp_path, observation, action):
    space, bindings = OBSERVATIONS[observation]
    train_resume_and_dream(tmp_path, space, ACTIONS[action], bindings)


def test_workers_make_environments_of_every_kind(tmp_path):
    """Several processes: factored actions and planes travel between them."""
    gin_files.parse(
        ["gym.gin"],
        [
            *TINY,
            "create_gym_environment.id='tests.environments.test_matrix:Anything-v0'",
            "DreamerRunner.num_environments=2",
        ],
    )
    runner = launch.make_runner(str(tmp_path), 0)
    runner.run_experiment()
    assert runner.agent.updates >= 3
    runner.close()


gymnasium.register(
    "Anything-v0",
    lambda: Anything(
        spaces.Dict({"planes": OBSERVATIONS["bool_planes"][0], "kind": Discrete(3)}),
        ACTIONS["mixed"],
    ),
)
