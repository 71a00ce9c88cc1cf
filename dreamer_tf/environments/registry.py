"""Importing this module registers all environments with gin. It does not import TensorFlow."""

from dreamer_tf.environments.atari import AtariEnvironment
from dreamer_tf.environments.catch import Catch
from dreamer_tf.environments.control_suite import ControlSuiteEnvironment
from dreamer_tf.environments.gym import create_gym_environment

ENVIRONMENTS = (AtariEnvironment, Catch, ControlSuiteEnvironment, create_gym_environment)
FACTORY = "DreamerRunner.create_environment_fn"
