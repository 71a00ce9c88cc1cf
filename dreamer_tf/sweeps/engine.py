"""Runs jobs as tasks of Ray, on this machine or on a cluster.

Ray decides where and when, and starts a task again on another node when its worker or its node is
lost (`max_retries=-1`). A task is a training process and its exit code; `worker.py` has it. A run
of several workers is several tasks that start and end together; `groups.py` has them.
"""

import collections
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dreamer_tf.errors import UserError, told
from dreamer_tf.sweeps import groups, worker
from dreamer_tf.sweeps.groups import Attempt
from dreamer_tf.sweeps.home import Outcome
from dreamer_tf.sweeps.worker import AGAIN, USER_ERROR, Job

_OBJECTS = 80 * 2**20  # bytes; outcomes are small, and Ray asks for at least 75 MiB
_LOOK = 1.0  # seconds between two looks at the tasks


class Resources(NamedTuple):
    """What runs get. The fields are flags of `python -m dreamer_tf.sweep`."""

    address: str | None = None  # of a Ray cluster; None for this machine alone
    cpus: int | None = None  # of this machine that the sweep may use; all by default
    cpus_per_run: float = 1.0  # of each worker
    gpus_per_run: float | None = None  # of each worker; None: one where there are any
    workers_per_run: int = 1

    @property
    def threads(self) -> int:
        """Threads of each worker of a run."""
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
            self._reserved = self._reserve(resources)
        except BaseException:
            self.close()
            raise
        self._workers = resources.workers_per_run
        remote = self._ray.remote
        share = {"num_cpus": self._reserved["CPU"], "num_gpus": self._reserved["GPU"]}
        self._task = remote(**share, max_retries=-1)(worker.train)
        # Alone a worker must not start again: the others would not know its new place.
        self._worker = remote(**share, max_retries=0)(groups.train)
        self._take_port = remote(num_cpus=0, max_retries=0)(groups.take_port)

    def _reserve(self, resources: Resources) -> dict[str, float]:
        """What each worker of a run gets, in Ray's names."""
        found = self._ray.cluster_resources()
        gpus = resources.gpus_per_run
        if gpus is None:
            gpus = 1.0 if found.get("GPU") else 0.0
        count = resources.workers_per_run
        # A cluster may grow; a machine does not, and a task would wait for ever.
        for name, wanted in (("CPU", resources.cpus_per_run), ("GPU", gpus)):
            if resources.address is None and count * wanted > found.get(name, 0):
                workers = f" with --workers_per_run={count}" if count > 1 else ""
                raise UserError(
                    f"--{name.lower()}s_per_run={wanted:g}{workers}, but the sweep has "
                    f"{found.get(name, 0):g} {name}s of this machine: lower it."
                )
        return {"CPU": resources.cpus_per_run, "GPU": gpus}

    def _start(self, job: Job) -> Attempt:
        if self._workers == 1:
            return Attempt(job, [self._task.remote(job)], lambda: None)
        ray, count = self._ray, self._workers
        bundle = {name: wanted for name, wanted in self._reserved.items() if wanted}
        place = ray.util.placement_group([bundle] * count)
        at = [
            ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(place, index)
            for index in range(count)
        ]
        addresses = [
            self._take_port.options(scheduling_strategy=at[index]).remote(index, count)
            for index in range(count)
        ]
        tasks = [
            self._worker.options(scheduling_strategy=at[index]).remote(job, index, *addresses)
            for index in range(count)
        ]
        return Attempt(job, tasks, lambda: ray.util.remove_placement_group(place))

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
        running: dict[Any, Attempt] = {}

        def start(job: Job) -> None:
            attempt = self._start(job)
            running.update(dict.fromkeys(attempt.references, attempt))

        for job in jobs:
            start(job)
        finished = []
        while running:
            ready, _ = self._ray.wait(list(running), num_returns=1, timeout=_LOOK)
            for reference in ready:
                attempt = running.pop(reference)
                attempt.note(reference, self._outcome(reference))
                outcome, job = attempt.outcome(), attempt.job
                if outcome is None:
                    continue
                failures[job.base_dir] += worker.failed(outcome.code)
                repeat = (
                    not stopping()
                    and not outcome.busy
                    and again(outcome.code, failures[job.base_dir], retries)
                )
                ended(job, outcome, repeat)
                if repeat:
                    start(job)
                else:
                    finished.append((job, outcome))
            for attempt in set(running.values()):
                for reference in attempt.overdue():
                    self._ray.cancel(reference, force=True)
            watch()
        return finished

    def _outcome(self, reference: Any) -> Outcome:
        try:
            return self._ray.get(reference)
        except Exception as error:  # of Ray, or a fault of the task itself
            lost = isinstance(error, self._ray.exceptions.RayError) and not isinstance(
                error, self._ray.exceptions.RayTaskError
            )
            # Ray starts a single task again by itself; those of several workers end here.
            code = AGAIN if lost and self._workers > 1 else 1
            return Outcome(code, told(error)[:1000])

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
