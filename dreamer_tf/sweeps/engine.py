"""Runs jobs as tasks of Ray, on this machine or on a cluster.

Ray decides where and when, and starts a task again on another node when its worker or its node is
lost (`max_retries=-1`). A task is a training process and its exit code; `worker.py` has it.
"""

import collections
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dreamer_tf.errors import UserError, told
from dreamer_tf.sweeps import worker
from dreamer_tf.sweeps.home import Outcome
from dreamer_tf.sweeps.worker import AGAIN, USER_ERROR, Job

_OBJECTS = 80 * 2**20  # bytes; outcomes are small, and Ray asks for at least 75 MiB
_LOOK = 1.0  # seconds between two looks at the tasks


class Resources(NamedTuple):
    """What runs get. The fields are flags of `python -m dreamer_tf.sweep`."""

    address: str | None = None  # of a Ray cluster; None for this machine alone
    cpus: int | None = None  # of this machine that the sweep may use; all by default
    cpus_per_run: float = 1.0
    gpus_per_run: float | None = None  # None: one where there are any

    @property
    def threads(self) -> int:
        """Threads of a run."""
        return max(1, int(self.cpus_per_run))


class Engine:
    """A connection to Ray."""

    def __init__(self, resources: Resources):
        """Starts Ray on this machine, or connects to a cluster.

        Args:
          resources: where, and what a run gets.

        Raises:
          UserError: Ray is missing, there is no cluster, or no run fits on this machine.
        """
        self._ray = _import_ray()
        _connect(self._ray, resources)
        try:
            self._task = self._make_task(resources)
        except BaseException:
            self.close()
            raise

    def _make_task(self, resources: Resources) -> Any:
        found = self._ray.cluster_resources()
        gpus = resources.gpus_per_run
        if gpus is None:
            gpus = 1.0 if found.get("GPU") else 0.0
        # A cluster may grow; a machine does not, and a task would wait for ever.
        for name, wanted in (("CPU", resources.cpus_per_run), ("GPU", gpus)):
            if resources.address is None and wanted > found.get(name, 0):
                raise UserError(
                    f"--{name.lower()}s_per_run={wanted:g}, but the sweep has "
                    f"{found.get(name, 0):g} {name}s of this machine: lower it."
                )
        return self._ray.remote(num_cpus=resources.cpus_per_run, num_gpus=gpus, max_retries=-1)(
            worker.train
        )

    def run(
        self,
        jobs: Iterable[Job],
        retries: int,
        stopping: Callable[[], bool],
        ended: Callable[[Job, Outcome, bool], None],
        watch: Callable[[], None],
    ) -> list[tuple[Job, Outcome]]:
        """Runs jobs until each is done, has failed, or was stopped.

        Args:
          jobs: what to run, in this order as far as the resources allow.
          retries: how often a run is started again that failed, but not by an error of the user.
          stopping: whether everything is to stop.
          ended: called when a process has ended, and with whether it is started again.
          watch: called about once a second.

        Returns:
          Every job with its last outcome.
        """
        failures: collections.Counter[str] = collections.Counter()
        running = {self._task.remote(job): job for job in jobs}
        finished = []
        while running:
            ready, _ = self._ray.wait(list(running), num_returns=1, timeout=_LOOK)
            for reference in ready:
                job = running.pop(reference)
                outcome = self._outcome(reference)
                failures[job.base_dir] += outcome.code not in (0, AGAIN, USER_ERROR)
                repeat = (
                    not stopping()
                    and not outcome.busy
                    and again(outcome.code, failures[job.base_dir], retries)
                )
                ended(job, outcome, repeat)
                if repeat:
                    running[self._task.remote(job)] = job
                else:
                    finished.append((job, outcome))
            watch()
        return finished

    def _outcome(self, reference: Any) -> Outcome:
        try:
            return self._ray.get(reference)
        except Exception as error:  # of Ray, or a fault of the task itself
            return Outcome(1, told(error)[:1000])

    def close(self) -> None:
        """Disconnects, and stops what was started on this machine."""
        self._ray.shutdown()


def again(code: int, failures: int, retries: int) -> bool:
    """Whether a run is started again.

    Args:
      code: exit code of its last process.
      failures: how many of its processes have failed, other than by an error of the user.
      retries: how many may fail before the last.
    """
    if code in (0, USER_ERROR):
        return False
    return code == AGAIN or failures <= retries


def _import_ray() -> Any:
    # Nobody has asked for a message to Ray's makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "Sweeps need Ray, which is not installed: pip install 'dreamer_tf[sweep]'."
        ) from error
    return ray


def _connect(ray: Any, resources: Resources) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if resources.address is None:
        quiet |= {"include_dashboard": False, "object_store_memory": _OBJECTS}
        ray.init(address="local", num_cpus=resources.cpus, **quiet)
        return
    try:
        ray.init(address=resources.address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--address={resources.address}: there is no Ray cluster ({told(error)[:300]}): start "
            "one with `ray start --head`, or leave --address out."
        ) from error
