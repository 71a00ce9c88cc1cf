"""Everything that can go wrong in an environment: exceptions, dead workers, bad observations."""

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from gymnasium.vector import VectorEnv

from dreamer_tf.environments.interface import DopamineEnvironment, Environment, EnvironmentLike
from dreamer_tf.environments.vector import create_vector_environment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment.signals import Interrupted, StopRequest


class EnvironmentFailure(RuntimeError):
    """The environment raised an exception. Everything before it has been saved."""


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
    ):
        """Makes nothing yet: Dopamine's Runner decides when.

        Args:
          create: makes one environment.
          count: number of environments that are stepped together.
          restarts: how often the environments may be restarted in this process.
          stop: a request to stop interrupts the run before the next call.
          base_dir: base directory of the run, for messages.
          agent_steps: counts the agent steps of the run, for messages.
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
        self.vector: VectorEnv | None = None
        self.seconds = 0.0

    def make(self) -> DopamineEnvironment:
        """Makes the single environment."""
        self.single = DopamineEnvironment(self._create())
        return self.single

    def make_vector(self) -> None:
        """Starts the workers, if there are several environments."""
        if self.count > 1:
            self.vector = create_vector_environment(self._create, self.count)

    def call(self, function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        """Calls a function of the environment, and separates its errors from ours.

        Raises:
          Interrupted: the run was asked to stop.
          EnvironmentFailure: the function raised an exception.
        """
        if self._stop.requested:
            raise Interrupted
        started = time.perf_counter()
        try:
            return function(*arguments, **settings)
        except UserError:
            raise  # no restart helps
        except Exception as error:
            if self._stop.requested:  # the signal has reached the environment too
                raise Interrupted from error
            raise EnvironmentFailure(
                f"{self.single.environment.name} failed at agent step {self._agent_steps() + 1:,} "
                f"({type(error).__name__}: {error}); all steps before it are saved in "
                f"{self._base_dir}."
            ) from error
        finally:
            self.seconds += time.perf_counter() - started

    def use_restart(self, failure: EnvironmentFailure) -> None:
        """Counts a restart and announces it.

        Raises:
          EnvironmentFailure: the given one, if no restart is left.
        """
        if not self._restarts_left:
            raise failure
        self._restarts_left -= 1
        left = f"{self._restarts_left} restart{'' if self._restarts_left == 1 else 's'} left"
        print(f"\n{failure} The environment is restarted ({left}).", file=sys.stderr, flush=True)

    def restart(self) -> None:
        """Replaces all environments.

        Raises:
          EnvironmentFailure: they cannot be made.
        """
        with contextlib.suppress(Exception):  # what has failed may fail to close
            self.single.environment.close()
        # The single environment first: its spaces are needed even if the workers fail.
        self.call(self.make)
        self.close_vector()
        self.call(self.make_vector)

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
