"""Networks for Dopamine's agents where Dopamine has none that fits."""

import flax.linen as nn
import jax.numpy as jnp

from dreamer_tf.agents.dopamine_compat import RainbowNetworkType
from dreamer_tf.settings.configurable import configurable


@configurable(denylist=["num_actions", "num_atoms", "parent", "name"])
class PlanesRainbowNetwork(nn.Module):
    """The network of Rainbow and C51 for planes [H, W, C], as in MinAtar.

    It has the layers of Dopamine's network for MinAtar (`dopamine.labs.environments.minatar`): a
    convolution of 16 channels and a dense layer. Dopamine appends the axis of the stack, so that
    network convolves width and planes, and takes the height for a batch. Here the planes of all
    stacked observations are channels.

    Attributes:
      num_actions: A; the agent sets it.
      num_atoms: places of the distribution of returns; the agent sets it.
    """

    num_actions: int
    num_atoms: int

    @nn.compact
    def __call__(self, x: jnp.ndarray, support: jnp.ndarray) -> RainbowNetworkType:
        """Returns action values [A], logits and probabilities [A, atoms].

        Args:
          x: planes [H, W, C, stack] of zeros and ones.
          support: returns [atoms] at the places of the distribution.
        """
        initializer = nn.initializers.xavier_uniform()
        planes = x.reshape(*x.shape[:2], -1).astype(jnp.float32)
        features = nn.relu(nn.Conv(16, (3, 3), kernel_init=initializer)(planes)).reshape(-1)
        outputs = nn.Dense(self.num_actions * self.num_atoms, kernel_init=initializer)(features)
        logits = outputs.reshape(self.num_actions, self.num_atoms)
        probabilities = nn.softmax(logits)
        return RainbowNetworkType(probabilities @ support, logits, probabilities)
