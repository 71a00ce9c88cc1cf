"""Drives a sweep: starts what is missing, shows how far it is, and stops when it is asked to."""

import contextlib
import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dreamer_tf.errors import printable
from dreamer_tf.experiment import cluster, signals
from dreamer_tf.storage import lease
from dreamer_tf.sweeps import slurm, table
from dreamer_tf.sweeps.engine import Engine, Resources
from dreamer_tf.sweeps.home import Home, Outcome, outcome_file
from dreamer_tf.sweeps.plan import Request, Run
from dreamer_tf.sweeps.states import DONE, FAILED, RUNNING, State, Watcher
from dreamer_tf.sweeps.worker import AGAIN, Job

SOME_FAILED = 1
_SHOW = 2.0  # seconds between two tables


class Sweep(NamedTuple):
    """What is run, and where its notes are."""

    request: Request
    runs: Sequence[Run]
    home: Home
    names: Mapping[str, str] = MappingProxyType({})  # of environments, as for `plan.make`

    def jobs(self, runs: Sequence[Run], resources: Resources) -> list[Job]:
        """The jobs of some of the runs.

        Args:
          runs: which.
          resources: what a run gets.
        """
        threads = resources.threads
        # Before the others: the last binding wins, so a user's own one does.
        first = [f"--gin_bindings=configure_devices.cpu_threads={threads}"]
        if resources.workers_per_run > 1:
            first.append(f"--gin_bindings=configure_devices.strategy='{cluster.STRATEGY}'")
        place = (os.getcwd(), str(self.home.stop_file), threads)
        return [
            Job(run.base_dir, (*first, *run.arguments), self.home.log(run), *place) for run in runs
        ]


def look(sweep: Sweep) -> list[State]:
    """The states of all runs."""
    return Watcher(sweep.home).look(sweep.runs)


def run(sweep: Sweep, resources: Resources, retries: int) -> int:
    """Runs what is missing of a sweep.

    Args:
      sweep: what.
      resources: where, and what a run gets.
      retries: how often a run is started again that failed, but not by an error of the user.

    Returns:
      The exit code: 0 if every run is done, `AGAIN` if something is left, `SOME_FAILED`.

    Raises:
      UserError: the sweep is running already, or Ray cannot run it.
    """
    watcher = Watcher(sweep.home)
    with sweep.home.lock():
        sweep.home.record(sweep.request, sweep.names)
        sweep.home.stop_file.unlink(missing_ok=True)
        found = watcher.look(sweep.runs)
        left = [state.run for state in found if state.kind != DONE]
        print(f"sweep           {sweep.home.name}: {table.summary(found)}", flush=True)
        if left:
            engine = Engine(resources)
            try:
                _attend(engine, sweep, left, resources, retries, watcher)
            finally:
                engine.close()
    return conclude(sweep, watcher)


def _attend(
    engine: Engine,
    sweep: Sweep,
    left: Sequence[Run],
    resources: Resources,
    retries: int,
    watcher: Watcher,
) -> None:
    screen, shown = table.Screen(), 0.0

    def ended(job: Job, outcome: Outcome, again: bool) -> None:
        if again:
            # It has not failed yet, so the table must not say so.
            with contextlib.suppress(OSError):
                Path(outcome_file(job.log)).unlink(missing_ok=True)
        if outcome.sentence:
            advice = "; it is started again" if again else ""
            screen.say(f"{job.base_dir}: {printable(outcome.sentence)}{advice}")

    def watch() -> None:
        nonlocal shown
        if time.monotonic() - shown >= _SHOW:
            # A file system that fails for a moment must not end the trainings.
            with contextlib.suppress(OSError):
                screen.show(watcher.look(sweep.runs))
            shown = time.monotonic()

    with _stopping(sweep.home):
        engine.run(sweep.jobs(left, resources), retries, sweep.home.stop_file.exists, ended, watch)
    screen.show(watcher.look(sweep.runs))


