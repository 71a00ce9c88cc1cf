"""Learners of shipped gin files, shrunk, and batches for them."""

import gin
import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.learner import Learner
from dreamer_tf.experiment import gin_files, launch  # noqa: F401 - registers all with gin
from dreamer_tf.world_model.world_model import Batch
from tests.helpers import TINY

SEED = tf.constant([1, 2])
UPDATE = tf.constant(0, tf.int64)
SPACE = gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)})
NUM_ACTIONS = 4


def make(name, *bindings) -> Learner:
    """The learner of a gin file with tiny networks."""
    gin.clear_config()
    gin_files.parse([f"{name}.gin"], [*TINY, "WorldModel.free_nats=0.0", *bindings])
    return Learner(SPACE, gymnasium.spaces.Discrete(NUM_ACTIONS), seed=0)


def random_batch(size=3, length=6) -> Batch:
    rng = np.random.default_rng(0)
    is_first, is_last, is_terminal = (
        tf.constant(rng.random((size, length)) < 0.1) for _ in range(3)
    )
    action = tf.one_hot(rng.integers(0, NUM_ACTIONS, (size, length)), NUM_ACTIONS)
    image = tf.constant(rng.integers(0, 256, (size, length, 64, 64, 1), np.uint8))
    reward = tf.constant(rng.normal(size=(size, length)), tf.float32)
    return Batch(
        observation={"image": image},
        action=action,
        reward=reward,
        is_first=is_first,
        is_last=is_last,
        is_terminal=is_terminal,
    )
