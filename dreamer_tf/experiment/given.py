"""An environment that the caller of `train_agent` or `load_policy` has made."""

import inspect
from collections.abc import Callable

import gin
import gymnasium

from dreamer_tf.environments.gym import create_gym_environment
from dreamer_tf.environments.interface import Environment, EnvironmentLike, complete
from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.errors import UserError
from dreamer_tf.experiment.gin_files import parameter

Given = gymnasium.Env | Environment | EnvironmentLike


def as_environment(environment: Given) -> Environment:
    """Wraps a Gymnasium environment as `create_gym_environment` of the gin configuration does.

    An environment of this package's kind gets the members that it lacks.

    Raises:
      UserError: it is neither, or the configuration does not fit it.
    """
    _check_instance(environment)
    if isinstance(environment, gymnasium.Env):
        return create_gym_environment(factory=lambda: environment)
    return complete(environment)


def _check_instance(environment: object) -> None:
    if isinstance(environment, str):
        raise UserError(
            f"The environment is the text '{environment}': leave it out, and name the id with "
            f"create_gym_environment.id = '{environment}' in gin_bindings, or give "
            f"gymnasium.make('{environment}')."
        )
    if inspect.isclass(environment) or inspect.isroutine(environment):
        name = getattr(environment, "__name__", "it")
        raise UserError(
            f"The environment is a class or a function: call it, as in {name}(), because an "
            "environment is wanted."
        )


def only(environment: Given) -> Callable[[], Environment]:
    """What "makes" an environment that is there already; the configuration is told.

    Raises:
      UserError: as `as_environment`, or the configuration wants several.
    """
    wrapped = as_environment(environment)
    # The record of the run must not name an environment that was not used.
    gin.bind_parameter(FACTORY, None)
    # There is only this one, and it cannot be restarted.
    gin.bind_parameter("DreamerRunner.environment_restarts", 0)
    if parameter("DreamerRunner.num_environments", 1) > 1:
        raise UserError(
            "DreamerRunner.num_environments is more than 1, but train_agent was given one "
            f"environment: name a function that makes it in {FACTORY} instead."
        )
    return lambda: wrapped
