"""Actions of an environment as vectors for the networks, and back."""

import gymnasium
import tensorflow as tf

from dreamer_tf.environments.factored import FactoredActions, choices
from dreamer_tf.environments.interface import action_shape, action_size
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.world_model.world_model import Batch


class ActionEncoding:
    """Translates between environment actions and vectors of `size` float32 numbers.

    A Discrete action becomes a one-hot vector, a Box action is flattened. Factored actions become
    a one-hot vector for each choice, and then the numbers.
    """

    def __init__(self, action_space: gymnasium.Space):
        """Reads the sizes of the space.

        Args:
          action_space: Discrete, Box in [-1, 1], or FactoredActions.
        """
        self.discrete = isinstance(action_space, gymnasium.spaces.Discrete)
        self.size = action_size(action_space)  # A
        self.choices = choices(action_space)
        self._factored = isinstance(action_space, FactoredActions)
        self._shape = action_shape(action_space)

    def encode(self, action: tf.Tensor) -> tf.Tensor:
        """Environment actions [...] int or [..., *shape] float -> [..., A] float32."""
        if self.discrete:
            return tf.one_hot(action, self.size)
        if self._factored:
            indices = tf.cast(action, tf.int32)
            parts = [tf.one_hot(indices[..., i], size) for i, size in enumerate(self.choices)]
            return tf.concat([*parts, action[..., len(self.choices) :]], -1)
        lead = action.shape.rank - len(self._shape)
        return tf.reshape(action, [*action.shape[:lead], self.size])

    def decode(self, action: tf.Tensor) -> tf.Tensor:
        """Vectors [N, A] -> environment actions [N] int32 (Discrete) or [N, *shape] float32."""
        if self.discrete:
            return tf.argmax(action, -1, output_type=tf.int32)
        if self._factored:
            *parts, numbers = self.split(action)
            indices = [tf.argmax(part, -1, output_type=tf.int32) for part in parts]
            return tf.concat([tf.cast(tf.stack(indices, -1), tf.float32), numbers], -1)
        return tf.reshape(action, [-1, *self._shape])

    def split(self, action: tf.Tensor) -> list[tf.Tensor]:
        """Vectors [..., A] -> a one-hot part for each choice, and the numbers."""
        sizes = [*self.choices, self.size - sum(self.choices)]
        return tf.split(action, sizes, -1)

    def batch(self, sequences: Sequences) -> Batch:
        """Stored sequences [B, T, ...] as the world model takes them."""
        return Batch(
            observation=sequences.observation,
            action=self.encode(sequences.action),
            reward=sequences.reward,
            is_first=sequences.is_first,
            is_last=sequences.is_last,
            is_terminal=sequences.is_terminal,
        )
