"""An exploration bonus: where predictors disagree about the latent, nobody has been."""

import gin
import tensorflow as tf

from dreamer_tf.networks.mlp import MLP
from dreamer_tf.world_model.world_model import WorldModel


@gin.configurable
class CuriousWorldModel(WorldModel):
    """Adds the disagreement of an ensemble to the rewards that behavior learns from."""

    def __init__(self, observation_space, action_space, *, rng, precision, members=5, bonus=0.1):
        super().__init__(observation_space, action_space, rng=rng, precision=precision)
        self._bonus, outputs = bonus, {"latent": self.rssm.latent.size}
        units = self.feature_size - self.rssm.latent.size  # what the GRU knows
        self._ensemble = [
            MLP(units, outputs, rng=rng, precision=precision, name=f"curiosity{member}")
            for member in range(members)
        ]

    def _guesses(self, deter):
        deter = tf.stop_gradient(deter)
        return tf.stack([member(deter)["latent"] for member in self._ensemble])

    def loss(self, batch, seed, update, state=None):
        """Eq. 2, and the squared error of every member."""
        total, outputs = super().loss(batch, seed, update, state)
        latent = tf.stop_gradient(outputs.posterior.stoch)
        guesses = self._guesses(outputs.posterior.deter)  # [members, B, T, latent]
        curiosity = tf.reduce_mean(tf.square(guesses - latent))
        losses = outputs.losses | {"curiosity": curiosity}
        return total + curiosity, outputs._replace(losses=losses)

    def imagined_reward(self, features):
        """The predicted reward and the bonus, [..., F] -> [...]."""
        deter = tf.cast(features[..., self.rssm.latent.size :], tf.float32)
        disagreement = tf.math.reduce_variance(self._guesses(deter), 0)
        return self.reward(features) + self._bonus * tf.reduce_mean(disagreement, -1)
