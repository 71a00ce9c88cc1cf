"""Observations of any Gymnasium space as images, planes and vectors with names.

Box        uint8 with 2 or 3 axes      image [H, W, C] uint8, resized on request
           bool with 2 or 3 axes       planes [H, W, C] bool
           other numbers, 3 axes       image [H, W, C] uint8, scaled by their range
           at most 1 axis              vector [K], bytes stay bytes
           other numbers, 2 axes       vector [H W]
Discrete, MultiDiscrete, MultiBinary   vector [K] bool, a one for each symbol
Dict, Tuple                            their parts, by name
Text                                   left out
Graph, Sequence, OneOf                 refused
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import Observation
from dreamer_tf.environments.spaces import RESERVED_NAMES
from dreamer_tf.errors import UserError, did_you_mean

spaces = gymnasium.spaces
_MOST_SYMBOLS = 10_000  # of one vector; every one has weights
_BY_NAME = ("scale", "one_hot", "planes")


class Reading(NamedTuple):
    """How observations are read; dicts are by the name of the observation.

    Attributes:
      image_size: height and width of images for the agent, in pixels; None for their own.
      scale: largest values. A vector is divided by it, an image multiplied so that it becomes 255.
      one_hot: numbers of symbols: one, or one for each channel of the last axis. They become one
        vector of zeros and ones.
      planes: as `one_hot`, but every place keeps its symbols: [H, W, C] becomes planes.
      channels_first: which images are [C, H, W]; None to tell by the shape.
    """

    image_size: int | None = 64
    scale: Mapping[str, float] = {}
    one_hot: Mapping[str, Sequence[int]] = {}
    planes: Mapping[str, Sequence[int]] = {}
    channels_first: Sequence[str] | None = None


class Translated(dict):
    """Observations by name as the agent sees them; so nobody translates them again."""


class _Part(NamedTuple):
    """One observation: where it comes from, what it becomes."""

    path: tuple[Any, ...]
    shown: str  # its name for people
    declared: gymnasium.Space
    space: spaces.Box
    convert: Callable[[np.ndarray], np.ndarray]


class Observations:
    """Translates what an environment delivers.

    Attributes:
      space: what the agent sees.
      notes: what changes, in a few words each.
    """

    def __init__(self, space: gymnasium.Space, name: str, reading: Reading):
        """Reads the space.

        Args:
          space: of the environment.
          name: of the environment, for messages.
          reading: how to read it.

        Raises:
          UserError: a space is not supported, or `reading` does not fit.
        """
        self._environment, self._reading = name, reading
        self.notes: list[str] = []
        found = list(self._leaves(space, (), ""))
        names = [each for each, *_ in found]
        if not found or len(set(names)) < len(names):
            raise UserError(
                f"{name}: the observations are {', '.join(names) or 'an empty Dict'}, but at "
                "least one is needed and each needs a name of its own."
            )
        self._check_names(names)
        self._parts = {key: self._part(key, path, leaf) for key, path, leaf in found}
        self.space = spaces.Dict({key: part.space for key, part in self._parts.items()})

    def read(self, observation: Any) -> Observation:
        """The agent's observations, by name.

        Raises:
          ValueError: one does not fit the space that the environment declares.
        """
        found = Translated()
        for key, part in self._parts.items():
            value = observation
            for step in part.path:
                value = value[step]
            value, shape = np.asarray(value), part.declared.shape
            if shape is not None and value.shape != shape:
                raise ValueError(
                    f"the observation '{part.shown}' has shape {value.shape}, but its space says "
                    f"{shape}"
                )
            found[key] = part.convert(value)
        return found

    def _leaves(
        self, space: gymnasium.Space, path: tuple[Any, ...], name: str
    ) -> Iterator[tuple[str, tuple[Any, ...], gymnasium.Space]]:
        """Name, path and space of every single observation."""
        if isinstance(space, spaces.Dict | spaces.Tuple):
            parts = (
                dict(space.spaces)
                if isinstance(space, spaces.Dict)
                else {f"part{index}": part for index, part in enumerate(space.spaces)}
            )
            for index, (key, part) in enumerate(parts.items()):
                step = key if isinstance(space, spaces.Dict) else index
                # Keras allows no slash in the name of a layer.
                own = re.sub(r"[^\w.-]", "_", str(key))
                yield from self._leaves(part, (*path, step), f"{name}.{own}" if name else own)
            return
        if isinstance(space, spaces.Text) or _is_text(space):
            self.notes.append(f"the text '{_shown(path, name)}' is left out")
            return
        if not name:
            # A matrix of floats has no pixels.
            axes = len(space.shape) if isinstance(space, spaces.Box) else 0
            matrix = axes == 2 and np.dtype(space.dtype).kind == "f"
            name = "image" if axes > 1 and not matrix else "vector"
        yield name, path, space

    def _check_names(self, names: Sequence[str]) -> None:
        given = [(parameter, getattr(self._reading, parameter)) for parameter in _BY_NAME]
        given.append(("channels_first", self._reading.channels_first or ()))
        for parameter, values in given:
            for name in values:
                if name not in names:
                    hint = did_you_mean(name, names) or f" There is {' and '.join(names)}."
                    raise UserError(
                        f"create_gym_environment.{parameter} names the observation '{name}', which "
                        f"{self._environment} does not have.{hint}"
                    )

    def _part(self, name: str, path: tuple[Any, ...], space: gymnasium.Space) -> _Part:
        shown = _shown(path, name)
        if name in RESERVED_NAMES:
            raise UserError(
                f"{self._environment}: an observation is named '{shown}', which is the name of a "
                "loss; rename it with gymnasium.wrappers.TransformObservation."
            )
        if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
            box, convert = self._symbols(shown, space)
        elif isinstance(space, spaces.Box):
            box, convert = self._box(name, f"the observation{_quoted(path, name)}", space)
        else:
            raise UserError(
                f"{self._environment}: the observation{_quoted(path, name)} is a "
                f"{type(space).__name__}, which has no fixed size: make it a Box with "
                "gymnasium.wrappers.TransformObservation, or leave it out with "
                "gymnasium.wrappers.FilterObservation."
            )
        return _Part(path, shown, space, box, convert)

    def _symbols(self, shown: str, space: Any) -> tuple[spaces.Box, Callable]:
        """Symbols become a vector with a one for each of them."""
        if isinstance(space, spaces.MultiBinary):
            size = math.prod(space.shape)
            return bits((size,)), lambda value: np.array(value, bool).reshape(size)
        sizes = [int(n) for n in np.ravel(getattr(space, "nvec", getattr(space, "n", 0)))]
        start = np.ravel(space.start)
        if sum(sizes) > _MOST_SYMBOLS:
            raise UserError(
                f"{self._environment}: the observation '{shown}' has {sum(sizes):,} symbols, more "
                f"than the {_MOST_SYMBOLS:,} that one vector may have: make it a Box with "
                "gymnasium.wrappers.TransformObservation."
            )
        self.notes.append(f"the symbols '{shown}' become {sum(sizes)} zeros and ones")

        def convert(value: np.ndarray) -> np.ndarray:
            return encode(np.ravel(value)[None] - start, sizes, shown, "its space").reshape(-1)

        return bits((sum(sizes),)), convert

    def _box(self, name: str, shown: str, box: spaces.Box) -> tuple[spaces.Box, Callable]:
        reading, where = self._reading, self._environment
        if 0 in box.shape:
            raise UserError(f"{where}: {shown} of shape {box.shape} is empty; leave it out.")
        if name in reading.one_hot or name in reading.planes:
            return self._one_hot(name, shown, box)
        kind, axes = np.dtype(box.dtype).kind, len(box.shape)
        if axes <= 1 or (axes == 2 and kind not in "b" and box.dtype != np.uint8):
            if axes == 2:
                self.notes.append(f"{shown} of {box.shape[0]}x{box.shape[1]} becomes a vector")
            return self._vector(name, box)
        if axes > 3:
            raise UserError(
                f"{where}: {shown} has shape {box.shape}: if it is a stack of images, remove the "
                "wrapper that stacks them, because the model remembers earlier observations "
                "itself; otherwise make it an image [H, W, C] with "
                "gymnasium.wrappers.TransformObservation or a vector with FlattenObservation."
            )
        return self._image(name, shown, box)

    def _one_hot(self, name: str, shown: str, box: spaces.Box) -> tuple[spaces.Box, Callable]:
        parameter = "one_hot" if name in self._reading.one_hot else "planes"
        sizes = getattr(self._reading, parameter)[name]
        channels = box.shape[-1] if box.shape else 1
        fits = len(sizes) == 1 or len(sizes) == channels
        if np.dtype(box.dtype).kind not in "iu" or not fits:
            raise UserError(
                f"create_gym_environment.{parameter} has {len(sizes)} numbers for {shown}, which "
                f"is {box.dtype} of shape {box.shape}: it needs whole numbers, and one number of "
                "symbols, or one for each channel of the last axis."
            )
        origin = f"create_gym_environment.{parameter}"
        if parameter == "one_hot":
            self.notes.append(f"{shown} of shape {list(box.shape)} becomes one-hot")
            size = int(np.prod(box.shape)) // len(sizes) * sum(sizes)
            return spaces.Box(
                0.0, 1.0, (size,), np.float32
            ), lambda value: encode(value, sizes, name, origin).astype(np.float32).reshape(-1)
        if len(box.shape) not in (2, 3):
            raise UserError(
                f"create_gym_environment.planes names {shown} of shape {box.shape}, but planes "
                "are made of [H, W] or [H, W, C]: use create_gym_environment.one_hot."
            )
        per_channel = sizes if len(sizes) == channels and len(box.shape) == 3 else None
        depth = sum(per_channel or [sizes[0]] * (channels if len(box.shape) == 3 else 1))
        shape = (*box.shape[:2], depth)
        self.notes.append(f"{shown} of shape {list(box.shape)} becomes {depth} planes")
        return bits(shape), lambda value: encode(value, sizes, name, origin).reshape(shape)

    def _vector(self, name: str, box: spaces.Box) -> tuple[spaces.Box, Callable]:
        shape, scale = (int(np.prod(box.shape)),), self._reading.scale.get(name)
        if box.dtype == np.uint8 and scale is None and len(box.shape) <= 1:
            # The model scales bytes.
            return spaces.Box(0, 255, shape, np.uint8), lambda value: np.array(
                value, np.uint8
            ).reshape(shape)

        def convert(value: np.ndarray) -> np.ndarray:
            vector = np.array(value, np.float32).reshape(shape)
            return vector if scale is None else vector / np.float32(scale)

        return spaces.Box(-np.inf, np.inf, shape, np.float32), convert

    def _image(self, name: str, shown: str, box: spaces.Box) -> tuple[spaces.Box, Callable]:
        shape = box.shape if len(box.shape) == 3 else (*box.shape, 1)
        chosen = self._reading.channels_first
        turned = len(box.shape) == 3 and (
            _channels_first(shape) if chosen is None else name in chosen
        )
        if turned:
            shape = (shape[1], shape[2], shape[0])
            self.notes.append(f"{shown} of shape {list(box.shape)} has its channels turned last")

        def upright(value: np.ndarray) -> np.ndarray:
            return (np.moveaxis(value, 0, -1) if turned else value).reshape(shape)

        if np.dtype(box.dtype).kind == "b":
            # A copy: the environment may write into its array again.
            return bits(shape), lambda value: np.array(upright(value), bool)
        to_bytes = self._to_bytes(name, shown, box)
        height, width, channels = shape
        size = self._reading.image_size
        resized = (size or height, size or width, channels)
        if resized != shape:
            self.notes.append(f"{shown} of {height}x{width} is resized to {size}x{size}")

        def convert(value: np.ndarray) -> np.ndarray:
            image = to_bytes(upright(value))
            if resized != shape:
                image = _resize(image, resized[0], resized[1])
            return np.array(image, np.uint8).reshape(resized)  # a copy here, too

        return spaces.Box(0, 255, resized, np.uint8), convert

    def _to_bytes(self, name: str, shown: str, box: spaces.Box) -> Callable:
        """From the numbers of an image to 0 .. 255."""
        scale = self._reading.scale.get(name)
        if box.dtype == np.uint8:

            def from_bytes(value: np.ndarray) -> np.ndarray:
                if value.dtype != np.uint8:
                    raise ValueError(
                        f"the image '{name}' is {value.dtype}, but its space says uint8"
                    )
                if scale is None:
                    return value
                return np.clip(value * (255.0 / scale), 0, 255).astype(np.uint8)

            return from_bytes
        low, high = (0.0, scale) if scale else (float(box.low.min()), float(box.high.max()))
        if not np.isfinite(high - low) or high <= low:
            raise UserError(
                f"{self._environment}: {shown} is {box.dtype} of shape {box.shape} without bounds: "
                f"name its largest value, as in create_gym_environment.scale = {{'{name}': 1.0}}."
            )
        self.notes.append(f"{shown} from {low:g} to {high:g} becomes bytes")

        def from_numbers(value: np.ndarray) -> np.ndarray:
            if not np.isfinite(value).all():
                raise ValueError(f"the image '{name}' has numbers that are not finite")
            share = (np.asarray(value, np.float64) - low) / (high - low)
            return np.rint(255.0 * np.clip(share, 0.0, 1.0)).astype(np.uint8)

        return from_numbers


def encode(value: np.ndarray, sizes: Sequence[int], name: str, origin: str) -> np.ndarray:
    """Symbols as zeros and ones, one block after the other.

    Args:
      value: whole numbers of any shape; its size is a multiple of the number of `sizes`.
      sizes: numbers of symbols, in turn.
      name: of the observation.
      origin: who says `sizes`.

    Returns:
      [N, sum(sizes)] bool.

    Raises:
      ValueError: a symbol is not among those that there are.
    """
    rows = value.reshape(-1, len(sizes)).astype(np.int64)
    wrong = (rows < 0) | (rows >= np.asarray(sizes))
    if wrong.any():
        raise ValueError(
            f"the observation '{name}' has the symbol {rows[wrong][0]}, but {origin} says "
            f"{tuple(sizes)}"
        )
    parts = [np.eye(size, dtype=bool)[rows[:, i]] for i, size in enumerate(sizes)]
    return np.concatenate(parts, axis=1)


def bits(shape: tuple[int, ...]) -> spaces.Box:
    """The space of zeros and ones.

    Args:
      shape: [K] or [H, W, C].
    """
    return spaces.Box(0, 1, shape, np.dtype(bool))  # type: ignore[arg-type] # Gymnasium takes it


def _is_text(space: gymnasium.Space) -> bool:
    """Packages have text spaces of their own, such as the missions of MiniGrid."""
    return space.dtype is not None and space.dtype.kind == "U"


def _shown(path: tuple[Any, ...], name: str) -> str:
    """An observation's name in the environment, or the one that it gets."""
    return str(path[0]) if len(path) == 1 and isinstance(path[0], str) else name


def _quoted(path: tuple[Any, ...], name: str) -> str:
    return f" '{_shown(path, name)}'" if path else ""


def _channels_first(shape: tuple[int, ...]) -> bool:
    """Whether [a, b, c] is [C, H, W]: the first axis is short, and the last one is not."""
    return shape[-1] not in (1, 3, 4) and shape[0] < min(shape[1:]) and shape[-1] > 4


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """OpenCV takes at most four channels at once."""
    parts = [
        cv2.resize(image[..., first : first + 4], (width, height), interpolation=cv2.INTER_AREA)
        for first in range(0, image.shape[-1], 4)
    ]
    return np.concatenate([part.reshape(height, width, -1) for part in parts], axis=-1)
