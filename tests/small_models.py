"""Tiny agents, learners and networks for the tests, and batches for them."""

import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent
from dreamer_tf.agents.encoding import ActionEncoding
from dreamer_tf.agents.learner import Learner
from dreamer_tf.behavior.actor_critic import ActorCritic

# Importing `launch` registers the Runner and the environments, which atari.gin binds.
from dreamer_tf.experiment import gin_files, launch  # noqa: F401
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.storage.checkpoints import Checkpoint
from dreamer_tf.world_model.rssm import LatentState
from dreamer_tf.world_model.world_model import WorldModel
from tests.helpers import TINY, ScriptedEnvironment, bind


def configure(*bindings):
    gin_files.parse(["atari.gin"], [*TINY, *bindings])


def make_agent(directory, environment=None, **settings):
    environment = environment or ScriptedEnvironment()
    return DreamerV2Agent(
        environment.observation_space, environment.action_space, base_dir=directory, **settings
    )


def sequences(size=3, length=6, actions=3, seed=0, images=False, planes=None):
    rng = np.random.default_rng(seed)
    observation = {"vector": rng.normal(size=(size, length, 3)).astype(np.float32)}
    if images:
        shade = rng.integers(0, 256, (size, length, 1, 1, 1), np.uint8)
        observation["image"] = np.tile(shade, (1, 1, 64, 64, 1))
    if planes:
        observation["planes"] = rng.random((size, length, *planes)) < 0.1
    is_first, is_last, is_terminal = rng.random((3, size, length)) < 0.1
    return Sequences(
        observation=observation,
        action=rng.integers(0, actions, (size, length)).astype(np.int32),
        reward=rng.normal(size=(size, length)).astype(np.float32),
        is_first=is_first,
        is_last=is_last,
        is_terminal=is_terminal,
    )


def make_learner(images=False, action_space=None, planes=None, **settings):
    environment = ScriptedEnvironment(images=images)
    spaces = dict(environment.observation_space.spaces)
    if planes:
        spaces["planes"] = gymnasium.spaces.Box(0, 1, planes, bool)
    return Learner(
        gymnasium.spaces.Dict(spaces), action_space or environment.action_space, seed=0, **settings
    )


def everything(runner):
    checkpoint = Checkpoint({}, {})
    runner.agent.save(checkpoint)
    return checkpoint


def settings(precision="float32", seed=0):
    """What the constructor of every network takes."""
    return {"rng": np.random.default_rng(seed), "precision": keras.DTypePolicy(precision)}


def make_world_model(*bindings, precision="float32", images=False, num_actions=3):
    configure(*bindings)
    space = ScriptedEnvironment(images=images).observation_space
    return WorldModel(space, gymnasium.spaces.Discrete(num_actions), **settings(precision))


def make_behavior(world_model, *bindings, action_space=None):
    bind(*bindings)
    action_space = action_space or gymnasium.spaces.Discrete(3)
    return ActorCritic(world_model.feature_size, action_space, **settings())


def make_batch(**sizes):
    """`sequences` as the world model takes them."""
    encoding = ActionEncoding(gymnasium.spaces.Discrete(3))
    return encoding.batch(tf.nest.map_structure(tf.constant, sequences(**sizes)))


def random_state(rssm, *shape, seed=0):
    rng = np.random.default_rng(seed)
    return LatentState(
        stoch=tf.constant(rng.normal(size=(*shape, rssm.latent.size)), tf.float32),
        deter=tf.constant(rng.normal(size=(*shape, rssm.units)), tf.float32),
    )
