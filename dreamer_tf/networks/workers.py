"""The processes that train one agent together, each on its own machine or share of one.

Worker 0 is the chief. Every worker has environments and a replay of its own, and all make the same
updates (`replicas.py`). Beside the gradients they exchange a few numbers, one row from each:

    worker 0: [a, b]  \\
    worker 1: [c, d]  -->  all of them: [[a, b], [c, d]]

A single process is a group of one, which exchanges nothing.
"""

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import tensorflow as tf

# Seconds after which a worker that is alive, but does not come to a meeting, is given up. The
# longest pauses are compiling, saving a large replay, and environments that start slowly.
PATIENCE = 1800.0
# What TensorFlow raises where another process ended, restarted, or does not answer.
_LOST = (
    *(tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError),
    *(tf.errors.CancelledError, tf.errors.FailedPreconditionError, tf.errors.InternalError),
    tf.errors.UnknownError,
)
T = TypeVar("T")


class WorkersLost(Exception):
    """Another worker ended or hangs. Nothing is saved; the group goes on from its checkpoint."""


class Workers:
    """The workers of a group, as one of them sees it."""

    def __init__(
        self, index: int = 0, count: int = 1, strategy: tf.distribute.Strategy | None = None
    ):
        """Describes the group; by default a process of its own.

        Args:
          index: number of this worker; 0 is the chief.
          count: number of workers.
          strategy: of their devices; connects them.
        """
        self.index = index
        self.count = count
        self._sum = None if strategy is None else _summed(strategy)

    @property
    def alone(self) -> bool:
        """Whether this is a group of one."""
        return self.count == 1

    def seed(self, seed: int) -> int:
        """The seed of what differs between workers; the chief's is that of the run.

        Args:
          seed: of the run.

        Returns:
          A 31-bit seed.
        """
        if not self.index:
            return seed
        return int(np.random.SeedSequence([seed, self.index]).generate_state(1)[0] >> 1)

    def gather(self, row: np.ndarray) -> np.ndarray:
        """Gives every worker the rows of all. Every worker must call it, with rows of one length.

        No update may run meanwhile, because all workers must exchange everything in one order.

        Args:
          row: [K] float64.

        Returns:
          [workers, K] float64.

        Raises:
          WorkersLost: a worker is gone, or did not come in time.
        """
        if self._sum is None:
            return np.asarray(row)[None]
        function, table = self._sum, np.zeros((self.count, len(row)))
        table[self.index] = row
        return patiently(lambda: function(tf.constant(table)).numpy())


_chosen = Workers()


def use(workers: Workers) -> None:
    """Sets the group of agents that are built in this process from now on."""
    global _chosen
    _chosen = workers


def current() -> Workers:
    """The group of agents that are built now."""
    return _chosen


def patiently(function: Callable[[], T], limit: float = PATIENCE) -> T:
    """Calls what may wait for other workers, and stays able to handle signals.

    Args:
      function: runs in a thread of its own.
      limit: seconds.

    Returns:
      What it returned.

    Raises:
      WorkersLost: a worker is gone, or did not come in time.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    # A daemon, so that a call that never returns does not keep the process alive.
    threading.Thread(target=call, daemon=True).start()
    try:
        return future.result(limit)
    except concurrent.futures.TimeoutError as error:
        raise WorkersLost(f"no answer in {limit:.0f} seconds") from error
    except _LOST as error:
        raise WorkersLost(_reason(error)) from error


@contextlib.contextmanager
def losses_told() -> Iterator[None]:
    """Turns TensorFlow's errors about other processes into `WorkersLost`, in a group."""
    try:
        yield
    except _LOST as error:
        if current().alone:
            raise
        raise WorkersLost(_reason(error)) from error


def _reason(error: tf.errors.OpError) -> str:
    """What happened, in a few words: a traceback of a graph says nothing to people."""
    first = (str(error.message).splitlines() or [""])[0]
    name = type(error).__name__
    return name if first.startswith("Graph execution error") else f"{name}: {first}"


def _summed(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compiles the sum of one tensor of each worker."""

    @tf.function
    def total(table: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, table, axis=None)

    return total
