"""Checks of static shapes; they cost nothing in a compiled function."""

from collections.abc import Sequence

import tensorflow as tf

from dreamer_tf.errors import UserError


class ShapeError(UserError, ValueError):
    """A tensor has another shape than its place needs: a part from outside returned it."""


def check_shape(name: str, tensor: tf.Tensor, expected: Sequence[int | None], axes: str) -> None:
    """Checks a shape where a wrong one would broadcast instead of failing.

    Args:
      name: what the tensor is, for the message.
      tensor: any tensor.
      expected: size of each axis; None for any size.
      axes: what the axes are, for example '[B, T]'.

    Raises:
      ShapeError: the tensor has another rank, or an axis of another size. It is a ValueError.
    """
    if not tensor.shape.is_compatible_with(list(expected)):
        raise ShapeError(f"{name} is {tensor.shape}, but must be {tuple(expected)}: {axes}.")
