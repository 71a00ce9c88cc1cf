"""Compiled functions that trace once for each signature, without TensorFlow's warning.

`tf.function` counts how often a piece of code is traced, over all objects that it belongs to. In a
process that trains several agents it warns of too many traces, although each agent traces once.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class Traced:
    """A function of tensors, traced for every combination of shapes and types of its arguments."""

    def __init__(self, function: Callable[..., Any]):
        """Stores the function; it is traced when it is called.

        Args:
          function: takes tensors, or structures of tensors, and returns such.
        """
        self._function = tf.function(function)
        self._traces: dict[tuple[Any, ...], tf.types.experimental.ConcreteFunction] = {}

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns for arrays or tensors."""
        arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
        key = tuple((tuple(item.shape), item.dtype) for item in tf.nest.flatten(arguments))
        if key not in self._traces:
            self._traces[key] = self._function.get_concrete_function(*arguments)
        return self._traces[key](*arguments)
