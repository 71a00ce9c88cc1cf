"""Actions of an environment as vectors for the networks, and back."""

import gymnasium
import tensorflow as tf

from dreamer_tf.environments.interface import action_shape, action_size
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.world_model.world_model import Batch


class ActionEncoding:
    """Translates between environment actions and vectors of `size` float32 numbers.

    A Discrete action becomes a one-hot vector, a Box action is flattened.
    """

    def __init__(self, action_space: gymnasium.Space):
        """Reads the sizes of the space.

        Args:
          action_space: Discrete, or Box in [-1, 1].
        """
        self.discrete = isinstance(action_space, gymnasium.spaces.Discrete)
        self.size = action_size(action_space)  # A
        self._shape = action_shape(action_space)

    def encode(self, action: tf.Tensor) -> tf.Tensor:
        """Environment actions [...] int or [..., *shape] float -> [..., A] float32."""
        if self.discrete:
            return tf.one_hot(action, self.size)
        lead = action.shape.rank - len(self._shape)
        return tf.reshape(action, [*action.shape[:lead], self.size])

    def decode(self, action: tf.Tensor) -> tf.Tensor:
        """Vectors [N, A] -> environment actions [N] int32 (Discrete) or [N, *shape] (Box)."""
        if self.discrete:
            return tf.argmax(action, -1, output_type=tf.int32)
        return tf.reshape(action, [-1, *self._shape])

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
