"""Ends calls of the environment that do not return."""

import signal
import threading
from typing import Any

# Seconds that a running step gets after a request to stop.
GRACE = 5.0
# A call that swallows the first exception gets another one after this many seconds.
_AGAIN = 1.0


class TookTooLong(BaseException):
    """A call did not return in time.

    Not an `Exception`, because environments catch those.
    """


class Deadline:
    """A context in which the code of an environment runs. It raises `TookTooLong` there.

    The alarm of the operating system interrupts Python code, waiting and sleeping in the main
    thread. It cannot interrupt code in C that computes for ever; a worker process can be ended even
    then. In other threads nothing is limited.
    """

    def __init__(self, seconds: float | None):
        """Limits nothing yet.

        Args:
          seconds: longest duration of one call; None for no limit.
        """
        self._seconds = seconds
        self._inside = False
        self._before: Any = None
        self._others = (0.0, 0.0)
        self._armed = False

    def __enter__(self) -> None:
        """Starts the clock of one call."""
        self._inside = True
        if self._seconds:
            self._arm(self._seconds)

    def __exit__(self, *error: object) -> None:
        """Stops the clock."""
        self._inside = False
        if self._armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
            # There is one alarm in a process, and somebody else may have set it before.
            signal.setitimer(signal.ITIMER_REAL, *self._others)
            self._armed = False

    def hurry(self) -> None:
        """Gives the running call, if there is one, only `GRACE` more seconds."""
        if self._inside:
            left = signal.getitimer(signal.ITIMER_REAL)[0] if self._armed else GRACE
            self._arm(min(GRACE, left or GRACE))

    def _arm(self, seconds: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread gets signals
        if not self._armed:
            self._before = signal.signal(signal.SIGALRM, self._expire)
            self._armed = True
            self._others = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
        else:
            signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)

    def _expire(self, number: int, frame: Any) -> None:
        if self._inside:
            raise TookTooLong
