"""Notices weights that nobody would train or save.

Modules find the layers in their attributes. A layer that is somewhere else works in every update,
but keeps its random weights, and a checkpoint does not hold them. So the variables that are created
while an agent is built are compared with those that it knows.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from dreamer_tf.errors import UserError


@contextlib.contextmanager
def collecting() -> Iterator[list[tf.Variable]]:
    """Collects the variables that are created in the block, of TensorFlow and of Keras."""
    found: list[tf.Variable] = []

    def creator(next_creator: Callable[..., tf.Variable], **settings: Any) -> tf.Variable:
        variable = next_creator(**settings)
        found.append(variable)
        return variable

    with tf.variable_creator_scope(creator):
        yield found


def check_saved(created: Iterable[tf.Variable], saved: Iterable[tf.Variable]) -> None:
    """Checks that a checkpoint holds everything that was created.

    Args:
      created: from `collecting`.
      saved: what a checkpoint holds.

    Raises:
      UserError: one would be lost.
    """
    known = {id(variable) for variable in saved}
    for variable in created:
        if id(variable) not in known:
            raise UserError(
                f"The weight '{variable.name}' is in no layer that the agent knows, so nothing "
                "would train or save it: make it in a Keras layer, and assign the layer to an "
                "attribute of a class derived from dreamer_tf.networks.module.Module. An "
                "Optimizer.rule remembers in SLOTS."
            )


def check_trained(
    weights: Iterable[keras.Variable], trained: Iterable[keras.Variable], owner: str
) -> None:
    """Checks that every trainable weight has an optimizer.

    Args:
      weights: of all parts.
      trained: those of parts that have one, and copies of such parts.
      owner: of the weights, for messages.

    Raises:
      UserError: one has none.
    """
    known = {id(variable) for variable in trained}
    for variable in weights:
        if variable.trainable and id(variable) not in known:
            raise UserError(
                f"The weight '{variable.path}' of {owner} has no optimizer, so it would stay as it "
                "is: make its layer a part of the actor or the critic, or set trainable = False "
                "of the layer."
            )
