"""Any Gymnasium environment: images, vectors and both; discrete and continuous actions."""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import (
    RESERVED_NAMES,
    Environment,
    Observation,
    scale_action,
)
from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import PositiveFloat, Size

# Modules that register environments, by the beginning of their ids.
_PACKAGES = {
    "MiniGrid-": "minigrid",
    "BabyAI-": "minigrid",
    "MinAtar/": "minatar.gym",
    "Crafter": "crafter",
    "Vizdoom": "vizdoom.gymnasium_wrapper",
    "highway-": "highway_env",
    "Fetch": "gymnasium_robotics",
    "HandManipulate": "gymnasium_robotics",
    "AntMaze": "gymnasium_robotics",
    "PandaReach": "panda_gym",
    "procgen": "procgen",
}


class GymEnvironment(Environment):
    """Adapts a `gymnasium.Env`.

    uint8 images [H, W], [H, W, 1] or [H, W, 3] are resized to `image_size` x `image_size`. Other
    arrays with at most one axis become vectors: bytes stay bytes, everything else becomes float. A
    Dict may mix them. Actions for a Box are in [-1, 1] and are scaled to its bounds.
    """

    protocol = "gymnasium"
    frames_per_step = 1

    def __init__(
        self,
        environment: gymnasium.Env,
        image_size: int = 64,
        scale: Mapping[str, float] | None = None,
        one_hot: Mapping[str, Sequence[int]] | None = None,
    ):
        """Checks the spaces.

        Args:
          environment: the environment to wrap.
          image_size: height and width of images for the agent, in pixels; the convolutions of the
            shipped configurations need 64.
          scale: largest values of observations by name, for those that are far from their usual
            range. A vector is divided by it. An image is multiplied so that it becomes 255.
          one_hot: numbers of symbols by name, for observations that are symbols: one number, or one
            for each channel of the last axis. They become one vector of zeros and ones.

        Raises:
          UserError: it is not a `gymnasium.Env`, or a space is not supported; the message names a
            wrapper that helps.
        """
        if not isinstance(environment, gymnasium.Env):
            old = any(base.__module__.split(".")[0] == "gym" for base in type(environment).__mro__)
            cure = (
                "wrap it with the package shimmy: gymnasium.make('GymV21Environment-v0', "
                "env=environment), or 'GymV26Environment-v0' if its step returns five values"
                if old
                else "derive its class from it, and let reset and step return what Gymnasium's do"
            )
            raise UserError(
                f"The environment is a {type(environment).__name__}"
                f"{' of the old Gym package' if old else ''}, but must be a gymnasium.Env: {cure}."
            )
        self.environment = environment
        self.name = _name(environment)
        self.notes: list[str] = []
        self.records = environment.render_mode == "rgb_array"
        self._size = image_size
        self._scale, self._one_hot = dict(scale or {}), dict(one_hot or {})
        self._spaces, self._names = self._parts(environment.observation_space)
        self.observation_space = gymnasium.spaces.Dict(
            {self._names[key]: self._space(key, box) for key, box in self._spaces.items()}
        )
        # All wrappers accept seed=, so only the innermost environment can tell.
        if not _takes(environment.unwrapped.reset, "seed"):
            raise UserError(f"{self.name}: its reset must accept seed=, as Gymnasium's does.")
        self._check_names("scale", self._scale)
        self._check_names("one_hot", self._one_hot)
        self._actions = _clipped_space(environment)
        self.action_space = self._action_space(self._actions)

    def _parts(self, space: gymnasium.Space) -> tuple[dict[str, gymnasium.Space], dict[str, str]]:
        """The spaces of single observations, and the names that they get here."""
        if isinstance(space, gymnasium.spaces.Dict):
            # Keras allows no slash in the name of a layer.
            names = {key: re.sub(r"[^\w.-]", "_", key) for key in space.spaces}
            spaces = dict(space.spaces)
        else:
            is_image = isinstance(space, gymnasium.spaces.Box) and len(space.shape) > 1
            names = {"": "image" if is_image else "vector"}
            spaces = {"": space}
        if not spaces or len(set(names.values())) < len(spaces):
            raise UserError(
                f"{self.name}: the observations are {', '.join(spaces) or 'an empty Dict'}, but at "
                "least one is needed and each needs a name of its own."
            )
        return spaces, names

    def _check_names(self, parameter: str, given: Mapping[str, Any]) -> None:
        known = self.observation_space.spaces
        for name in given:
            if name not in known:
                hint = did_you_mean(name, known) or f" There is {' and '.join(known)}."
                raise UserError(
                    f"create_gym_environment.{parameter} names the observation '{name}', which "
                    f"{self.name} does not have.{hint}"
                )

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode."""
        result = self.environment.reset(seed=seed)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise self._old_interface("reset", "(observation, info)")
        return self._observation(result[0])

    def _old_interface(self, method: str, expected: str) -> UserError:
        return UserError(
            f"{self.name}: {method} must return {expected}, as Gymnasium says. An environment of "
            "the old Gym package can be wrapped with the package shimmy: "
            "gymnasium.make('GymV21Environment-v0', env=environment)."
        )

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Steps the wrapped environment."""
        if isinstance(self._actions, gymnasium.spaces.Discrete):
            # The agent counts actions from 0, a Discrete space may start elsewhere.
            action = int(action) + int(self._actions.start)
        else:
            action = self._to_box(action)
        result = self.environment.step(action)
        if not (isinstance(result, tuple) and len(result) == 5):
            raise self._old_interface("step", "(observation, reward, terminated, truncated, info)")
        observation, reward, terminated, truncated, info = result
        reward = float(np.asarray(reward).item())  # some environments return an array
        return self._observation(observation), reward, bool(terminated), bool(truncated), info

    def _to_box(self, action: np.ndarray) -> np.ndarray:
        """Scales from [-1, 1] to the bounds of the Box."""
        box = self._actions
        assert isinstance(box, gymnasium.spaces.Box)  # `step` has checked it
        scaled = scale_action(action, box.low.astype(np.float64), box.high.astype(np.float64))
        if np.dtype(box.dtype).kind in "iu":
            scaled = np.rint(scaled)
        # Converting the dtype may round a number beyond the bounds.
        return np.clip(scaled.astype(box.dtype), box.low, box.high)

    def render(self) -> np.ndarray:
        """The frame that the wrapped environment renders.

        Raises:
          UserError: it renders none.
        """
        frame = self.environment.render() if self.records else None
        if frame is None:
            raise UserError(
                f"{self.name} cannot be recorded: create it with render_mode='rgb_array'."
            )
        return np.asarray(frame)

    def close(self) -> None:
        """Closes the wrapped environment."""
        self.environment.close()

    def _space(self, key: str, box: gymnasium.Space) -> gymnasium.spaces.Box:
        """The space of one observation as the agent sees it: an image or a vector."""
        name = f"the observation '{key}'" if key else "the observation"
        if self._names[key] in RESERVED_NAMES:
            raise UserError(
                f"{self.name}: an observation is named '{key}', which is the name of a loss; "
                "rename it with gymnasium.wrappers.TransformObservation."
            )
        if not isinstance(box, gymnasium.spaces.Box):
            cure = (
                "leave it out with gymnasium.wrappers.FilterObservation, make it a Box with "
                "TransformObservation, or, if there are no images, flatten all of them with "
                "FlattenObservation"
                if key
                else "make it a Box with gymnasium.wrappers.TransformObservation, or, if there are "
                "no images, with FlattenObservation"
            )
            raise UserError(
                f"{self.name}: {name} is a {type(box).__name__}, but only Box and a Dict of Boxes "
                f"are supported; {cure}."
            )
        if 0 in box.shape:
            raise UserError(f"{self.name}: {name} of shape {box.shape} is empty; leave it out.")
        if self._names[key] in self._one_hot:
            sizes = self._one_hot[self._names[key]]
            if box.dtype.kind not in "iu" or len(sizes) not in (
                1,
                box.shape[-1] if box.shape else 1,
            ):
                raise UserError(
                    f"create_gym_environment.one_hot has {len(sizes)} numbers for {name}, which is "
                    f"{box.dtype} of shape {box.shape}: it needs whole numbers, and one number of "
                    "symbols, or one for each channel of the last axis."
                )
            self.notes.append(f"{name} of shape {list(box.shape)} becomes one-hot")
            cells = int(np.prod(box.shape)) // len(sizes)
            return gymnasium.spaces.Box(0.0, 1.0, (cells * sum(sizes),), np.float32)
        if _is_image(box):
            height, width = box.shape[:2]
            if (height, width) != (self._size, self._size):
                self.notes.append(
                    f"{name} of {height}x{width} is resized to {self._size}x{self._size}"
                )
            channels = box.shape[2] if len(box.shape) == 3 else 1
            return gymnasium.spaces.Box(0, 255, (self._size, self._size, channels), np.uint8)
        if len(box.shape) <= 1:
            shape = (int(np.prod(box.shape)),)
            if box.dtype == np.uint8 and self._names[key] not in self._scale:
                return gymnasium.spaces.Box(0, 255, shape, np.uint8)  # the model scales bytes
            return gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
        raise UserError(
            f"{self.name}: {name} is {box.dtype} of shape {box.shape}, but only uint8 images "
            "[H, W], [H, W, 1], [H, W, 3] and vectors are supported; make it such an image "
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
        return {name: self._convert(key, parts[key]) for key, name in self._names.items()}

    def _convert(self, key: str, value: Any) -> np.ndarray:
        """One observation as the agent sees it.

        Raises:
          ValueError: it does not fit the space that the environment declares.
        """
        name = self._names[key]
        value, declared = np.asarray(value), self._spaces[key]
        if value.shape != declared.shape:
            raise ValueError(
                f"the observation '{key or name}' has shape {value.shape}, but its space says "
                f"{declared.shape}"
            )
        space = self.observation_space[name]
        shape = space.shape or ()
        if name in self._one_hot:
            return _encode(value, self._one_hot[name], key or name)
        if len(shape) < 3:
            vector = np.array(value, space.dtype).reshape(shape)
            return vector / np.float32(self._scale[name]) if name in self._scale else vector
        if value.dtype != np.uint8:
            raise ValueError(
                f"the image '{key or name}' is {value.dtype}, but its space says uint8"
            )
        if name in self._scale:
            value = np.clip(value * (255.0 / self._scale[name]), 0, 255).astype(np.uint8)
        if value.shape[:2] != shape[:2]:
            value = cv2.resize(value, shape[:2], interpolation=cv2.INTER_AREA)
        # A copy: the environment may write into its array again.
        return np.array(value, np.uint8).reshape(shape)


def _encode(value: np.ndarray, sizes: Sequence[int], name: str) -> np.ndarray:
    """Symbols as one vector of zeros and ones, float32, one block after the other.

    Raises:
      ValueError: a symbol is not among those that `one_hot` says.
    """
    rows = value.reshape(-1, len(sizes)).astype(np.int64)
    wrong = (rows < 0) | (rows >= np.asarray(sizes))
    if wrong.any():
        raise ValueError(
            f"the observation '{name}' has the symbol {rows[wrong][0]}, but "
            f"create_gym_environment.one_hot says {tuple(sizes)}"
        )
    parts = [np.eye(size, dtype=np.float32)[rows[:, i]] for i, size in enumerate(sizes)]
    return np.concatenate(parts, axis=1).reshape(-1)


def _name(environment: gymnasium.Env) -> str:
    """The id, or the class of an environment that was made without `gymnasium.make`."""
    spec = environment.spec
    return (spec.id if spec else type(environment.unwrapped).__name__).replace("/", "_")


def _is_image(box: gymnasium.spaces.Box) -> bool:
    gray = len(box.shape) == 2
    return box.dtype == np.uint8 and (gray or (len(box.shape) == 3 and box.shape[2] in (1, 3)))


def _takes(function: Callable, name: str) -> bool:
    """Whether a function accepts an argument of that name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


def _clipped_space(environment: gymnasium.Env) -> gymnasium.Space:
    """The action space. A ClipAction accepts any number, so its space is the one it clips to."""
    wrapper = environment
    while isinstance(wrapper, gymnasium.Wrapper):
        if isinstance(wrapper, gymnasium.wrappers.ClipAction):
            return wrapper.env.action_space
        if isinstance(wrapper, gymnasium.ActionWrapper):
            break  # it changes the actions before they are clipped
        wrapper = wrapper.env
    return environment.action_space


@configurable
def create_gym_environment(
    id: str | None = None,
    factory: Callable[[], gymnasium.Env] | None = None,
    image_size: Size = 64,
    scale: dict[str, PositiveFloat] | None = None,
    one_hot: dict[str, tuple[Size, ...]] | None = None,
    **settings: Any,
) -> GymEnvironment:
    """Creates a Gymnasium environment from its id or with a function.

    Args:
      id: the id for `gymnasium.make`.
      factory: function without arguments that creates the environment; takes precedence over an id.
      image_size: height and width of images for the agent, in pixels.
      scale: largest values by name, for observations that are far from 1 (vectors) or that use only
        a part of 0 to 255 (images).
      one_hot: numbers of symbols by name, for observations that are symbols, as in
        {'image': (11, 6, 3)} for MiniGrid's three channels.
      **settings: other arguments of `gymnasium.make`.

    Raises:
      UserError: the id is unknown, or a space is not supported.
    """
    if factory is not None:
        return GymEnvironment(factory(), image_size, scale, one_hot)
    if id is None:
        raise UserError(
            "create_gym_environment needs either an id or a factory: add "
            "--gin_bindings=\"create_gym_environment.id='CartPole-v1'\"."
        )
    try:
        environment = gymnasium.make(id, **(_render_mode(id) | settings))
    except (gymnasium.error.Error, ImportError) as error:
        unknown = (gymnasium.error.UnregisteredEnv, gymnasium.error.DeprecatedEnv)
        hint = _hint(id) if isinstance(error, unknown) else ""
        raise UserError(
            f"Gymnasium cannot create '{id}' (create_gym_environment.id): "
            f"{str(error).splitlines()[0].rstrip('.')}.{hint}"
        ) from error
    return GymEnvironment(environment, image_size, scale, one_hot)


def _hint(id: str) -> str:
    """What to write instead of an unknown id."""
    for beginning, module in _PACKAGES.items():
        if id.startswith(beginning):
            return f" Write '{module}:{id}', and install that package if it is missing."
    return (
        f"{did_you_mean(id, gymnasium.registry)} An environment of another package needs the "
        "module that registers it in front, as in 'minigrid:MiniGrid-Empty-8x8-v0'."
    )


def _render_mode(id: str) -> dict[str, str]:
    """The argument that makes an environment render frames, for those that can."""
    module, _, name = id.rpartition(":")
    if module:
        importlib.import_module(module)  # registers the environment
    if name not in gymnasium.registry:  # an id without version, which only `make` can resolve
        return {"render_mode": "rgb_array"}
    entry: Any = gymnasium.registry[name].entry_point
    if isinstance(entry, str):
        entry = gymnasium.envs.registration.load_env_creator(entry)
    modes = getattr(entry, "metadata", {}).get("render_modes", ())
    can = _takes(entry, "render_mode") and (not inspect.isclass(entry) or "rgb_array" in modes)
    return {"render_mode": "rgb_array"} if can else {}
