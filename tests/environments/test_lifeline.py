"""Children that are busy end when their parent has ended."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from dreamer_tf.environments import lifeline

_CHILD = """
import socket, sys, time
from dreamer_tf.environments import lifeline
lifeline.leave_signals_to_parent()
lifeline.end_with_parent(lifeline.hang_up(int(sys.argv[1])))
print("busy", flush=True)
while True:
    time.sleep(0.1)
"""


def test_a_busy_child_ends_when_the_connection_closes_and_not_by_signals(request):
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
        text=True,
    )
    request.addfinalizer(child.kill)
    theirs.close()
    assert child.stdout.readline() == "busy\n"
    ours.send(b"data does not end it")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child.pid, number)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=0.5)
    ours.close()
    assert child.wait(timeout=30) == 1


def test_only_a_child_of_multiprocessing_has_such_a_parent():
    with pytest.raises(RuntimeError, match="multiprocessing"):
        lifeline.parent_exit()
