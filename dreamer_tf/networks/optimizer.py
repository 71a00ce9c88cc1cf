"""One step of training: clipping, decoupled weight decay, loss scaling for float16, and Adam."""

from collections.abc import Callable
from typing import NamedTuple

import gin
import keras
import tensorflow as tf

from dreamer_tf.networks import replicas
from dreamer_tf.networks.parts import make_part
from dreamer_tf.networks.schedules import NonNegativeValue, as_schedule
from dreamer_tf.networks.update_rules import Adam, UpdateRule
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import (
    BelowOne,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)


class StepResult(NamedTuple):
    """What one optimizer step reports; all scalars."""

    grad_norm: tf.Tensor  # global norm before clipping; inf on an overflow
    applied: tf.Tensor  # bool, False where a gradient was not finite


@configurable(denylist=["variables", "name", "loss_scaling"])
class Optimizer:
    """Global-norm clipping, decoupled weight decay and Adam (Table D1).

    The order is: global norm of the gradients, clipping, `w = (1 - decay) * w` for every weight,
    Adam, or a rule of yours. If a gradient is not finite, the step is skipped: weights and moments
    stay as they are.

    With float16, small gradients would become 0. So the loss is scaled up before it is
    differentiated. The scale halves after an overflow and doubles after `scale_period` good steps.
    """

    MAX_SCALE = 2.0**24

    def __init__(
        self,
        variables: list[keras.Variable],
        *,
        name: str,
        learning_rate: NonNegativeValue = gin.REQUIRED,
        clip: NonNegativeFloat = 100.0,
        epsilon: PositiveFloat = 1e-5,
        beta_1: BelowOne = 0.9,
        beta_2: BelowOne = 0.999,
        weight_decay: Fraction = 1e-6,
        rule: Callable[..., UpdateRule] | None = None,
        loss_scaling: bool = False,
        initial_scale: PositiveFloat = 2.0**15,
        scale_period: PositiveInt = 2000,
    ):
        """Creates the optimizer and its state.

        Args:
          variables: the weights to train.
          name: prefix of the names of the state.
          learning_rate: number or schedule over updates (Table D1).
          clip: largest global gradient norm; 0 turns clipping off (Table D1).
          epsilon: added to the square root of the second moment (Table D1).
          beta_1: share of the first moment that stays in each step (released code: 0.9).
          beta_2: share of the second moment that stays in each step (released code: 0.999).
          weight_decay: fraction that every weight loses in each step (Table D1).
          rule: makes an `UpdateRule` of yours in place of Adam, whose epsilon and betas it ignores.
          loss_scaling: whether losses are scaled, for float16.
          initial_scale: loss scale of the first step.
          scale_period: good steps after which the loss scale doubles.

        Raises:
          UserError: a rule of another kind.
        """
        self.name = name
        self._variables = variables
        self._learning_rate = as_schedule(learning_rate, "Optimizer.learning_rate")
        self._clip = clip
        self._loss_scaling = loss_scaling
        self._scale_period = scale_period
        self._weight_decay = weight_decay
        self.rule: UpdateRule = (
            Adam(variables, epsilon=epsilon, beta_1=beta_1, beta_2=beta_2)
            if rule is None
            else make_part("Optimizer.rule", rule, UpdateRule, variables)
        )
        self.loss_scale = tf.Variable(initial_scale if loss_scaling else 1.0, dtype=tf.float32)
        self._good_steps = tf.Variable(0, dtype=tf.int64)
        self.skipped = tf.Variable(0, dtype=tf.int64)
        # Paths of variables on which no loss depends, known as soon as a step has been traced.
        self.untouched: set[str] = set()

    @property
    def state(self) -> dict[str, tf.Variable]:
        """Everything that a checkpoint must hold, by name."""
        kind = "adam" if type(self.rule) is Adam else type(self.rule).__name__
        rule = {f"{self.name}/{kind}/{name}": value for name, value in self.rule.state.items()}
        return rule | {
            f"{self.name}/loss_scale": self.loss_scale,
            f"{self.name}/good_steps": self._good_steps,
            f"{self.name}/skipped": self.skipped,
        }

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss to differentiate, float32 scalar; `apply` undoes the scaling."""
        return loss * self.loss_scale if self._loss_scaling else loss

    def apply(self, gradients: list[tf.Tensor]) -> StepResult:
        """Makes one step.

        Args:
          gradients: of `scale_loss(loss)` with respect to the variables, in their order; None
            if the loss does not depend on a variable. Replicas pass those of their own part of
            the batch, and the step is made with the mean.

        Returns:
          The norm before clipping, and whether the step was made.
        """
        self.untouched |= {
            variable.path
            for gradient, variable in zip(gradients, self._variables, strict=True)
            if gradient is None
        }
        gradients = [
            tf.zeros(variable.shape) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, variable in zip(gradients, self._variables, strict=True)
        ]
        if self._loss_scaling:
            gradients = [gradient / self.loss_scale for gradient in gradients]
        # Before anything is decided, so that all replicas decide the same.
        gradients = replicas.mean(gradients)
        norm = tf.linalg.global_norm(gradients)  # not finite if any gradient is not
        finite = tf.math.is_finite(norm)
        tf.cond(finite, lambda: self._step(gradients, norm), self._skip)
        return StepResult(norm, finite)

    def _step(self, gradients: list[tf.Tensor], norm: tf.Tensor) -> tf.Tensor:
        if self._clip:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip, use_norm=norm)
        rate = self._learning_rate(self.rule.iterations.value())
        self.rule.apply(gradients, rate, self._weight_decay)
        if self._loss_scaling:
            # Small scales lose small gradients, so a larger one is tried again and again.
            grow = tf.equal(self._good_steps.assign_add(1) % self._scale_period, 0)
            grown = tf.minimum(self.loss_scale * 2.0, self.MAX_SCALE)
            self.loss_scale.assign(tf.where(grow, grown, self.loss_scale))
        return tf.constant(True)

    def _skip(self) -> tf.Tensor:
        self.skipped.assign_add(1)
        if self._loss_scaling:  # the scale was too large
            self._good_steps.assign(0)
            self.loss_scale.assign(tf.maximum(self.loss_scale / 2.0, 1.0))
        return tf.constant(False)
