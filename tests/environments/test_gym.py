"""Gymnasium environments: spaces, error messages, training by id and from Python."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

import dreamer_tf
from dreamer_tf.agents.learner import Learner
from dreamer_tf.environments.gym import GymEnvironment, create_gym_environment
from dreamer_tf.environments.interface import Environment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from tests.helpers import TINY
from tests.small_models import configure

Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete
EXAMPLE = Path(__file__).resolve().parents[2] / "examples/custom_environment.py"


class Spaces(gymnasium.Env):
    """Any spaces; terminates after five steps and remembers the actions."""

    def __init__(self, observation, action):
        self.observation_space, self.action_space = observation, action
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.actions.clear()
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.actions.append(action)
        return self.observation_space.sample(), 1, len(self.actions) >= 5, False, {}


VECTOR = Box(-1, 1, (3,), np.float64)


@pytest.mark.parametrize(
    "space,expected",
    [
        (VECTOR, {"vector": (3,)}),
        (Box(-1, 1, ()), {"vector": (1,)}),
        (Box(0, 255, (5,), np.uint8), {"vector": (5,)}),
        (Box(0, 255, (64, 64, 3), np.uint8), {"image": (64, 64, 3)}),
        (Box(0, 255, (96, 80, 1), np.uint8), {"image": (64, 64, 1)}),
        (Box(0, 255, (30, 40), np.uint8), {"image": (64, 64, 1)}),
        (
            gymnasium.spaces.Dict({"camera": Box(0, 255, (32, 32, 3), np.uint8), "arm": VECTOR}),
            {"camera": (64, 64, 3), "arm": (3,)},
        ),
    ],
)
def test_observations_become_images_and_vectors(space, expected):
    environment = GymEnvironment(Spaces(space, Discrete(2)))
    assert isinstance(environment, Environment)
    assert {key: box.shape for key, box in environment.observation_space.spaces.items()} == expected
    assert environment.observation_space.contains(environment.reset(0))
    observation, reward, terminated, truncated, _ = environment.step(0)
    assert environment.observation_space.contains(observation)
    assert (reward, terminated, truncated) == (1.0, False, False)


def test_resizing_is_noted():
    space = Box(0, 255, (96, 80, 3), np.uint8)
    environment = GymEnvironment(Spaces(space, Discrete(2)))
    assert environment.notes == ["the observation of 96x80 is resized to 64x64"]


def test_resizing_keeps_the_image_upright():
    space = Box(0, 255, (100, 50, 1), np.uint8)
    wrapped = Spaces(space, Discrete(2))
    picture = np.zeros((100, 50, 1), np.uint8)
    picture[:50] = 255
    wrapped.reset = lambda seed=None: (picture, {})
    image = GymEnvironment(wrapped).reset()["image"]
    assert image[:30].min() == 255 and image[34:].max() == 0


def test_actions_are_scaled_and_shifted_to_the_space():
    continuous = Spaces(VECTOR, Box(np.array([-2, 0], np.float32), np.array([2, 10], np.float32)))
    environment = GymEnvironment(continuous)
    environment.reset()
    for action in ([-1, -1], [0, 0], [1, 1], [3, 3]):
        environment.step(np.array(action, np.float32))
    np.testing.assert_allclose(continuous.actions, [[-2, 0], [0, 5], [2, 10], [2, 10]])
    discrete = Spaces(VECTOR, Discrete(3, start=-1))
    environment = GymEnvironment(discrete)
    environment.reset()
    for action in range(3):
        environment.step(action)
    assert discrete.actions == [-1, 0, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int32, np.uint8])
def test_actions_never_leave_their_bounds(dtype):
    rng = np.random.default_rng(0)
    low, high = np.sort(rng.uniform(-100, 100, (2, 300)), 0)
    if np.dtype(dtype).kind != "f":
        low, high = np.floor(np.abs(low)), np.ceil(np.abs(low)) + 27
    box = Box(low.astype(dtype), high.astype(dtype), (300,), dtype)
    environment = GymEnvironment(wrapped := Spaces(VECTOR, box))
    for action in (-1.0, 1.0, *rng.uniform(-1, 1, 5)):
        environment.reset()
        environment.step(np.full(300, action, np.float32))  # Spaces.step asserts `contains`
        if abs(action) == 1.0:
            np.testing.assert_array_equal(wrapped.actions[-1], box.low if action < 0 else box.high)
    for extreme in (Box(-128, 127, (1,), np.int8), Box(-3e38, 3e38, (1,), np.float32)):
        environment = GymEnvironment(wrapped := Spaces(VECTOR, extreme))
        for action in (-1.0, 0.0, 1.0):
            environment.step(np.array([action], np.float32))
        assert wrapped.actions[0] == extreme.low and wrapped.actions[2] == extreme.high


def test_unbounded_actions_can_be_given_bounds():
    """As the sentence says; and behind a ClipAction the bounds are those that it clips to."""
    unbounded = Spaces(VECTOR, Box(-np.inf, np.inf, (2,)))
    with pytest.raises(UserError, match="TransformAction") as error:
        GymEnvironment(unbounded)
    assert "Box(-1.0, 1.0, (2,))" in error.value.sentence
    box = gymnasium.spaces.Box(-1.0, 1.0, (2,))
    GymEnvironment(gymnasium.wrappers.TransformAction(unbounded, lambda action: action, box))
    bounded = Spaces(VECTOR, Box(-2.0, 2.0, (2,)))
    environment = GymEnvironment(gymnasium.wrappers.ClipAction(bounded))
    environment.reset()
    environment.step(np.ones(2, np.float32))
    np.testing.assert_array_equal(bounded.actions[-1], [2.0, 2.0])


IMAGE = Box(0, 255, (8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("space", "delivered", "words"),
    [
        (IMAGE, np.zeros((8, 8, 3), np.float32), "is float32, but its space says uint8"),
        (IMAGE, np.zeros((9, 8, 3), np.uint8), r"has shape \(9, 8, 3\)"),
        (Box(-1, 1, (4,)), np.zeros((2, 2)), r"its space says \(4,\)"),
    ],
)
def test_an_observation_that_does_not_fit_its_space_is_an_error(space, delivered, words):
    wrapped = Spaces(space, Discrete(2))
    wrapped.reset = lambda seed=None: (delivered, {})
    with pytest.raises(ValueError, match=words):
        GymEnvironment(wrapped).reset()


def test_names_with_slashes_and_rewards_of_any_type_are_converted():
    space = gymnasium.spaces.Dict({"robot/cam": IMAGE, "robot/arm": VECTOR})
    wrapped = Spaces(space, Discrete(2))
    environment = GymEnvironment(wrapped)
    assert set(environment.observation_space.spaces) == {"robot_cam", "robot_arm"}
    assert set(environment.reset()) == {"robot_cam", "robot_arm"}
    step = wrapped.step
    wrapped.step = lambda action: (step(action)[0], np.array([1.5]), np.bool_(False), 0, {})
    assert environment.step(1)[1:4] == (1.5, False, False)


def test_an_observation_named_like_a_layer_is_an_error_before_training(tmp_path):
    """A checkpoint stores weights by name; two of one name would only fail when it is saved."""
    space = gymnasium.spaces.Dict({"dense0": VECTOR})
    gin_files.parse(["gym.gin"], TINY)
    with pytest.raises(UserError, match=r"Two weights are named .*dense0"):
        launch.make_runner(str(tmp_path), 0, lambda: GymEnvironment(Spaces(space, Discrete(2))))


class NoSeed(Spaces):
    def reset(self):
        return self.observation_space.sample(), {}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (None, "is a NoneType, but must be a gymnasium.Env"),
        (Spaces(gymnasium.spaces.Dict({}), Discrete(2)), "an empty Dict"),
        (Spaces(Box(0, 1, (0,)), Discrete(2)), "is empty"),
        (NoSeed(VECTOR, Discrete(2)), "must accept seed="),
        (
            Spaces(gymnasium.spaces.Dict({"a/b": VECTOR, "a_b": VECTOR}), Discrete(2)),
            "a name of its own",
        ),
    ],
)
def test_an_unusable_environment_is_an_error_that_says_why(environment, words):
    with pytest.raises(UserError, match=words):
        create_gym_environment(factory=lambda: environment)
    if environment is None:
        with pytest.raises(UserError, match=r"must be a gymnasium\.Env"):
            dreamer_tf.train_agent(object(), base_dir="nowhere")


class Plain(Spaces):
    """Knows nothing of render modes."""

    def __init__(self, size=3):
        super().__init__(Box(-1, 1, (size,)), Discrete(2))


def test_environments_without_frames_do_not_record():
    gymnasium.register("Plain-v0", Plain)
    try:
        environment = create_gym_environment("Plain-v0", size=5)
        assert environment.observation_space["vector"].shape == (5,) and not environment.records
        with pytest.raises(UserError, match="cannot be recorded"):
            environment.render()
    finally:
        del gymnasium.registry["Plain-v0"]
    assert create_gym_environment("CartPole").name == "CartPole-v1"
    assert create_gym_environment("CartPole-v1").records
    assert not create_gym_environment("CartPole-v1", render_mode=None).records


def test_a_factory_of_the_user_trains_with_the_command(tmp_path):
    """As the README shows; the run prints an evaluation command that works."""
    (tmp_path / "maze.py").write_text(
        "import gin\nfrom tests.environments.test_gym import Plain\n\n"
        "@gin.configurable\ndef make_maze():\n    return Plain()\n"
    )
    (tmp_path / "maze.gin").write_text(
        "include 'gym.gin'\ninclude 'base/small_model.gin'\nimport maze\n"
        "create_gym_environment.factory = @make_maze\n"
    )
    small = [f"--gin_bindings={binding}" for binding in TINY]
    path = os.pathsep.join([str(tmp_path), str(EXAMPLE.parents[1])])
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "dreamer_tf.train",
            "--gin_files=maze.gin",
            "--base_dir=run",
            *small,
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    [line] = [line for line in result.stdout.splitlines() if line.startswith("evaluate ")]
    assert line.endswith("--import=maze") and "--video" not in line
    # Episodes of five steps are long enough for a dream; vectors are drawn as curves.
    assert list((tmp_path / "run/dreams").glob("*.gif"))


@pytest.mark.parametrize(
    "observation,action,words",
    [
        (gymnasium.spaces.Sequence(VECTOR), Discrete(2), "a Sequence.*TransformObservation"),
        (gymnasium.spaces.Graph(VECTOR, None), Discrete(2), "a Graph.*FilterObservation"),
        (gymnasium.spaces.Dict({"reward": VECTOR}), Discrete(2), "rename it"),
        (Box(0, 255, (4, 8, 8, 3), np.uint8), Discrete(2), "remove the wrapper that stacks"),
        (VECTOR, gymnasium.spaces.Text(5), "ActionWrapper"),
        (VECTOR, Box(-np.inf, np.inf, (1,)), "TransformAction"),
    ],
)
def test_unsupported_spaces_name_the_wrapper(observation, action, words):
    with pytest.raises(UserError, match=words):
        GymEnvironment(Spaces(observation, action))


def test_an_unknown_id_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="'CartPole-v1'"):
        create_gym_environment("CartPol-v1")
    with pytest.raises(UserError, match="either an id or a factory"):
        create_gym_environment()
    with pytest.raises(UserError, match="No module named 'nomodule'"):
        create_gym_environment("nomodule:X-v0")


@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1"])
def test_an_agent_trains_on_any_id(tmp_path, id):
    gin_files.parse(["gym.gin"], [*TINY, f"create_gym_environment.id='{id}'"])
    runner = launch.make_runner(str(tmp_path), 0)
    assert f"environment     {id}" in launch.describe(runner)
    behavior = runner.agent.learner.actor_critic
    assert behavior.uses_reinforce == (id == "CartPole-v1")
    assert behavior.uses_dynamics == (id == "Pendulum-v1")
    runner.run_experiment()
    assert runner.agent.updates >= 3
    assert all(np.isfinite(value) for value in runner.agent.metrics.values())


def test_the_example_trains_resumes_and_loads(tmp_path):
    small = [f"--gin_bindings={binding}" for binding in TINY]
    command = [sys.executable, str(EXAMPLE), "--base_dir=run", "--training_steps=40", *small]
    for _ in range(2):
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
    assert "is resized to 64x64" in result.stdout
    assert "resumed         at" in result.stdout and "mean return of 20 episodes" in result.stdout
    assert json.loads((tmp_path / "run/scores.json").read_text())[0]["Game"] == "Corridor"
    with pytest.raises(UserError, match="environment=environment"):
        dreamer_tf.load_policy(tmp_path / "run")


def test_a_vector_of_bytes_stays_bytes_and_the_model_scales_it():
    """ALE's RAM as 0 to 255 would drown rewards and KL."""
    wrapped = Spaces(Box(0, 255, (128,), np.uint8), Discrete(2))
    environment = GymEnvironment(wrapped)
    assert environment.observation_space["vector"].dtype == np.uint8
    observation = environment.reset()
    assert observation["vector"].dtype == np.uint8
    configure()
    model = Learner(environment.observation_space, Discrete(2), seed=0).world_model
    scaled = model.preprocess_observation({"vector": tf.constant([[0, 255]], tf.uint8)})["vector"]
    np.testing.assert_allclose(scaled, [[-0.5, 0.5]])


