"""Child processes that end with their parent, however it ended and whatever they are doing.

A child that waits for its parent notices that the connection has closed. A child that is busy in a
long step does not, and would run on for ever, so a thread of its own waits for the parent's end.
"""

import multiprocessing
import multiprocessing.connection
import os
import select
import signal
import threading
import time
from collections.abc import Callable

# Seconds in which a child may end by itself, after its parent has closed the connection.
GRACE = 2.0


def leave_signals_to_parent() -> None:
    """Ignores what a terminal or a cluster sends to all processes of a run.

    Only the parent decides when to stop; a child ends when its connection closes.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def end_with_parent(wait: Callable[[], object]) -> None:
    """Ends this process after the parent has ended.

    Args:
      wait: returns when the parent has ended.
    """

    def watch() -> None:
        wait()
        time.sleep(GRACE)
        os._exit(1)  # the main thread is busy, so an exception could not reach it

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def hang_up(descriptor: int) -> Callable[[], object]:
    """Waits until the other end of a socket or pipe is closed, and takes nothing from it."""
    poll = select.poll()
    poll.register(descriptor, 0)  # no events: only the end is reported
    return poll.poll


def parent_exit() -> Callable[[], object]:
    """Waits for the end of the process that has started this one with `multiprocessing`.

    Raises:
      RuntimeError: no process has.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("This process was not started by multiprocessing.")
    return lambda: multiprocessing.connection.wait([parent.sentinel])
