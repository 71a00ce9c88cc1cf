"""Everything that can go wrong in an environment: exceptions, dead workers, bad observations.

Any way out of an environment's code other than a result is a failure of the environment, also
SystemExit, KeyboardInterrupt and GeneratorExit: code of a user must not end a run with exit code 0.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging
from gymnasium.vector import VectorEnv

from dreamer_tf.environments.interface import (
    DopamineEnvironment,
    Environment,
    EnvironmentLike,
    Observation,
    checked_reset,
    checked_step,
    complete,
)
from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.environments.vector import create_vector_environment
from dreamer_tf.errors import UserError, told
from dreamer_tf.experiment.deadline import GRACE, Deadline, TookTooLong
from dreamer_tf.experiment.signals import Interrupted, StopRequest, is_ctrl_c


class EnvironmentFailure(UserError):
    """The environment raised an exception. In a training, everything before it has been saved."""


def construct(create: Callable[[], Environment | EnvironmentLike]) -> Environment:
    """Makes an environment.

    Args:
      create: makes it.

    Raises:
      UserError: it cannot be made, for whatever reason.
    """
    try:
        return complete(create())
    except UserError:
        raise
    except BaseException as error:
        problem = told(error).split(" In call to configurable")[0]
        # gin's message about a missing parameter is explained elsewhere.
        if is_ctrl_c(error) or "Required bindings for" in problem:
            raise
        logging.debug("The environment cannot be made:", exc_info=True)
        raise UserError(
            f"The environment cannot be made ({problem}): correct {FACTORY}, the parameters of the "
            "environment or its code; --verbosity=1 shows where."
        ) from error


def ask(environment: Environment, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a method of an environment outside of a training.

    Raises:
      EnvironmentFailure: it left the method in another way than by returning.
    """
    try:
        return function(*arguments)
    except UserError:
        raise
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        raise EnvironmentFailure(f"{environment.name} failed ({told(error)}).") from error


def reset(environment: Environment, seed: int | None = None) -> Observation:
    """Starts an episode outside of a training, and checks what arrives.

    Raises:
      EnvironmentFailure: the environment failed, or an observation does not fit its space.
    """
    return ask(environment, checked_reset, environment, seed)


def step(
    environment: Environment, action: Any
) -> tuple[Observation, float, bool, bool, Mapping[str, Any]]:
    """Carries out an action outside of a training, and checks what arrives.

    Raises:
      EnvironmentFailure: the environment failed, or returned something else than it promises.
    """

    def checked() -> tuple[Observation, float, bool, bool, Mapping[str, Any]]:
        observation, reward, terminated, truncated, info = checked_step(environment, action)
        if not isinstance(info, Mapping):
            raise ValueError(f"its info is {info!r}, not a dict")
        return observation, reward, bool(terminated), bool(truncated), info

    return ask(environment, checked)


