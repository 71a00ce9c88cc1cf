"""Signals: the first asks, the second ends the process at once, saving is finished first."""

import signal
import subprocess
import sys
import time

import pytest

_CODE = """
import concurrent.futures, sys, time
from dreamer_tf.experiment.signals import StopRequest

busy = concurrent.futures.ThreadPoolExecutor(1)
busy.submit(time.sleep, 100)  # an update that takes long
stop = StopRequest()
with stop.listening():
    print("ready", flush=True)
    if sys.argv[1] == "saving":
        with stop.saving():
            started = time.monotonic()
            while time.monotonic() - started < 4:
                time.sleep(0.05)
        print("saved", flush=True)
    while True:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once(number):
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, "running"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "Saving at the next agent step" in errors and "the last checkpoint is intact" in errors


_TEMPORARY = """
import sys, time
from dreamer_tf.experiment import signals
from dreamer_tf.storage import removal
with removal.removing(sys.argv[1]):
    if sys.argv[2] == "before":
        signals.end_at_once(resumable=True)
    else:
        context = signals.StopRequest().listening()
        context.__enter__()
    print("ready", flush=True)
    while True:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["before", "running"])
def test_a_temporary_directory_does_not_outlive_the_process(tmp_path, when, number):
    directory = tmp_path / "temporary"
    (directory / "replay").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _TEMPORARY, directory, when], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    while process.poll() is None:  # the second signal ends a run
        process.send_signal(number)
        time.sleep(0.2)
    assert process.returncode in (75, 128 + number)
    assert not directory.exists() and tmp_path.exists()


def test_saving_is_finished_first():
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, "saving"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    assert process.stdout.readline() == "saved\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
