"""Runs the jobs of a sweep as an array of SLURM, with submitit.

A job that SLURM is about to end, at its time limit or for another one, gets SIGUSR2. Then the run
saves, and the job queues up again. What ends with exit code 75 within its time goes on at once.
"""

import contextlib
import getpass
import json
import math
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from dreamer_tf.errors import UserError, told
from dreamer_tf.storage.files import make_directory, read_bytes, replace_text
from dreamer_tf.sweeps import worker
from dreamer_tf.sweeps.engine import Resources, again
from dreamer_tf.sweeps.home import Home, Outcome
from dreamer_tf.sweeps.worker import Job

_JOBS = "slurm.json"
_MOST_BYTES = 1 << 24
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")
_OURS = ("array", "error", "job-name", "open-mode", "output", "requeue", "signal")
_REQUEUES = 10_000  # time limits that a run may reach


class Task:
    """What a job of SLURM does. submitit stores it in a file, and calls it on a node."""

    def __init__(self, job: Job, retries: int):
        """Starts nothing yet.

        Args:
          job: the run.
          retries: how often it is started again that failed, but not by an error of the user.
        """
        self._job = job
        self._retries = retries
        self._process: int | None = None

    def __call__(self) -> Outcome:
        """Runs the run until it is done, has failed, or is to stop."""
        failures = 0
        while True:
            outcome = worker.train(self._job, self._started)
            failures += worker.failed(outcome.code)
            stopped = outcome.busy or os.path.exists(self._job.stop_file)
            if stopped or not again(outcome.code, failures, self._retries):
                return outcome

    def checkpoint(self) -> Any:
        """Saves the run, and returns what the job does after it has queued up again.

        submitit calls it in the handler of the signal, while `__call__` waits for the process.
        """
        import submitit

        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._process, signal.SIGTERM)
                # Not with `Popen`, whose lock the interrupted code may hold.
                os.waitid(os.P_PID, self._process, os.WEXITED | os.WNOWAIT)
        return submitit.helpers.DelayedSubmission(Task(self._job, self._retries))

    def _started(self, process: subprocess.Popen) -> None:
        self._process = process.pid


def submit(
    home: Home, jobs: Sequence[Job], resources: Resources, options: str, retries: int
) -> list[str]:
    """Submits the jobs that are not queued already.

    Args:
      home: of the sweep.
      jobs: what to run.
      resources: CPUs and GPUs of a run.
      options: of sbatch, as in '--partition=gpu --time=12:00:00'.
      retries: as for `Task`.

    Returns:
      The ids of the jobs that were submitted.

    Raises:
      UserError: an option cannot be read, or there is no SLURM, or it refuses the jobs.
    """
    parameters = parse(options)
    executor = _executor(home)
    queued, known = _queued(), _known(home)
    new = [job for job in jobs if known.get(job.base_dir) not in queued]
    if not new:
        return []
    parameters |= {
        "job_name": home.name,
        "cpus_per_task": max(1, math.ceil(resources.cpus_per_run)),
        "stderr_to_stdout": True,
    }
    if resources.gpus_per_run:
        parameters["gpus_per_node"] = math.ceil(resources.gpus_per_run)
    try:
        executor.update_parameters(**parameters)
        with executor.batch():
            submitted = [executor.submit(Task(job, retries)) for job in new]
        ids = [str(job.job_id) for job in submitted]
    except Exception as error:  # of submitit, which has no class for all of its own
        raise UserError(f"SLURM did not take the jobs ({told(error)[:500]}).") from error
    known |= {job.base_dir: number for job, number in zip(new, ids, strict=True)}
    replace_text(home.directory / _JOBS, json.dumps(known, indent=1))
    return ids


def parse(options: str) -> dict[str, Any]:
    """Options of sbatch as parameters of submitit.

    Args:
      options: as for `submit`.

    Raises:
      UserError: one has not the form --name=value or is set by the sweep, or there is no time, or
        it has no form that SLURM knows.
    """
    found: dict[str, str | bool] = {"requeue": True}  # after the loss of a node
    minutes = None
    try:
        words = shlex.split(options)
    except ValueError as error:  # a quote that is not closed
        raise UserError(f"--slurm={options} cannot be read ({error}): close its quotes.") from error
    for word in words:
        match = re.fullmatch(r"--([a-z][a-z0-9-]*)(?:=(.*))?", word)
        if match is None:
            raise UserError(
                f"--slurm: '{word}' is no option of sbatch: write --name=value, as in "
                "--slurm='--partition=gpu --time=12:00:00'."
            )
        if match[1] in _OURS:
            raise UserError(
                f"--slurm: --{match[1]} is set by the sweep itself: leave it out of --slurm."
            )
        if match[1] == "time":
            minutes = _minutes(match[2] or "")
        else:
            found[match[1]] = True if match[2] is None else match[2]
    if minutes is None:  # submitit's own limit is five minutes
        raise UserError(
            "--slurm has no time limit: add --time, as in --slurm='--partition=gpu "
            "--time=12:00:00'. A run that reaches it saves, and queues up again."
        )
    return {"additional_parameters": found, "time": minutes}


def _minutes(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise UserError(
            f"--slurm: --time={text} is no time of SLURM: write minutes, hours:minutes:seconds, or "
            "days-hours."
        )
    parts = [int(part) for part in match["parts"].split(":")]
    # Without days: minutes, minutes:seconds or hours:minutes:seconds. With days: hours first.
    units: tuple[float, ...] = (60, 1, 1 / 60)
    if match["days"] is None and len(parts) < 3:
        units = (1, 1 / 60)
    total = 1440 * int(match["days"] or 0)
    return max(1, math.ceil(total + sum(n * unit for n, unit in zip(parts, units, strict=False))))


def _executor(home: Home) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise UserError(
            "--slurm needs submitit, which is not installed: pip install 'dreamer_tf[sweep]'."
        ) from error
    folder = home.directory / "slurm"
    make_directory(folder)
    try:
        return submitit.SlurmExecutor(folder=folder, max_num_timeout=_REQUEUES)
    except RuntimeError as error:
        raise UserError(
            "--slurm: there is no SLURM on this machine (srun is missing): call the command on a "
            "node from which you submit jobs."
        ) from error


def submitted(home: Home) -> bool:
    """Whether jobs of this sweep were submitted; some of them may wait."""
    return bool(_known(home))


def _known(home: Home) -> dict[str, str]:
    """Ids of the jobs that were submitted, by base directory."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(read_bytes(home.directory / _JOBS, _MOST_BYTES))
        if isinstance(found, dict):
            return {str(key): str(value) for key, value in found.items()}
    return {}


def _queued() -> set[str]:
    """Ids of all jobs of this user that wait or run."""
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--user={getpass.getuser()}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        # Without an answer, a run could be submitted twice.
        raise UserError(f"--slurm: squeue does not answer ({told(error)[:300]}).") from error
    return set(found.stdout.split())