class EnvironmentGuard:
    """Makes the environments of a run, calls them, and restarts them after a failure.

    Attributes:
      single: the environment with Dopamine's methods. With several environments it gives the
        spaces, and `vector` is stepped.
      vector: all environments together; None where there is only one.
      seconds: time spent in environments since the process began.
    """

    single: DopamineEnvironment

    def __init__(
        self,
        create: Callable[[], Environment | EnvironmentLike] | None,
        count: int,
        restarts: int,
        stop: StopRequest,
        base_dir: str,
        agent_steps: Callable[[], int],
        step_timeout: float | None = None,
    ):
        """Makes nothing yet: Dopamine's Runner decides when.

        Args:
          create: makes one environment.
          count: number of environments that are stepped together.
          restarts: how often the environments may be restarted in this process.
          stop: a request to stop interrupts the run before the next call.
          base_dir: base directory of the run, for messages.
          agent_steps: counts the agent steps of the run, for messages.
          step_timeout: longest duration of one call, in seconds; None for no limit.
        """
        if create is None:
            raise UserError(
                "DreamerRunner.create_environment_fn is None: name an environment, as in "
                "@AtariEnvironment, or pass it to dreamer_tf.train_agent."
            )
        self._create = create
        self.count = count
        self._restarts_left = restarts
        self._stop = stop
        self._base_dir = base_dir
        self._agent_steps = agent_steps
        self._step_timeout = step_timeout
        self._deadline = Deadline(step_timeout)
        self._patience = Deadline(None)  # making environments takes longer than a step
        # A step that hangs must not swallow the signal.
        stop.on_request = self._hurry
        self.vector: VectorEnv | None = None
        self.seconds = 0.0

    def make(self) -> DopamineEnvironment:
        """Makes the single environment.

        Raises:
          UserError: it cannot be made.
        """
        self.single = DopamineEnvironment(construct(self._create))
        return self.single

    def make_vector(self) -> None:
        """Starts the workers, if there are several environments."""
        if self.count > 1:
            self.vector = create_vector_environment(self._create, self.count)

    def call(self, function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        """Calls a function of the environment, and separates its errors from ours.

        Raises:
          Interrupted: the run was asked to stop.
          EnvironmentFailure: it did not return, or not in time.
        """
        return self._call(self._deadline, function, *arguments, **settings)

    def _call(
        self, deadline: Deadline, function: Callable[..., Any], *arguments: Any, **settings: Any
    ) -> Any:
        if self._stop.requested:
            raise Interrupted
        started = time.perf_counter()
        try:
            with deadline:
                return function(*arguments, **settings)
        except BaseException as error:
            if self._stop.asked:  # the signal has reached the environment too
                raise Interrupted from error
            if is_ctrl_c(error):
                raise
            problem = error.sentence if isinstance(error, UserError) else told(error)
            if isinstance(error, TookTooLong):
                problem = f"no answer in DreamerRunner.step_timeout = {self._step_timeout} seconds"
            raise EnvironmentFailure(
                f"{self.single.environment.name} failed at agent step {self._agent_steps() + 1:,} "
                f"({problem}); all steps before it are saved in {self._base_dir}."
            ) from error
        finally:
            self.seconds += time.perf_counter() - started

    def _hurry(self) -> None:
        self._deadline.hurry()
        self._patience.hurry()

    def use_restart(self, failure: EnvironmentFailure) -> None:
        """Counts a restart and announces it.

        Raises:
          EnvironmentFailure: the given one, if no restart is left or none can help.
        """
        # A UserError says what to change in the environment. It would be the same after a restart.
        if not self._restarts_left or isinstance(failure.__cause__, UserError):
            raise failure
        self._restarts_left -= 1
        left = f"{self._restarts_left} restart{'' if self._restarts_left == 1 else 's'} left"
        print(f"\n{failure} The environment is restarted ({left}).", file=sys.stderr, flush=True)

    def restart(self) -> None:
        """Replaces all environments.

        Raises:
          EnvironmentFailure: they cannot be made.
        """
        self._close_single()
        # The single environment first: its spaces are needed even if the workers fail.
        self._call(self._patience, self.make)
        self.close_vector()
        self._call(self._patience, self.make_vector)

    def close(self, keep_single: bool = False) -> None:
        """Ends all environments, or only the workers."""
        self.close_vector()
        if not keep_single:
            self._close_single()

    def _close_single(self) -> None:
        # What has failed may fail to close, or hang there too.
        with contextlib.suppress(BaseException), Deadline(GRACE):
            self.single.environment.close()

    def close_vector(self) -> None:
        """Ends the workers, even if some of them are dead."""
        vector, self.vector = self.vector, None
        if vector is None:
            return
        for process in getattr(vector, "processes", []):  # only AsyncVectorEnv has them
            # A worker that hangs would never answer a request to close.
            process.kill()
        with contextlib.suppress(Exception):
            vector.close(terminate=True)
        vector.closed = True  # or the garbage collector closes it again, with a traceback
