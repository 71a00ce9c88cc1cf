"""Several environments at once, as a `gymnasium.vector.VectorEnv`.

Workers are fresh processes without TensorFlow; they make their environment from the text of the
gin configuration. Episodes are reset one by one by whoever steps them (`reset_mask`), so that no
observation is lost and no step is invented.
"""

import os
import signal
import warnings
from collections.abc import Callable
from typing import Any

import gin
import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from dreamer_tf.environments.interface import Environment, GymnasiumEnvironment
from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.errors import UserError


class _Maker:
    """Makes the environment of the gin configuration, in this process or in a worker."""

    def __init__(self, create_environment_fn: Callable[[], Environment]):
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
            state["_create"] = None  # what gin has wrapped cannot be sent to another process
        return state

    def __call__(self) -> gymnasium.Env:
        if os.getpid() != self._process:
            # Ctrl-C, and what a cluster sends, reach the whole process group; the parent decides
            # what happens, and a worker ends when its connection closes.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if self._create is None:
                gin.parse_config(self._config, skip_unknown=True)
                self._create = gin.get_configurable(self._name)
        return GymnasiumEnvironment(self._create())


@gin.configurable(denylist=["create_environment_fn", "num_environments"])
def create_vector_environment(
    create_environment_fn: Callable[[], Environment],
    num_environments: int,
    asynchronous: bool = True,
) -> VectorEnv:
    """Makes N environments that are stepped together.

    Args:
      create_environment_fn: makes one; where gin names it, workers make it from the configuration.
      num_environments: N.
      asynchronous: each in a process of its own (`AsyncVectorEnv`), or all in this one, one after
        the other (`SyncVectorEnv`).

    Returns:
      Observations are arrays [N, ...] by name. Nothing is reset by itself: an episode that ended
      is reset with `reset(options={"reset_mask": mask})`.

    Raises:
      UserError: the environments cannot be made in processes of their own.
    """
    # What fails in a worker is raised here as well; Gymnasium prints the worker's traceback first.
    warnings.filterwarnings("ignore", r"(?s).*ERROR: (Received|Raising|Traceback)", UserWarning)
    makers = [_Maker(create_environment_fn) for _ in range(num_environments)]
    if not asynchronous:
        return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED)
    try:
        return AsyncVectorEnv(makers, context="spawn", autoreset_mode=AutoresetMode.DISABLED)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"The environments cannot be made in processes of their own ({type(error).__name__}: "
            f"{error}): put what makes them into a module that can be imported and name it in "
            f"{FACTORY}, or set create_vector_environment.asynchronous = False."
        ) from error
