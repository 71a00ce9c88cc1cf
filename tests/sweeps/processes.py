"""Sweeps in processes of their own, and the trainings that they start."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.processes import run

_started: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def no_sweep_is_left():
    """Kills the sweeps of a test that failed; they would go on for ever."""
    yield
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()


def start(directory, *flags, **environment):
    """A sweep in a process of its own; its output goes to a file, as a pipe could fill up."""
    output = open(directory / "sweep.log", "ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "dreamer_tf.sweep", *flags],
        cwd=directory,
        stdout=output,
        stderr=output,
        env=os.environ | environment,
    )
    _started.append(process)
    return process


def ask(directory, *flags):
    """A sweep, or a question about one, to its end."""
    return run(directory, "sweep", *flags, timeout=120)


def wait_for(condition, seconds=300):
    """What a condition returns, once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)
    return found


def trainings(directory):
    """Process, parent, flag and `<game>/<seed>` of the training processes of a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if b"dreamer_tf.train" not in command or os.readlink(entry / "cwd") != str(directory):
                continue
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            [place] = [word.decode() for word in command if word.startswith(b"--base_dir=")]
            found.append((int(entry.name), int(status[1]), place, "/".join(place.split("/")[-2:])))
        except OSError:
            continue
    return found


def logs(directory):
    """Output of the runs of a sweep."""
    return sorted(directory.glob("runs/.sweeps/*/logs/*/*/*.log"))
