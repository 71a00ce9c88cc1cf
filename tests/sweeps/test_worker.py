"""One training process of a sweep, with a small program in the place of the training."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dreamer_tf.storage.lease import Lease
from dreamer_tf.sweeps import home, worker
from dreamer_tf.sweeps.worker import Job

# Says that it listens, then waits for SIGTERM as a training does.
WAITS = """
import signal, sys, time
from dreamer_tf.experiment import signals
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
signals.end_with_parent()
print("listen" + "ing", flush=True)  # the command is in the output, too
time.sleep(60)
"""


@pytest.fixture
def job(tmp_path):
    (tmp_path / "run").mkdir()
    log, stop = tmp_path / "logs/a/0.log", tmp_path / "stop"
    return Job(str(tmp_path / "run"), (), str(log), str(tmp_path), str(stop), 3)


@pytest.fixture
def program(monkeypatch):
    """Runs a program instead of the training."""
    return lambda code: monkeypatch.setattr(
        worker, "command", lambda job: [sys.executable, "-c", code]
    )


def test_the_command_is_that_of_a_training(job):
    command = worker.command(job._replace(arguments=("--base_dir=x", "--seed=3")))
    assert command == [sys.executable, "-m", "dreamer_tf.train", "--base_dir=x", "--seed=3"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("print('fine')", (0, "")),
        ("import sys; print('saved'); sys.exit(75)", (75, "")),
        (
            "import sys; sys.exit('train.py: --seed is wrong.\\n')",
            (1, "train.py: --seed is wrong."),
        ),
        ("print('a\\rb\\x1b[1m'); raise SystemExit(2)", (2, "b\\x1b[1m")),
        ("raise SystemExit(3)", (3, "It printed nothing.")),
        (
            "import os; print('x', flush=True); os.kill(os.getpid(), 9)",
            (-9, "Killed by signal 9. x"),
        ),
    ],
)
def test_the_exit_code_and_the_last_line_are_kept(job, program, code, outcome):
    program(code)
    found = worker.train(job)
    assert (found.code, found.sentence, found.busy) == (*outcome, False)
    assert Path(home.outcome_file(job.log)).exists()


def test_the_output_of_all_attempts_is_kept_and_the_last_one_tells(job, program):
    program("print('the first'); raise SystemExit(1)")
    worker.train(job)
    program("raise SystemExit(1)")
    assert worker.train(job).sentence == "It printed nothing."
    text = Path(job.log).read_text()
    assert "the first" in text and text.count("# 20") == 2


def test_threads_are_those_of_the_run_and_not_of_ray(job, program, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    program("import os; print(os.environ['OMP_NUM_THREADS']); raise SystemExit(1)")
    assert worker.train(job).sentence == "3"


def test_a_request_to_stop_becomes_one_sigterm(job, program, monkeypatch):
    program(WAITS)
    waits = subprocess.Popen.wait

    def wait(process, timeout=None):
        if "listening" in Path(job.log).read_text():
            Path(job.stop_file).touch()
        return waits(process, timeout=timeout and 0.05)

    monkeypatch.setattr(worker.subprocess.Popen, "wait", wait)
    assert worker.train(job).code == 75


def test_nothing_starts_after_a_request_to_stop(job, program):
    Path(job.stop_file).touch()
    program("open('started', 'w')")
    assert worker.train(job).code == 75 and not Path("started").exists()


def test_a_run_that_somebody_else_runs_is_busy_and_no_failure(job, program, monkeypatch):
    monkeypatch.setattr(worker, "_PATIENCE", 0.0)
    program("open('started', 'w')")
    owner = Lease(job.base_dir)
    found = worker.train(job)
    owner.close()
    assert found.busy and found.code == 75 and f"process {os.getpid()} on" in found.sentence
    assert not Path("started").exists()


def test_a_process_that_still_ends_is_waited_for(job, program, monkeypatch):
    owner = Lease(job.base_dir)
    monkeypatch.setattr(worker.time, "sleep", lambda seconds: owner.close())
    program("print('fine')")
    assert worker.train(job).code == 0


def test_a_directory_that_a_node_does_not_see_is_told(job):
    found = worker.train(job._replace(directory="/nowhere"))
    assert found.code == 1 and "every node must see this directory" in found.sentence


def test_a_training_ends_with_its_worker(job):
    """SIGKILL of the worker closes the pipe."""
    code = (
        "import sys; from dreamer_tf.sweeps import worker\n"
        f"worker.command = lambda job: [sys.executable, '-c', {WAITS!r}]\n"
        f"worker.train(worker.Job(*{tuple(job)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while not Path(job.log).exists() or "listening" not in Path(job.log).read_text():
        time.sleep(0.02)
    [child] = children(process.pid)
    process.kill()
    process.wait()
    end = time.monotonic() + 30  # it would sleep for a minute
    while alive(child):
        assert time.monotonic() < end, "the training goes on"
        time.sleep(0.02)


def children(process):
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=True
    )
    return [int(line) for line in listed.stdout.split()]


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
