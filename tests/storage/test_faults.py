"""Fault points kill the process where the environment variable says so, and only there."""

import os
import signal

import pytest

from dreamer_tf.storage import faults


@pytest.fixture
def kills(monkeypatch):
    found = []
    monkeypatch.setattr(faults.os, "kill", lambda *arguments: found.append(arguments))
    monkeypatch.setattr(faults, "_passed", {})
    return found


def test_nothing_happens_without_the_variable(kills, monkeypatch):
    monkeypatch.delenv(faults.VARIABLE, raising=False)
    for name in faults.POINTS:
        faults.point(name)
    assert kills == []


@pytest.mark.parametrize(("value", "passes"), [("arrays_written", 1), ("arrays_written:3", 3)])
def test_the_process_is_killed_at_the_given_pass(kills, monkeypatch, value, passes):
    monkeypatch.setenv(faults.VARIABLE, value)
    for _ in range(passes):
        assert kills == []
        faults.point("checkpoint_written")
        faults.point("arrays_written")
    assert kills == [(os.getpid(), signal.SIGKILL)]
    faults.point("arrays_written")
    assert len(kills) == 1
