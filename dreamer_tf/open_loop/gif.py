"""Writes frames as an animated GIF."""

import io
import os
from collections.abc import Sequence

import numpy as np

from dreamer_tf.errors import UserError


def check_path(path: str) -> None:
    """Checks a path before the work whose result it will hold.

    Raises:
      UserError: not a .gif, or its directory does not exist.
    """
    directory = os.path.dirname(os.path.abspath(path))
    if not path.endswith(".gif"):
        raise UserError(f"{path}: videos are GIF files; choose a name that ends with .gif.")
    if not os.path.isdir(directory):
        raise UserError(f"{path}: the directory {directory} does not exist; make it first.")


def write_gif(
    path: str, frames: Sequence[np.ndarray] | np.ndarray, frames_per_second: float = 15.0
) -> None:
    """Writes frames [H, W, 3] or [H, W] uint8 as a GIF that repeats forever."""
    with open(path, "wb") as file:
        file.write(encode_gif(frames, frames_per_second))


def encode_gif(frames: Sequence[np.ndarray] | np.ndarray, frames_per_second: float = 15.0) -> bytes:
    """The contents of a GIF file; arguments as for `write_gif`."""
    import imageio.v3

    file = io.BytesIO()
    duration = 1000.0 / frames_per_second  # milliseconds
    images = np.stack(list(frames))
    imageio.v3.imwrite(file, images, extension=".gif", duration=duration, loop=0)
    return file.getvalue()