def test_scale_brings_numbers_into_their_usual_range():
    space = gymnasium.spaces.Dict(
        {"far": Box(-1e6, 1e6, (2,)), "dark": Box(0, 10, (8, 8), np.uint8)}
    )
    wrapped = Spaces(space, Discrete(2))
    delivered = {"far": np.array([-1e6, 5e5], np.float32), "dark": np.full((8, 8), 5, np.uint8)}
    wrapped.reset = lambda seed=None: (delivered, {})
    environment = GymEnvironment(wrapped, image_size=8, scale={"far": 1e6, "dark": 10})
    observation = environment.reset()
    np.testing.assert_allclose(observation["far"], [-1.0, 0.5])
    np.testing.assert_array_equal(observation["dark"], np.full((8, 8, 1), 127, np.uint8))


def test_symbols_become_one_hot():
    wrapped = Spaces(Box(0, 10, (2, 1, 3), np.uint8), Discrete(2))
    wrapped.reset = lambda seed=None: (np.array([[[10, 5, 2]], [[0, 1, 0]]], np.uint8), {})
    environment = GymEnvironment(wrapped, one_hot={"image": (11, 6, 3)})
    vector = environment.reset()["image"]
    assert vector.shape == environment.observation_space["image"].shape == (40,)
    assert list(np.flatnonzero(vector)) == [10, 11 + 5, 17 + 2, 20, 20 + 11 + 1, 20 + 17]
    with pytest.raises(ValueError, match=r"has the symbol 10, but .*one_hot says"):
        GymEnvironment(wrapped, one_hot={"image": (9, 6, 3)}).reset()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scale": {"imag": 10.0}}, r"scale names the observation 'imag'.*Did you mean 'image'"),
        ({"one_hot": {"image": (11, 6)}}, "one_hot has 2 numbers"),
    ],
)
def test_scale_and_one_hot_are_checked(settings, words):
    wrapped = Spaces(Box(0, 10, (7, 7, 3), np.uint8), Discrete(2))
    with pytest.raises(UserError, match=words):
        GymEnvironment(wrapped, **settings)


