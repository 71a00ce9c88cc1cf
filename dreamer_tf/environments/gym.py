"""Any Gymnasium environment: images, vectors and both; discrete and continuous actions."""

import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import cv2
import gin
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import RESERVED_NAMES, Observation, scale_action
from dreamer_tf.errors import UserError, did_you_mean


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
          UserError: it is no `gymnasium.Env`, or a space is not supported, with the wrapper to use.
        """
        if not isinstance(environment, gymnasium.Env):
            raise UserError(
                f"The environment is a {type(environment).__name__}, but must be a gymnasium.Env: "
                "derive its class from it, and let reset and step return what Gymnasium's do."
            )
        self.environment = environment
        spec = environment.spec
        self.name = (spec.id if spec else type(environment.unwrapped).__name__).replace("/", "_")
        self.notes: list[str] = []
        self._size = image_size
        space = environment.observation_space
        if isinstance(space, gymnasium.spaces.Dict):
            # Keras allows no slash in the name of a layer.
            self._names = {key: re.sub(r"[^\w.-]", "_", key) for key in space.spaces}
            spaces = dict(space.spaces)
        else:
            images = isinstance(space, gymnasium.spaces.Box) and len(space.shape) > 1
            self._names = {"": "image" if images else "vector"}
            spaces = {"": space}
        if not spaces or len(set(self._names.values())) < len(spaces):
            raise UserError(
                f"{self.name}: the observations are {', '.join(spaces) or 'an empty Dict'}, but at "
                "least one is needed and each needs a name of its own."
            )
        self._spaces = spaces
        self.observation_space = gymnasium.spaces.Dict(
            {self._names[key]: self._space(key, box) for key, box in spaces.items()}
        )
        if not _takes(environment.unwrapped.reset, "seed"):
            raise UserError(f"{self.name}: its reset must accept seed=, as Gymnasium's does.")
        self._actions = _clipped_space(environment)
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
            action = self._to_box(action)
        observation, reward, terminated, truncated, info = self.environment.step(action)
        reward = float(np.asarray(reward).item())
        return self._observation(observation), reward, bool(terminated), bool(truncated), info

    def _to_box(self, action: np.ndarray) -> np.ndarray:
        """From [-1, 1] to the bounds, and never beyond them by rounding."""
        box = self._actions
        scaled = scale_action(action, box.low.astype(np.float64), box.high.astype(np.float64))
        if box.dtype.kind in "iu":
            scaled = np.rint(scaled)
        return np.clip(scaled.astype(box.dtype), box.low, box.high)

    @property
    def records(self) -> bool:
        """Whether `render` has a picture."""
        return self.environment.render_mode == "rgb_array"

    def render(self) -> np.ndarray:
        """The environment's own picture.

        Raises:
          UserError: it has none.
        """
        frame = self.environment.render() if self.records else None
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
                "are supported; make a Box of it with gymnasium.wrappers.TransformObservation, or, "
                "where there are no images, with FlattenObservation."
            )
        if 0 in box.shape:
            raise UserError(f"{self.name}: {name} of shape {box.shape} is empty; leave it out.")
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
            "[H, W], [H, W, 1], [H, W, 3] and vectors are supported; make such an image of it "
            "(channels last, 0 to 255) with gymnasium.wrappers.TransformObservation, or a vector "
            "with FlattenObservation."
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
                f"{self.name}: the actions have no finite bounds; give them some with "
                "gymnasium.wrappers.TransformAction(environment, lambda action: action, "
                f"gymnasium.spaces.Box(-1.0, 1.0, {space.shape}))."
            )
        return gymnasium.spaces.Box(-1.0, 1.0, space.shape, np.float32)

    def _observation(self, observation: Any) -> Observation:
        parts = observation if isinstance(observation, dict) else {"": observation}
        result = {}
        for key, name in self._names.items():
            space = self.observation_space[name]
            value = np.asarray(parts[key])
            declared = self._spaces[key]
            if value.shape != declared.shape:
                raise ValueError(
                    f"the observation '{key or name}' has shape {value.shape}, but its space says "
                    f"{declared.shape}"
                )
            if len(space.shape) == 3 and value.dtype != np.uint8:
                raise ValueError(
                    f"the image '{key or name}' is {value.dtype}, but its space says uint8"
                )
            if len(space.shape) == 3:
                if value.shape[:2] != space.shape[:2]:
                    value = cv2.resize(value, space.shape[:2], interpolation=cv2.INTER_AREA)
                result[name] = np.array(value, np.uint8).reshape(space.shape)
            else:
                result[name] = np.array(value, np.float32).reshape(space.shape)
        return result


def _takes(function: Callable, name: str) -> bool:
    """Whether a function has a parameter of that name, or takes any."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


def _clipped_space(environment: gymnasium.Env) -> gymnasium.Space:
    """The action space; behind a ClipAction, which takes any number, the one it clips to."""
    wrapper = environment
    while isinstance(wrapper, gymnasium.Wrapper):
        if isinstance(wrapper, gymnasium.wrappers.ClipAction):
            return wrapper.env.action_space
        if isinstance(wrapper, gymnasium.ActionWrapper):
            break
        wrapper = wrapper.env
    return environment.action_space


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
      factory: function without arguments that makes the environment; wins over an id.
      image_size: height and width of images for the agent.
      **settings: further arguments of `gymnasium.make`.

    Raises:
      UserError: unknown id, or spaces that are not supported.
    """
    if factory is not None:
        return GymEnvironment(factory(), image_size)
    if id is None:
        raise UserError(
            "create_gym_environment needs either an id or a factory: add "
            "--gin_bindings=\"create_gym_environment.id='CartPole-v1'\"."
        )
    try:
        environment = gymnasium.make(id, **(_render_mode(id) | settings))
    except (gymnasium.error.Error, ImportError) as error:
        unknown = (gymnasium.error.UnregisteredEnv, gymnasium.error.DeprecatedEnv)
        hint = did_you_mean(id, gymnasium.registry) if isinstance(error, unknown) else ""
        raise UserError(
            f"Gymnasium cannot make '{id}' (create_gym_environment.id): "
            f"{str(error).splitlines()[0].rstrip('.')}.{hint}"
        ) from error
    return GymEnvironment(environment, image_size)


def _render_mode(id: str) -> dict[str, str]:
    """Pictures for videos, from environments that have any."""
    module, _, name = id.rpartition(":")
    if module:
        importlib.import_module(module)  # registers it
    if name not in gymnasium.registry:  # `make` may find the newest version of it
        return {"render_mode": "rgb_array"}
    creator = gymnasium.registry[name].entry_point
    if isinstance(creator, str):
        creator = gymnasium.envs.registration.load_env_creator(creator)
    modes = getattr(creator, "metadata", {}).get("render_modes", ())
    can = _takes(creator, "render_mode") and (not inspect.isclass(creator) or "rgb_array" in modes)
    return {"render_mode": "rgb_array"} if can else {}
