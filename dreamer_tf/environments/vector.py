"""Several environments at once, as a `gymnasium.vector.VectorEnv`.

Workers are new processes without TensorFlow. They create their environment from the text of the gin
configuration. The caller resets each episode that has ended (`reset_mask`); automatic resets would
lose the last observation or add a step that nobody took.
"""

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import gin
import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from dreamer_tf.environments.interface import (
    Environment,
    EnvironmentLike,
    GymnasiumEnvironment,
    as_number,
)
from dreamer_tf.environments.lifeline import (
    end_with_parent,
    leave_signals_to_parent,
    parent_exit,
)
from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.errors import UserError, told
from dreamer_tf.settings.configurable import configurable

# Warnings of Gymnasium about what this package reports itself.
_REPEATED = r"(?s).*(ERROR: (Received|Raising|Traceback)|WARN: Calling .close. while waiting)"


class _Maker:
    """Creates the environment of the gin configuration, in this process or in a worker."""

    def __init__(self, create_environment_fn: Callable[[], Environment | EnvironmentLike]):
        self._create = create_environment_fn
        self._process = os.getpid()
        try:
            self._name = str(gin.query_parameter(FACTORY) or "").removeprefix("@")
        except ValueError:
            self._name = ""
        self._config = gin.config_str(max_line_length=120) if self._name else ""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._name:
            state["_create"] = None  # pickle cannot send what gin has wrapped
        return state

    def __call__(self) -> gymnasium.Env:
        if os.getpid() == self._process:
            return _OneOfMany(self._create())
        leave_signals_to_parent()
        end_with_parent(parent_exit())
        try:
            if self._create is None:
                gin.parse_config(self._config, skip_unknown=True)
                self._create = gin.get_configurable(self._name)
            return _WorkerEnvironment(self._create())
        except BaseException as error:  # Gymnasium would print a traceback
            print(f"A worker cannot make its environment ({told(error)}).", file=sys.stderr)
            sys.stderr.flush()
            os._exit(1)


class _OneOfMany(GymnasiumEnvironment):
    """An environment that only says of `info` what is read.

    Gymnasium puts the infos of all environments into arrays. What does not fit into one, as dicts
    or numbers of two kinds, fails there or is changed.
    """

    def step(self, action: Any) -> Any:
        *found, info = super().step(action)
        # NaN, where there is none, is a sentence at the end of an episode.
        numbers = {name: as_number(info.get(name)) for name in self.environment.episode_info}
        return (*found, {"life_lost": bool(info.get("life_lost")), **numbers})


class _WorkerEnvironment(_OneOfMany):
    """An environment in a worker. All its exceptions can be sent to the parent.

    Gymnasium's worker sends the class of an exception. If that class cannot be pickled, the parent
    waits for ever; and it does not send SystemExit and the like at all.
    """

    def reset(self, **settings: Any) -> Any:
        return _sendable(super().reset, **settings)

    def step(self, action: Any) -> Any:
        return _sendable(super().step, action)


def _sendable(function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    try:
        return function(*arguments, **settings)
    except UserError as error:
        raise UserError(error.sentence) from None
    except BaseException as error:
        raise RuntimeError(told(error)) from None


@configurable(denylist=["create_environment_fn", "num_environments"])
def create_vector_environment(
    create_environment_fn: Callable[[], Environment | EnvironmentLike],
    num_environments: int,
    asynchronous: bool = True,
) -> VectorEnv:
    """Creates N environments that are stepped together.

    Args:
      create_environment_fn: creates one of them. If gin names it, workers create it from the
        configuration.
      num_environments: N.
      asynchronous: True for a process for each (`AsyncVectorEnv`), False for all in this process,
        one after the other (`SyncVectorEnv`).

    Returns:
      The vector environment. Observations are arrays [N, ...] by name. The caller must reset
      episodes that have ended, with `reset(options={"reset_mask": mask})`.

    Raises:
      UserError: the environments cannot be created in other processes.
    """
    warnings.filterwarnings("ignore", _REPEATED, UserWarning)
    makers = [_Maker(create_environment_fn) for _ in range(num_environments)]
    if not asynchronous:
        return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED)
    try:
        return AsyncVectorEnv(makers, context="spawn", autoreset_mode=AutoresetMode.DISABLED)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            "The environments cannot be created in other processes "
            f"({type(error).__name__}: {error}): put the function that creates them into a module "
            f"that can be imported and name it in {FACTORY}, or set "
            "create_vector_environment.asynchronous = False."
        ) from error