def test_an_environment_of_the_old_interface_names_the_package_that_wraps_it():
    old = Spaces(VECTOR, Discrete(2))
    old.reset = lambda seed=None: VECTOR.sample()
    with pytest.raises(UserError, match=r"reset must return \(observation, info\).*shimmy"):
        GymEnvironment(old).reset()
    old = Spaces(VECTOR, Discrete(2))
    old.step = lambda action: (VECTOR.sample(), 0.0, False, {})
    environment = GymEnvironment(old)
    environment.reset()
    with pytest.raises(UserError, match=r"step must return .*shimmy"):
        environment.step(0)
    legacy = type("Old", (), {"__module__": "gym.envs.old"})()
    with pytest.raises(UserError, match=r"Old of the old Gym package.*shimmy"):
        GymEnvironment(legacy)


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("MiniGrid-Empty-8x8-v0", "Write 'minigrid:MiniGrid-Empty-8x8-v0'"),
        ("NobodyKnowsThis-v0", "needs the module that registers it in front"),
    ],
)
def test_an_unknown_id_names_the_module_that_registers_it(id, words):
    with pytest.raises(UserError, match=words):
        create_gym_environment(id)


def test_a_refused_key_can_be_left_out():
    space = gymnasium.spaces.Dict({"image": IMAGE, "plan": gymnasium.spaces.Sequence(VECTOR)})
    with pytest.raises(UserError, match=r"'plan' is a Sequence.*FilterObservation"):
        GymEnvironment(wrapped := Spaces(space, Discrete(2)))
    kept = gymnasium.wrappers.FilterObservation(wrapped, ["image"])
    assert set(GymEnvironment(kept).observation_space.spaces) == {"image"}


