"""Adam as DreamerV2 uses it: clipping, decoupled weight decay, loss scaling for float16."""

from typing import NamedTuple

import gin
import keras
import tensorflow as tf

from dreamer_tf.networks.schedules import NonNegativeValue, as_schedule
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt


class _DecoupledAdam(keras.optimizers.Adam):
    """Keras Adam with a weight decay that the learning rate does not scale.

    Keras's own decay is scaled by it. The fused kernel does the arithmetic of Keras's Adam in one
    operation per variable instead of several.
    """

    def __init__(self, epsilon: float, decay: float):
        super().__init__(learning_rate=0.0, epsilon=epsilon)
        self._decay = decay

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        index = self._get_variable_index(variable)
        if self._decay:
            variable.assign(variable * (1.0 - self._decay))
        update = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, update),
            beta2_power=tf.pow(self.beta_2, update),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class StepResult(NamedTuple):
    """What one optimizer step reports; all scalars."""

    grad_norm: tf.Tensor  # global norm before clipping; inf on an overflow
    applied: tf.Tensor  # bool, False where a gradient was not finite


@configurable(denylist=["variables", "name", "loss_scaling"])
class Optimizer:
    """Global-norm clipping, decoupled weight decay and Adam (Table D1).

    The order is: global norm of the gradients, clipping, `w = (1 - decay) * w` for every weight,
    Adam. If a gradient is not finite, the step is skipped: weights and moments stay as they are.

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
        weight_decay: Fraction = 1e-6,
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
          weight_decay: fraction that every weight loses in each step (Table D1).
          loss_scaling: whether losses are scaled, for float16.
          initial_scale: loss scale of the first step.
          scale_period: good steps after which the loss scale doubles.
        """
        self.name = name
        self._variables = variables
        self._learning_rate = as_schedule(learning_rate)
        self._clip = clip
        self._loss_scaling = loss_scaling
        self._scale_period = scale_period
        self._adam = _DecoupledAdam(epsilon, weight_decay)
        # Moments exist before the first step, so that a checkpoint of update 0 is complete.
        self._adam.build(variables)
        self.loss_scale = tf.Variable(initial_scale if loss_scaling else 1.0, dtype=tf.float32)
        self._good_steps = tf.Variable(0, dtype=tf.int64)
        self.skipped = tf.Variable(0, dtype=tf.int64)

    @property
    def state(self) -> dict[str, tf.Variable]:
        """Everything that a checkpoint must hold, by name."""
        adam = {
            f"{self.name}/adam/{index:03d}.{variable.name}": variable.value
            for index, variable in enumerate(self._adam.variables)
        }
        return adam | {
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
            if the loss does not depend on a variable.

        Returns:
          The norm before clipping, and whether the step was made.
        """
        gradients = [
            tf.zeros(variable.shape) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, variable in zip(gradients, self._variables, strict=True)
        ]
        if self._loss_scaling:
            gradients = [gradient / self.loss_scale for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)  # not finite if any gradient is not
        finite = tf.math.is_finite(norm)
        tf.cond(finite, lambda: self._step(gradients, norm), self._skip)
        return StepResult(norm, finite)

    def _step(self, gradients: list[tf.Tensor], norm: tf.Tensor) -> tf.Tensor:
        if self._clip:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip, use_norm=norm)
        self._adam.learning_rate.assign(self._learning_rate(self._adam.iterations.value))
        self._adam.apply(gradients, self._variables)
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
