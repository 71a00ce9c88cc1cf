"""Calls that do not return are ended, and all others are left alone."""

import contextlib
import signal
import threading
import time

import pytest

from dreamer_tf.experiment import deadline as deadlines
from dreamer_tf.experiment.deadline import Deadline, TookTooLong


def hang():
    while True:
        with contextlib.suppress(Exception):  # environments do that
            time.sleep(100)


@pytest.mark.timeout(20)
def test_a_call_that_hangs_is_ended():
    with pytest.raises(TookTooLong), Deadline(0.05):
        hang()


def test_a_call_that_swallows_the_exception_gets_another(monkeypatch):
    monkeypatch.setattr(deadlines, "_AGAIN", 0.05)
    swallowed = []
    with pytest.raises(TookTooLong), Deadline(0.05):
        try:
            hang()
        except BaseException as error:
            swallowed.append(error)
        hang()
    assert len(swallowed) == 1


def test_a_call_in_time_leaves_no_alarm_and_the_handler_of_others():
    before = signal.getsignal(signal.SIGALRM)
    alarm = signal.setitimer(signal.ITIMER_REAL, 500.0)
    with Deadline(5.0):
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5.0
        assert signal.getsignal(signal.SIGALRM) != before
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 400
    assert signal.getsignal(signal.SIGALRM) == before
    signal.setitimer(signal.ITIMER_REAL, *alarm)


def test_only_a_running_call_is_hurried(monkeypatch):
    monkeypatch.setattr(deadlines, "GRACE", 0.05)
    for seconds in (None, 100.0):
        deadline = Deadline(seconds)
        before = signal.getsignal(signal.SIGALRM)
        deadline.hurry()
        assert signal.getsignal(signal.SIGALRM) == before
        with pytest.raises(TookTooLong), deadline:
            deadline.hurry()
            hang()


def test_a_thread_is_not_limited():
    found = []

    def call():
        with Deadline(0.01):
            time.sleep(0.05)
        found.append("ended")

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert found == ["ended"]