def test_stacked_frames_are_refused_with_the_reason():
    stacked = gymnasium.wrappers.FrameStackObservation(Spaces(IMAGE, Discrete(2)), 4)
    with pytest.raises(UserError, match="the model remembers them itself: remove the wrapper"):
        GymEnvironment(stacked)


class Masked(Spaces):
    """Says in info, and as an observation, what is allowed: one action in turn."""

    def __init__(self, action=None):
        super().__init__(
            gymnasium.spaces.Dict({"arm": VECTOR, "legal": gymnasium.spaces.MultiBinary(3)}),
            action or Discrete(3, start=5),
        )

    def _observation(self):
        mask = np.arange(3) == len(self.actions) % 3
        return {"arm": VECTOR.sample(), "legal": mask.astype(np.int8)}, {"action_mask": mask}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observation()

    def step(self, action):
        _, *rest, _ = super().step(action)
        observation, info = self._observation()
        return (observation, *rest, info)


@pytest.mark.parametrize("action_mask", ["info", "legal"])
def test_an_action_mask_becomes_an_observation(action_mask):
    environment = GymEnvironment(Masked(), action_mask=action_mask)
    assert environment.observation_space["action_mask"].shape == (3,)
    assert ("legal" in environment.observation_space.spaces) == (action_mask == "info")
    np.testing.assert_array_equal(environment.reset()["action_mask"], [True, False, False])
    observation = environment.step(0)[0]
    np.testing.assert_array_equal(observation["action_mask"], [False, True, False])
    assert environment.observation_space.contains(observation)


