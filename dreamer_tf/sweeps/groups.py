"""A run of several workers: where each of them is, and how the whole run ended.

Ray places the workers, on one node or on several. Each takes a port of its node first; when all
are known, the training processes start. If one is lost, all are started again, from the checkpoint.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from dreamer_tf.experiment import cluster
from dreamer_tf.sweeps import worker
from dreamer_tf.sweeps.home import Outcome, write_outcome
from dreamer_tf.sweeps.worker import AGAIN, USER_ERROR, Job

# Seconds from the first worker that did not succeed until the others are ended. They notice it by
# themselves within a minute, unless they compile or still wait for a worker at the start.
PATIENCE = 300.0


def take_port(index: int, count: int) -> str:
    """host:port of a worker, on the node where this is called.

    Args:
      index: of the worker.
      count: number of workers. They have different ports also on one node.
    """
    import ray

    return f"{ray.util.get_node_ip_address()}:{cluster.free_port(index, count)}"


def train(job: Job, index: int, *addresses: str) -> Outcome:
    """Runs one worker of a run until its process ends, as `worker.train`.

    Args:
      job: the run.
      index: of the worker.
      addresses: host:port of all workers.
    """
    return worker.train(of_worker(job, index, addresses))


def of_worker(job: Job, index: int, addresses: Sequence[str]) -> Job:
    """The part of a job that one worker does; arguments as for `train`."""
    if index:
        log = f"{job.log.removesuffix('.log')}.worker-{index}.log"
        job = job._replace(log=log, base_dir=cluster.directory(job.base_dir, index))
    text = cluster.to_text(cluster.Cluster(list(addresses), index))
    return job._replace(variables=((cluster.VARIABLE, text),))


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """How a run ended whose workers ended so.

    Args:
      outcomes: of worker 0, worker 1, and so on.

    Returns:
      The outcome that explains most: a worker that misses another one only ends with `AGAIN`.
    """
    index = min(range(len(outcomes)), key=lambda index: _rank(outcomes[index]))
    found = outcomes[index]
    who = f"Worker {index}: " if index and found.sentence else ""
    return Outcome(found.code, who + found.sentence, found.host, found.ended, found.busy)


def _rank(outcome: Outcome) -> tuple[bool, ...]:
    """The smaller, the more an outcome explains."""
    return (
        outcome.code != USER_ERROR,
        outcome.code in (0, AGAIN),
        not outcome.busy,
        outcome.code != AGAIN,
        not outcome.sentence,
    )


class Attempt:
    """The tasks of Ray that make one attempt at a job: one, or one for each of its workers."""

    def __init__(self, job: Job, references: Sequence[Any], release: Callable[[], None]):
        """Describes tasks that were started.

        Args:
          job: what they do.
          references: to the tasks, in the order of the workers.
          release: gives back what was reserved for them.
        """
        self.job = job
        self.references = list(references)
        self._release = release
        self._outcomes: dict[int, Outcome] = {}
        self._end = float("inf")  # when the tasks that are left are ended

    def note(self, reference: Any, outcome: Outcome) -> None:
        """Keeps how a task ended.

        Args:
          reference: to the task.
          outcome: how it ended.
        """
        self._outcomes[self.references.index(reference)] = outcome
        if outcome.code:
            self._end = min(self._end, time.monotonic() + PATIENCE)

    def overdue(self) -> list[Any]:
        """References to tasks that must be ended, because their run cannot go on; each once."""
        if time.monotonic() < self._end:
            return []
        self._end = float("inf")
        found = enumerate(self.references)
        return [reference for index, reference in found if index not in self._outcomes]

    def outcome(self) -> Outcome | None:
        """How the attempt ended; None while a task runs."""
        count = len(self.references)
        if len(self._outcomes) < count:
            return None
        self._release()
        if count == 1:
            return self._outcomes[0]
        found = together([self._outcomes[index] for index in range(count)])
        # Each worker has left its own. That of the run is what --status shows.
        if not found.busy and os.path.isdir(os.path.dirname(self.job.log)):
            write_outcome(self.job.log, found)
        return found
