"""Importing this module registers all environments with gin. It does not import TensorFlow."""

from dreamer_tf.environments.atari import AtariEnvironment
from dreamer_tf.environments.catch import Catch
from dreamer_tf.environments.control_suite import ControlSuiteEnvironment
from dreamer_tf.environments.crafter import Crafter
from dreamer_tf.environments.gym import create_gym_environment
from dreamer_tf.environments.wrappers import WRAPPERS

__all__ = ["ENVIRONMENTS", "FACTORY", "WRAPPERS", "Crafter"]
ENVIRONMENTS = (AtariEnvironment, Catch, ControlSuiteEnvironment, create_gym_environment)
FACTORY = "DreamerRunner.create_environment_fn"
