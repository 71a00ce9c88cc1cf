"""Groups of Keras layers."""

from collections.abc import Iterator
from typing import Any

import keras


class Module:
    """Several Keras layers that belong together; it finds their variables.

    It is no Keras layer itself, because gin wraps constructors and Keras cannot inspect a wrapped
    one. Layers and modules are found in attributes, lists and dicts, in the order of assignment.
    """

    def __init__(self, precision: keras.DTypePolicy):
        """Stores the precision; subclasses assign their layers afterwards.

        Args:
          precision: Keras precision policy of the layers.
        """
        self._precision = precision

    @property
    def compute_dtype(self) -> str:
        """Precision in which the networks compute; variables are float32."""
        return self._precision.compute_dtype

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """All Keras layers, each of them once; an attribute may be another name of one."""
        return list({id(layer): layer for layer in _find(list(vars(self).values()))}.values())

    @property
    def variables(self) -> list[keras.Variable]:
        """Everything that a checkpoint must hold."""
        return [variable for layer in self.layers for variable in layer.variables]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """Everything that an optimizer changes."""
        return [variable for layer in self.layers for variable in layer.trainable_variables]


def _find(value: Any) -> Iterator[keras.layers.Layer]:
    # The order matters: optimizer state in a checkpoint is numbered by it.
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, Module):
        yield from value.layers
    elif isinstance(value, dict):
        yield from _find(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _find(item)
