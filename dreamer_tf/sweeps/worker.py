"""One training process of a sweep, from its start to its exit code. Runs on any node.

Neither TensorFlow nor JAX is ever loaded into this process: the training is a process of its own,
with a pipe as its lifeline. If this process is killed, the training ends at once.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO, NamedTuple

from dreamer_tf.errors import printable
from dreamer_tf.experiment.signals import LIFELINE
from dreamer_tf.storage import lease
from dreamer_tf.storage.files import make_directory
from dreamer_tf.sweeps.home import Outcome, outcome_file, write_outcome

AGAIN = 75  # EX_TEMPFAIL: saved, to be continued
USER_ERROR = 2
_LOOK = 0.5  # seconds between two looks at the process and at the stop file
_PATIENCE = 2 * lease.SECONDS  # for another process that has the run
_HEADER = "# "  # before the time and the command in the output
_LAST = 1 << 16  # bytes of the output that are searched for the last line


class Job(NamedTuple):
    """What a node must know to continue a run. Paths are relative to `directory`."""

    base_dir: str
    arguments: tuple[str, ...]  # of `python -m dreamer_tf.train`
    log: str
    directory: str  # working directory
    stop_file: str
    threads: int
    variables: tuple[tuple[str, str], ...] = ()  # of the environment, with their values


def train(job: Job, started: Callable[[subprocess.Popen], None] | None = None) -> Outcome:
    """Runs or resumes a run until its process ends.

    Args:
      job: the run.
      started: gets the process when it has begun.

    Returns:
      How it ended. With `AGAIN` it was stopped, or another process has it (`busy`).
    """
    try:
        os.chdir(job.directory)
    except OSError as error:
        where = f"{job.directory} on {socket.gethostname()}"
        return _outcome(1, f"{where}: {error.strerror}; every node must see this directory.")
    holder = _wait_until_free(job)
    if os.path.exists(job.stop_file):
        return _outcome(AGAIN, "")
    if holder is not None:
        return _busy(holder)
    make_directory(os.path.dirname(job.log))
    if os.path.exists(outcome_file(job.log)):
        os.unlink(outcome_file(job.log))
    with open(job.log, "ab") as log:
        start = log.tell()
        process = _start(job, log)
        if started is not None:
            started(process)
        code = _wait(process, job.stop_file)
    outcome = _outcome(code, _ending(code, job.log, start))
    if code == USER_ERROR and (holder := lease.running(job.base_dir)) is not None:
        return _busy(holder)
    write_outcome(job.log, outcome)
    return outcome


def command(job: Job) -> list[str]:
    """The training process of a job."""
    return [sys.executable, "-m", "dreamer_tf.train", *job.arguments]


def failed(code: int) -> bool:
    """Whether a process failed, other than by an error of the user; a retry may then help."""
    return code not in (0, AGAIN, USER_ERROR)


def _start(job: Job, log: IO[bytes]) -> subprocess.Popen:
    started = command(job)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    header = f"\n{_HEADER}{when} UTC, {socket.gethostname()}: {shlex.join(started)}\n"
    os.write(log.fileno(), header.encode())
    # Ray sets the number of threads by itself. Here it is the same under every engine.
    environment = os.environ | {"OMP_NUM_THREADS": str(job.threads), LIFELINE: "0"}
    environment |= dict(job.variables)
    return subprocess.Popen(
        started,
        stdin=subprocess.PIPE,  # the lifeline
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        # Ctrl-C on the terminal goes to the sweep, which asks every run once.
        start_new_session=True,
        preexec_fn=_ignore_notice,
    )


def _ignore_notice() -> None:
    # SLURM may send it to every process of a job before its end. The worker saves the run then.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def _wait(process: subprocess.Popen, stop_file: str) -> int:
    asked = False
    while True:
        try:
            return process.wait(timeout=_LOOK)
        except subprocess.TimeoutExpired:
            # A second signal would end it without saving.
            if not asked and os.path.exists(stop_file):
                process.terminate()
                asked = True


def _wait_until_free(job: Job) -> lease.Holder | None:
    """Waits for a process that still ends, or whose node is lost and with it its heartbeat.

    Returns:
      Who still has the run.
    """
    patience = time.monotonic() + _PATIENCE
    while (holder := lease.running(job.base_dir)) is not None:
        if time.monotonic() > patience or os.path.exists(job.stop_file):
            break
        time.sleep(_LOOK)
    return holder


def _busy(holder: lease.Holder) -> Outcome:
    who = f"process {holder.process} on {printable(holder.host)}"
    return _outcome(AGAIN, f"It is run by {who}, which is not part of this sweep.", busy=True)


def _outcome(code: int, sentence: str, busy: bool = False) -> Outcome:
    return Outcome(code, sentence, socket.gethostname(), time.time(), busy)


def _ending(code: int, log: str, start: int) -> str:
    """The last line that a process printed, for people."""
    if code in (0, AGAIN):
        return ""
    with open(log, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(start, file.tell() - _LAST))
        text = file.read().decode(errors="replace").replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(_HEADER)]
    last = printable(lines[-1])[:1000] if lines else "It printed nothing."
    return last if code > 0 else f"Killed by signal {-code}. {last}"
