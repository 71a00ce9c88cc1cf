"""The control suite: all tasks, ends of episodes, rendering, a few updates."""

import os
import subprocess
import sys

import dm_env
import numpy as np
import pytest

from dreamer_tf.environments import control_suite
from dreamer_tf.environments.control_suite import ControlSuiteEnvironment
from dreamer_tf.environments.interface import Environment, protocol_label
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from tests.helpers import TINY


@pytest.fixture(scope="module")
def renderer():
    try:
        return control_suite.choose_renderer()
    except UserError as error:
        pytest.skip(error.sentence)


def test_every_task_loads_and_steps():
    """In one process without TensorFlow, as the environment itself runs."""
    code = """
import numpy as np
from dreamer_tf.environments.control_suite import ControlSuiteTask, task_names
names = task_names()
for domain, task in names:
    environment = ControlSuiteTask(domain, task, "proprio", 2, 64, None)
    assert environment.observation_space.contains(environment.reset(0)), (domain, task)
    action = environment.action_space.sample()
    observation, reward, terminated, truncated, _ = environment.step(action)
    assert environment.observation_space.contains(observation), (domain, task)
    assert np.isfinite(reward) and not terminated and not truncated, (domain, task)
print(len(names))
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 40


def test_a_task_has_the_same_physics_in_every_process():
    """The springs of lqr were drawn anew in each."""
    found = []
    for _ in range(2):
        environment = ControlSuiteEnvironment("lqr", "lqr_2_1", "proprio")
        environment.reset(1)
        found.append([environment.step(np.ones(1, np.float32))[:2] for _ in range(20)])
        environment.close()
    np.testing.assert_equal(found[0], found[1])


def test_a_shorter_limit_of_the_run_is_another_protocol():
    environment = ControlSuiteEnvironment("cartpole", "balance", "proprio")
    assert environment.max_steps == 500
    assert protocol_label(environment, 1000) == "control_suite, proprio"
    assert protocol_label(environment, 100).endswith(", max_steps_per_episode=100")
    environment.close()


def test_episodes_end_by_time_limit_as_truncated():
    environment = ControlSuiteEnvironment("cartpole", "balance", "proprio", action_repeat=8)
    assert isinstance(environment, Environment)
    environment.reset(0)
    steps, terminated, truncated = 0, False, False
    while not (terminated or truncated):
        _, reward, terminated, truncated, _ = environment.step(np.zeros(1, np.float32))
        assert 0 <= reward <= 8
        steps += 1
    assert (steps, terminated, truncated) == (125, False, True)
    environment.close()


def test_only_a_discount_of_zero_is_terminated():
    middle = dm_env.TimeStep(dm_env.StepType.MID, 0.0, 1.0, {})
    limit = dm_env.TimeStep(dm_env.StepType.LAST, 0.0, 1.0, {})
    end = dm_env.TimeStep(dm_env.StepType.LAST, 0.0, 0.0, {})
    assert control_suite.ending(middle) == (False, False)
    assert control_suite.ending(limit) == (False, True)
    assert control_suite.ending(end) == (True, False)


def test_seeded_resets_repeat():
    environment = ControlSuiteEnvironment("reacher", "hard", "proprio")
    first = environment.reset(3)
    again = environment.reset(3)
    other = environment.reset()
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
    assert any((value != other[key]).any() for key, value in first.items())
    environment.close()


def test_both_delivers_an_image_and_vectors(renderer):
    environment = ControlSuiteEnvironment("walker", "walk", "both")
    observation = environment.reset(0)
    assert environment.observation_space.contains(observation)
    assert observation["image"].shape == (64, 64, 3) and observation["image"].std() > 10
    assert {"image", "velocity", "height"} <= set(observation)
    assert environment.render().shape == (240, 240, 3)
    environment.close()


@pytest.mark.parametrize(
    "file,bindings",
    [
        ("dmc_vision.gin", ["ControlSuiteEnvironment.camera=0"]),
        (
            "dmc_proprio.gin",
            [
                "ControlSuiteEnvironment.domain_name='cartpole'",
                "ControlSuiteEnvironment.task_name='balance'",
            ],
        ),
        (
            "dmc_vision.gin",
            [
                "ControlSuiteEnvironment.domain_name='reacher'",
                "ControlSuiteEnvironment.task_name='easy'",
                "ControlSuiteEnvironment.observations='both'",
            ],
        ),
    ],
)
def test_an_agent_trains_from_pixels_proprioception_and_both(request, tmp_path, file, bindings):
    if file == "dmc_vision.gin":
        request.getfixturevalue("renderer")
    gin_files.parse([file], [*TINY, *bindings])
    runner = launch.make_runner(str(tmp_path), 0)
    runner.run_experiment()
    assert runner.agent.updates >= 3
    assert all(np.isfinite(value) for value in runner.agent.metrics.values())
    assert "discount_loss" not in runner.agent.metrics
    assert runner.agent.metrics["actor_gradient_norm"] > 0
    runner.environment.close()


def test_misspelt_names_are_answered_with_the_nearest():
    with pytest.raises(UserError, match="'walker walk'"):
        ControlSuiteEnvironment("walker", "walks", "proprio")
    with pytest.raises(UserError, match="must be 'pixels', 'proprio' or 'both'"):
        ControlSuiteEnvironment("walker", "walk", "image")
    with pytest.raises(UserError, match="action_repeat is 0"):
        ControlSuiteEnvironment("walker", "walk", "proprio", action_repeat=0)


def test_without_a_renderer_the_error_names_the_packages(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(control_suite, "_PROBE", "raise SystemExit(1)")
    control_suite.choose_renderer.cache_clear()
    try:
        with pytest.raises(UserError, match="libegl1") as error:
            control_suite.choose_renderer()
        assert "libosmesa6" in error.value.sentence and "proprio" in error.value.sentence
    finally:
        control_suite.choose_renderer.cache_clear()


def test_a_given_renderer_is_left_alone(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "something")
    control_suite.choose_renderer.cache_clear()
    try:
        assert control_suite.choose_renderer() == "something"
    finally:
        control_suite.choose_renderer.cache_clear()
