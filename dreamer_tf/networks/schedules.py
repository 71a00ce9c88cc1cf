"""Hyperparameters that change during training.

Gin can bind a schedule wherever a `Value` is expected:

    ActorCritic.entropy_scale = 1e-3                     # a constant
    ActorCritic.entropy_scale = @entropy/linear_schedule()
    entropy/linear_schedule.initial = 3e-3
    entropy/linear_schedule.final = 3e-4
    entropy/linear_schedule.steps = 625_000              # updates

A schedule maps the number of an update to a float32 scalar inside the compiled update.
"""

import math
from collections.abc import Callable
from typing import Annotated

import gin
import numpy as np
import tensorflow as tf
from msgspec import Meta

from dreamer_tf.errors import UserError
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Fraction, NonNegativeFloat, PositiveInt

Schedule = Callable[[tf.Tensor], tf.Tensor]
Value = float | int | Schedule
_Schedule = Annotated[Schedule, Meta(description="a schedule as in @linear_schedule()")]
# For parameters whose numbers have bounds; `as_schedule` checks what a schedule returns.
NonNegativeValue = NonNegativeFloat | _Schedule
FractionValue = Fraction | _Schedule
Horizon = Annotated[float, Meta(ge=1)]
# Updates at which a schedule is checked: its start, each power of ten, far beyond every run.
_SAMPLED = (0, *(10**exponent for exponent in range(13)))


def as_schedule(value: Value, name: str, most: float = math.inf) -> Schedule:
    """Turns a number into a constant schedule; a schedule is returned unchanged.

    Args:
      value: number or schedule.
      name: of the gin parameter.
      most: the largest value that it may have; the smallest one is 0.

    Raises:
      UserError: it is out of these bounds, at some update, or a schedule returns no finite scalar.
    """
    bounds = "of 0 or more" if most == math.inf else f"from 0 to {most:g}"
    if not callable(value):
        if not 0.0 <= value <= most:
            raise UserError(f"{name} is {value}, but must be a number {bounds}.")
        return lambda update: tf.constant(value, tf.float32)
    for update in _SAMPLED:
        found = np.asarray(value(tf.constant(update, tf.int64)))
        rounded = most + 1e-6  # as 0.1 + (1.0 - 0.1) in 32 bits
        if found.shape or not 0.0 <= found <= rounded or not math.isfinite(found):
            raise UserError(
                f"{name} is a schedule that returns {found} at update {update:,}, but it must "
                f"return numbers {bounds}: change its parameters."
            )
    return value


def is_constant(value: Value, number: float) -> bool:
    """Whether the value is this number for the whole run; then terms of a loss can be left out."""
    return not callable(value) and float(value) == number


def _fraction(update: tf.Tensor, steps: float) -> tf.Tensor:
    return tf.clip_by_value(tf.cast(update, tf.float32) / steps, 0.0, 1.0)


@configurable
def linear_schedule(
    initial: float = gin.REQUIRED, final: float = gin.REQUIRED, steps: PositiveInt = gin.REQUIRED
) -> Schedule:
    """Straight line from `initial` to `final` over `steps` updates, then `final`.

    Args:
      initial: value at update 0.
      final: value from update `steps` on.
      steps: number of updates.

    Returns:
      The schedule.
    """
    return lambda update: initial + _fraction(update, steps) * (final - initial)


@configurable
def warmup_schedule(value: float = gin.REQUIRED, steps: PositiveInt = gin.REQUIRED) -> Schedule:
    """Straight line from 0 to `value` over `steps` updates, then `value`.

    Args:
      value: value from update `steps` on.
      steps: number of updates.

    Returns:
      The schedule.
    """
    return linear_schedule(initial=0.0, final=value, steps=steps)


@configurable
def exponential_schedule(
    initial: float = gin.REQUIRED, final: float = gin.REQUIRED, halflife: PositiveInt = gin.REQUIRED
) -> Schedule:
    """Approaches `final`: the distance to it halves every `halflife` updates.

    Args:
      initial: value at update 0.
      final: value after many updates.
      halflife: number of updates.

    Returns:
      The schedule.
    """

    def value(update: tf.Tensor) -> tf.Tensor:
        halvings = tf.cast(update, tf.float32) / halflife
        return (initial - final) * tf.pow(0.5, halvings) + final

    return value


@configurable
def horizon_schedule(
    initial: Horizon = gin.REQUIRED,
    final: Horizon = gin.REQUIRED,
    steps: PositiveInt = gin.REQUIRED,
) -> Schedule:
    """Discount whose horizon grows in a straight line: 1 - 1 / horizon(update).

    Args:
      initial: horizon in agent steps at update 0.
      final: horizon in agent steps from update `steps` on.
      steps: number of updates.

    Returns:
      The schedule.
    """

    def value(update: tf.Tensor) -> tf.Tensor:
        mix = _fraction(update, steps)
        return 1.0 - 1.0 / ((1.0 - mix) * initial + mix * final)

    return value
