"""What does the model know of the game? A head predicts the RAM, which nothing else sees."""

import gin
import gymnasium
import tensorflow as tf

from dreamer_tf.networks.distributions import unit_normal
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.parts import HeadPart


@gin.configurable
class WithRam(gymnasium.ObservationWrapper):
    """Adds the 128 bytes of an ALE game to its images."""

    def __init__(self, env):
        super().__init__(env)
        ram = gymnasium.spaces.Box(0, 255, (128,), "uint8")
        self.observation_space = gymnasium.spaces.Dict({"image": env.observation_space, "ram": ram})

    def observation(self, observation):
        """The image and the bytes."""
        return {"image": observation, "ram": self.unwrapped.ale.getRAM()}


@gin.configurable
class RamHead(HeadPart):
    """Reads the bytes from the features, and leaves the features as they are."""

    shapes_features = False

    def __init__(self, features, observation_space, *, rng, precision):
        super().__init__(precision)
        self._mlp = MLP(features, {"mean": 128}, rng=rng, precision=precision, name="ram")

    def distribution(self, features):
        """[..., F] -> batch shape [...]."""
        return unit_normal(self._mlp(features)["mean"], 1)

    def target(self, batch, data):
        """[B, T, 128] in [-0.5, 0.5]."""
        return tf.stop_gradient(data.observation["ram"])