def submit(sweep: Sweep, resources: Resources, options: str, retries: int) -> int:
    """Submits to SLURM what is missing of a sweep and not queued, and does not wait for it.

    Args:
      sweep: what.
      resources: what a run gets.
      options: of sbatch.
      retries: as for `run`.

    Returns:
      The exit code: 0 if every run is done or queued.

    Raises:
      UserError: the sweep is running already, or SLURM does not take it.
    """
    slurm.parse(options)  # before anything is recorded
    with sweep.home.lock():
        sweep.home.record(sweep.request, sweep.names)
        sweep.home.stop_file.unlink(missing_ok=True)
        found = look(sweep)
        left = [state.run for state in found if state.kind not in (DONE, RUNNING)]
        print(f"sweep           {sweep.home.name}: {table.summary(found)}", flush=True)
        jobs = sweep.jobs(left, resources)
        ids = slurm.submit(sweep.home, jobs, resources, options, retries) if jobs else []
    print(f"submitted       {len(ids)} jobs to SLURM; {len(jobs) - len(ids)} were queued already")
    print(f"status          python -m dreamer_tf.sweep --status {_flags(sweep.home)}")
    return 0


@contextlib.contextmanager
def _stopping(home: Home) -> Iterator[None]:
    """Turns the first signal into the request to stop; a second one ends the process at once."""

    def stop(number: int, frame: Any) -> None:
        if home.stop_file.exists():
            signals.say("\nStopped at once; the last checkpoints are intact.")
            os._exit(128 + number)
        home.stop_file.touch()
        signals.say("\nEvery run saves at its next agent step; a second signal does not wait.")

    before = {}
    for number in signals.SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _flags(home: Home) -> str:
    return shlex.join([f"--root={home.root}", f"--name={home.name}"])


def conclude(sweep: Sweep, watcher: Watcher) -> int:
    """Says how a sweep ended, and what to do next.

    Args:
      sweep: the sweep.
      watcher: knows the runs.

    Returns:
      The exit code, as for `run`.
    """
    found = watcher.look(sweep.runs)
    print(table.summary(found))
    failed = table.failures(found)
    if failed:
        print(failed)
    print(f"report          python -m dreamer_tf.sweep --report {_flags(sweep.home)}")
    if failed:
        print(f"output          {sweep.home.directory / 'logs'}")
        return SOME_FAILED
    if any(state.kind != DONE for state in found):
        print("Something is left: the same command again continues it.")
        return AGAIN
    return 0


def stop(sweep: Sweep) -> int:
    """Asks every run of a sweep to save and to stop, and waits until they have.

    Args:
      sweep: the sweep.

    Returns:
      The exit code.
    """
    watcher, screen = Watcher(sweep.home), table.Screen()

    def active() -> list[State]:
        found = watcher.look(sweep.runs)
        return [state for state in found if state.kind == RUNNING]

    running = lease.running(sweep.home.directory) is not None or bool(active())
    if not running and not slurm.submitted(sweep.home):
        print(f"The sweep {sweep.home.name} is not running.")
        return 0
    sweep.home.stop_file.touch()  # jobs that wait look for it when they start
    if not running:
        print(f"No run of the sweep {sweep.home.name} is running; jobs that wait will end.")
        return 0
    while (runs := active()) or lease.running(sweep.home.directory) is not None:
        screen.show(runs)
        time.sleep(1.0)
    print(table.summary(watcher.look(sweep.runs)))
    return 0


def status(sweep: Sweep) -> int:
    """Prints the table of a sweep, and why runs failed.

    Args:
      sweep: the sweep.

    Returns:
      0 if nothing has failed.
    """
    found = look(sweep)
    print(table.text(found))
    failed = table.failures(found)
    if failed:
        print(failed)
    return SOME_FAILED if any(state.kind == FAILED for state in found) else 0


def dry_run(sweep: Sweep) -> int:
    """Prints the plan, and what is missing of it.

    Args:
      sweep: the sweep.

    Returns:
      The exit code.
    """
    found = look(sweep)
    print(table.text(found))
    steps = [state.run.steps for state in found if state.kind != DONE]
    left = sum(count or 0 for count in steps) - sum(
        state.steps for state in found if state.kind != DONE
    )
    print(
        f"{left:,} agent steps are left; python -m dreamer_tf.train --dry_run says what one costs."
    )
    return 0
