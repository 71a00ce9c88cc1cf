"""Any Gymnasium environment: images, vectors and both; discrete and continuous actions."""

from collections.abc import Callable
from typing import Any

import cv2
import gin
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import RESERVED_NAMES, Observation, scale_action
from dreamer_tf.errors import UserError, nearest


class GymEnvironment:
    """Gives a `gymnasium.Env` the interface of this package.

    Images [H, W], [H, W, 1] or [H, W, 3] of uint8 become `image_size` x `image_size`; every other
    array of numbers with one axis becomes a float vector; a Dict may mix both. Actions of a Box
    are in [-1, 1] here and scaled to its bounds.
    """

    protocol = "gymnasium"
    frames_per_step = 1

    def __init__(self, environment: gymnasium.Env, image_size: int = 64):
        """Checks the spaces.

        Args:
          environment: what is wrapped.
          image_size: height and width of images for the agent; the convolutions of the shipped
            configurations need 64.

        Raises:
          UserError: a space that is not supported, with the wrapper to use.
        """
        self.environment = environment
        spec = environment.spec
        self.name = (spec.id if spec else type(environment.unwrapped).__name__).replace("/", "_")
        self.notes: list[str] = []
        self._size = image_size
        space = environment.observation_space
        if isinstance(space, gymnasium.spaces.Dict):
            self._names = {key: key for key in space.spaces}
            spaces = dict(space.spaces)
        else:
            images = isinstance(space, gymnasium.spaces.Box) and len(space.shape) > 1
            self._names = {"": "image" if images else "vector"}
            spaces = {"": space}
        self.observation_space = gymnasium.spaces.Dict(
            {self._names[key]: self._space(key, box) for key, box in spaces.items()}
        )
        self._actions = environment.action_space
        self.action_space = self._action_space(self._actions)

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode."""
        observation, _ = self.environment.reset(seed=seed)
        return self._observation(observation)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step of the wrapped environment."""
        if isinstance(self._actions, gymnasium.spaces.Discrete):
            action = int(action) + int(self._actions.start)
        else:
            scaled = scale_action(action, self._actions.low, self._actions.high)
            action = scaled.astype(self._actions.dtype)
        observation, reward, terminated, truncated, info = self.environment.step(action)
        return self._observation(observation), float(reward), bool(terminated), truncated, info

    def render(self) -> np.ndarray:
        """The environment's own picture, or the agent's image where it has none."""
        frame = self.environment.render() if self.environment.render_mode == "rgb_array" else None
        if frame is None:
            raise UserError(
                f"{self.name} cannot be recorded: make it with render_mode='rgb_array'."
            )
        return np.asarray(frame)

    def close(self) -> None:
        """Closes the wrapped environment."""
        self.environment.close()

    def _space(self, key: str, box: gymnasium.Space) -> gymnasium.spaces.Box:
        name = f"the observation '{key}'" if key else "the observation"
        if self._names[key] in RESERVED_NAMES:
            raise UserError(
                f"{self.name}: an observation is named '{key}', which names a loss here; rename it "
                "with gymnasium.wrappers.TransformObservation."
            )
        if not isinstance(box, gymnasium.spaces.Box):
            raise UserError(
                f"{self.name}: {name} is a {type(box).__name__}, but only Box and a Dict of Boxes "
                "are supported; wrap it with gymnasium.wrappers.FlattenObservation."
            )
        if box.dtype == np.uint8 and (
            len(box.shape) == 2 or (len(box.shape) == 3 and box.shape[2] in (1, 3))
        ):
            channels = box.shape[2] if len(box.shape) == 3 else 1
            if box.shape[:2] != (self._size, self._size):
                self.notes.append(
                    f"{name} of {box.shape[0]}x{box.shape[1]} is resized to "
                    f"{self._size}x{self._size}"
                )
            return gymnasium.spaces.Box(0, 255, (self._size, self._size, channels), np.uint8)
        if len(box.shape) <= 1:
            return gymnasium.spaces.Box(-np.inf, np.inf, (int(np.prod(box.shape)),), np.float32)
        raise UserError(
            f"{self.name}: {name} is {box.dtype} of shape {box.shape}, but only uint8 images "
            "[H, W], [H, W, 1], [H, W, 3] and vectors are supported; use "
            "gymnasium.wrappers.FlattenObservation, or TransformObservation to make an image of it."
        )

    def _action_space(self, space: gymnasium.Space) -> gymnasium.Space:
        if isinstance(space, gymnasium.spaces.Discrete):
            return gymnasium.spaces.Discrete(int(space.n))
        if not isinstance(space, gymnasium.spaces.Box):
            raise UserError(
                f"{self.name}: the actions are a {type(space).__name__}, but only Discrete and Box "
                "are supported; use a gymnasium.ActionWrapper that makes one of them."
            )
        if not np.isfinite([space.low, space.high]).all():
            raise UserError(
                f"{self.name}: the actions have no finite bounds; use "
                "gymnasium.wrappers.RescaleAction or ClipAction."
            )
        return gymnasium.spaces.Box(-1.0, 1.0, space.shape, np.float32)

    def _observation(self, observation: Any) -> Observation:
        parts = observation if isinstance(observation, dict) else {"": observation}
        result = {}
        for key, name in self._names.items():
            space = self.observation_space[name]
            value = np.asarray(parts[key])
            if len(space.shape) == 3:
                if value.shape[:2] != space.shape[:2]:
                    value = cv2.resize(value, space.shape[:2], interpolation=cv2.INTER_AREA)
                result[name] = np.array(value, np.uint8).reshape(space.shape)
            else:
                result[name] = np.array(value, np.float32).reshape(space.shape)
        return result


@gin.configurable
def create_gym_environment(
    id: str | None = None,
    factory: Callable[[], gymnasium.Env] | None = None,
    image_size: int = 64,
    **settings: Any,
) -> GymEnvironment:
    """Makes a Gymnasium environment by id or by a factory.

    Args:
      id: as for `gymnasium.make`.
      factory: function without arguments that makes the environment, instead of an id.
      image_size: height and width of images for the agent.
      **settings: further arguments of `gymnasium.make`.

    Raises:
      UserError: unknown id, or spaces that are not supported.
    """
    if (id is None) == (factory is None):
        raise UserError(
            "create_gym_environment needs either an id or a factory: add "
            "--gin_bindings=\"create_gym_environment.id='CartPole-v1'\"."
        )
    if factory is not None:
        return GymEnvironment(factory(), image_size)
    try:
        environment = gymnasium.make(id, render_mode="rgb_array", **settings)
    except gymnasium.error.Error as error:
        hint = nearest(id, gymnasium.registry)
        raise UserError(
            f"create_gym_environment.id is '{id}', which Gymnasium cannot make "
            f"({str(error).splitlines()[0].rstrip('.')})"
            + (f"; did you mean {hint}?" if hint else ".")
        ) from error
    return GymEnvironment(environment, image_size)