@pytest.mark.parametrize(
    ("action", "action_mask", "words"),
    [
        (None, "lega", "has no such observation.*arm, legal"),
        (Box(-1, 1, (2,)), "info", "has no actions to choose from"),
    ],
)
def test_a_mask_that_does_not_fit_is_an_error(action, action_mask, words):
    with pytest.raises(UserError, match=words):
        GymEnvironment(Masked(action), action_mask=action_mask)


def test_a_missing_mask_is_named():
    environment = GymEnvironment(Spaces(VECTOR, Discrete(2)), action_mask="info")
    with pytest.raises(ValueError, match="info has no action_mask"):
        environment.reset()


def test_pixels_take_what_is_rendered():
    environment = create_gym_environment("CartPole-v1", pixels=True)
    assert environment.observation_space["image"].shape == (64, 64, 3)
    first = environment.reset(seed=3)["image"]
    assert first.max() > first.min()
    assert any((environment.step(1)[0]["image"] != first).any() for _ in range(5))
    with pytest.raises(UserError, match="create it with render_mode='rgb_array'"):
        create_gym_environment("CartPole-v1", pixels=True, render_mode=None)


def test_native_sizes_are_kept_on_request():
    space = Box(0, 255, (210, 160, 3), np.uint8)
    environment = GymEnvironment(Spaces(space, Discrete(2)), image_size=None)
    assert environment.observation_space["image"].shape == (210, 160, 3)
    assert environment.reset()["image"].shape == (210, 160, 3) and not environment.notes
