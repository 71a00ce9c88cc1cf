"""How one optimizer step changes a weight: Adam (Table D1), or a rule of one's own.

Clipping, weight decay, learning rates and the safety against overflows are the same for every
rule: they are in `optimizer.py`.
"""

import abc
from typing import ClassVar

import keras
import tensorflow as tf


class UpdateRule(abc.ABC):
    """Changes weights, one after the other, and remembers what it needs for that.

    What it remembers are `SLOTS`: variables of the shape of the weight, which start at 0, are
    stored in checkpoints, and are skipped with the weight where a gradient is not finite. They are
    plain variables without aggregation, so every replica of tf.distribute updates its own copy.

    Attributes:
      SLOTS: their names.
      iterations: int64, steps made so far.
    """

    SLOTS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, variables: list[keras.Variable]):
        """Makes the slots, before the first step: then a checkpoint of update 0 is complete.

        Args:
          variables: the weights to train.
        """
        self._variables = variables
        self.iterations = tf.Variable(0, dtype=tf.int64)
        self._learning_rate = tf.Variable(0.0, dtype=tf.float32)  # of the newest step
        self._slots = [
            {name: tf.Variable(tf.zeros(variable.shape)) for name in self.SLOTS}
            for variable in variables
        ]

    @abc.abstractmethod
    def update(
        self,
        weight: tf.Variable,
        gradient: tf.Tensor,
        learning_rate: tf.Tensor,
        slots: dict[str, tf.Variable],
    ) -> None:
        """Changes one weight and its slots in place.

        Args:
          weight: float32; weight decay is already subtracted.
          gradient: of its shape, float32, finite and clipped.
          learning_rate: float32 scalar.
          slots: those of this weight, by name.
        """

    @property
    def state(self) -> dict[str, tf.Variable]:
        """What a checkpoint holds, by the names and in the order of Keras's optimizers."""
        found = {"iteration": self.iterations, "learning_rate": self._learning_rate}
        for variable, slots in zip(self._variables, self._slots, strict=True):
            path = variable.path.replace("/", "_")
            found |= {f"{path}_{name}": slot for name, slot in slots.items()}
        return {f"{index:03d}.{name}": value for index, (name, value) in enumerate(found.items())}

    def apply(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor, decay: float) -> None:
        """One step of all weights.

        Args:
          gradients: float32, in the order of the weights.
          learning_rate: scalar.
          decay: fraction that every weight loses before.
        """
        self._learning_rate.assign(learning_rate)
        rate = tf.cast(learning_rate, tf.float32)
        for variable, slots, gradient in zip(self._variables, self._slots, gradients, strict=True):
            weight = variable.value
            if decay:
                weight.assign(weight * (1.0 - decay))
            self.update(weight, gradient, rate, slots)
        self.iterations.assign_add(1)


class Adam(UpdateRule):
    """Adam (Kingma & Ba, 2015) as one kernel per weight, with the numbers of Keras's."""

    SLOTS = ("momentum", "velocity")

    def __init__(
        self, variables: list[keras.Variable], *, epsilon: float, beta_1: float, beta_2: float
    ):
        """Makes the moments.

        Args:
          variables: the weights to train.
          epsilon: `Optimizer.epsilon`.
          beta_1: `Optimizer.beta_1`.
          beta_2: `Optimizer.beta_2`.
        """
        super().__init__(variables)
        self.epsilon, self.betas = epsilon, (beta_1, beta_2)

    def update(
        self,
        weight: tf.Variable,
        gradient: tf.Tensor,
        learning_rate: tf.Tensor,
        slots: dict[str, tf.Variable],
    ) -> None:
        """See the base class."""
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=slots["momentum"].handle,
            v=slots["velocity"].handle,
            beta1_power=tf.pow(self.betas[0], step),
            beta2_power=tf.pow(self.betas[1], step),
            lr=learning_rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            epsilon=self.epsilon,
            grad=gradient,
        )
