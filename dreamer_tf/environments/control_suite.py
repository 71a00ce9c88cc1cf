"""The DeepMind Control Suite from pixels and from proprioception (paper, Appendix A)."""

import contextlib
import functools
import os
import subprocess
import sys
from typing import Any, Literal

import gin
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import Environment, Observation, scale_action
from dreamer_tf.environments.process import ProcessEnvironment
from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import NonNegativeInt, Pixels, Size

_STEPS = 1000  # simulation steps of an episode, in all tasks of the suite
# Fails where no image can be rendered.
_PROBE = "import mujoco; context = mujoco.GLContext(8, 8); context.make_current(); context.free()"


@configurable
class ControlSuiteEnvironment(ProcessEnvironment):
    """One task of the suite, in a child process.

    Actions are in [-1, 1] and are scaled to the bounds of the task. An episode ends after 1000
    simulation steps, which is a truncation. A few tasks also have an end of their own (for example
    lqr), where the episode terminates.
    """

    def __init__(
        self,
        domain_name: str = gin.REQUIRED,
        task_name: str = gin.REQUIRED,
        observations: Literal["pixels", "proprio", "both"] = "pixels",
        action_repeat: Size = 2,
        image_size: Pixels = 64,
        camera: NonNegativeInt | None = None,
    ):
        """Starts the child process and loads the task there.

        Args:
          domain_name: for example 'walker'.
          task_name: for example 'walk'.
          observations: 'pixels' (an image), 'proprio' (the task's vectors) or 'both'.
          action_repeat: simulation steps per agent step.
          image_size: height and width of the image, in pixels.
          camera: number of the camera; by default 2 for the quadruped, whose camera 0 does not
            show it, and 0 otherwise.

        Raises:
          UserError: the task or the kind of observations is unknown, or images cannot be rendered
            on this machine.
        """
        super().__init__(
            f"{__name__}:ControlSuiteTask",
            domain_name=domain_name,
            task_name=task_name,
            observations=observations,
            action_repeat=action_repeat,
            image_size=image_size,
            camera=camera,
        )


class ControlSuiteTask(Environment):
    """The task itself. It must not share a process with TensorFlow (see process.py)."""

    def __init__(
        self,
        domain_name: str,
        task_name: str,
        observations: str,
        action_repeat: int,
        image_size: int,
        camera: int | None,
    ):
        """Loads the task; `ControlSuiteEnvironment` explains the arguments."""
        if observations != "proprio":
            choose_renderer()
        self.name = f"{domain_name}_{task_name}"
        self.protocol = f"control_suite, {observations}"
        if action_repeat != 2:
            self.protocol += f", action_repeat={action_repeat}"
        self.frames_per_step = action_repeat
        self.max_steps = -(-_STEPS // action_repeat)
        self._image_size = image_size
        self._pixels = observations != "proprio"
        self._vectors = observations != "pixels"
        # Camera 0 does not show the quadruped.
        self._camera = (2 if domain_name == "quadruped" else 0) if camera is None else camera
        self._environment = _load(domain_name, task_name)
        spec = self._environment.action_spec()
        # Nothing can be scaled to an infinite bound; [-1, 1] stays as it is there.
        bounded = np.isfinite(spec.minimum) & np.isfinite(spec.maximum)
        self._low = np.where(bounded, spec.minimum, -1.0)
        self._high = np.where(bounded, spec.maximum, 1.0)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, spec.shape, np.float32)
        self.observation_space = self._space()

    def _space(self) -> gymnasium.spaces.Dict:
        spaces: dict[str, gymnasium.Space] = {}
        if self._vectors:
            for key, array in self._environment.observation_spec().items():
                size = int(np.prod(array.shape))
                spaces[key] = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        if self._pixels:
            shape = (self._image_size, self._image_size, 3)
            spaces["image"] = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        return gymnasium.spaces.Dict(spaces)

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode."""
        if seed is not None:
            # All randomness of a task comes from here; a new seed needs no new simulation.
            self._environment.task.random.seed(seed)
        return self._observation(self._environment.reset())

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Repeats an action for one agent step.

        Args:
          action: array of the task's shape in [-1, 1].

        Returns:
          Observation, sum of rewards, terminated, truncated and an empty info.
        """
        scaled = scale_action(action, self._low, self._high)
        reward = 0.0
        for _ in range(self.frames_per_step):
            step = self._environment.step(scaled)
            reward += float(step.reward or 0.0)  # dm_env has None where there is no reward
            if step.last():
                break
        return self._observation(step), reward, *ending(step), {}

    def render(self) -> np.ndarray:
        """The camera's view, [240, 240, 3] uint8."""
        choose_renderer()  # a task with 'proprio' has not chosen one yet
        return self._environment.physics.render(240, 240, camera_id=self._camera)

    def _observation(self, step: Any) -> Observation:
        observation = {}
        if self._vectors:
            for key, value in step.observation.items():
                # Some tasks deliver scalars, which the encoder cannot take.
                observation[key] = np.asarray(value, np.float32).reshape(-1)
        if self._pixels:
            size = self._image_size
            observation["image"] = self._environment.physics.render(
                size, size, camera_id=self._camera
            )
        return observation


def ending(step: Any) -> tuple[bool, bool]:
    """Whether a dm_env step terminates the episode (discount 0) and whether it truncates it."""
    terminated = bool(step.last() and step.discount == 0.0)
    return terminated, bool(step.last()) and not terminated


def task_names() -> list[tuple[str, str]]:
    """Domain and task of every task in the suite."""
    return list(_suite().ALL_TASKS)


@functools.cache
def choose_renderer() -> str:
    """Sets MUJOCO_GL to a way to render without a screen that works here: EGL, else OSMesa.

    A value that is set already stays, and a screen is used if there is one. Each way is tried in a
    process of its own, because MuJoCo cannot change it once it is imported.

    Returns:
      The value of MUJOCO_GL, or 'screen'.

    Raises:
      UserError: neither works; the message names the system packages to install.
    """
    if "MUJOCO_GL" in os.environ:
        return os.environ["MUJOCO_GL"]
    if "DISPLAY" in os.environ:  # dm_control then renders with GLFW
        return "screen"
    for name in ("egl", "osmesa"):
        settings = {"MUJOCO_GL": name, "PYOPENGL_PLATFORM": name}
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], env=os.environ | settings, capture_output=True
        )
        if probe.returncode == 0:
            os.environ.update(settings)
            return name
    raise UserError(
        "This machine cannot render images of the control suite: install EGL or OSMesa (Debian, "
        "Ubuntu: apt-get install libegl1 libgl1-mesa-dri, or libosmesa6), or set "
        "ControlSuiteEnvironment.observations='proprio'."
    )


def _suite() -> Any:
    """dm_control's suite, imported after the renderer is chosen.

    The import needs no renderer, so a machine without one can still use proprioception.
    """
    with contextlib.suppress(UserError):
        choose_renderer()
    from dm_control import suite

    return suite


def _load(domain_name: str, task_name: str) -> Any:
    """The task as a dm_env environment."""
    if (domain_name, task_name) not in task_names():
        tasks = [f"{domain} {task}" for domain, task in task_names()]
        task = f"{domain_name} {task_name}"
        raise UserError(
            f"Unknown task '{task}' (ControlSuiteEnvironment.domain_name and task_name)."
            f"{did_you_mean(task, tasks)}"
        )
    # lqr draws its masses and springs when it is loaded; with one seed they are always the same.
    return _suite().load(domain_name, task_name, task_kwargs={"random": 0})
