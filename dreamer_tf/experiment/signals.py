"""Stopping a run by SIGINT (Ctrl-C) and SIGTERM."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any


class Interrupted(Exception):
    """The run was asked to stop, has been saved, and can be resumed."""


class StopRequest:
    """The first signal sets it; a second one ends the process at once, unless the run is saving."""

    def __init__(self) -> None:
        """No stop is requested at first."""
        self.requested = False
        self._saving = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handles SIGINT and SIGTERM inside the block, if it runs in the main thread."""
        before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                before[number] = signal.signal(number, self._handle)
            except ValueError:  # not in the main thread
                break
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Makes signals wait until the block is over."""
        self._saving = True
        try:
            yield
        finally:
            self._saving = False

    def _handle(self, number: int, frame: Any) -> None:
        if self.requested and not self._saving:
            print("\nStopped at once; the last checkpoint is intact.", file=sys.stderr, flush=True)
            os._exit(128 + number)  # an exception would wait for the running update
        if not self.requested:
            print(
                "\nSaving at the next agent step; a second signal stops without saving.",
                file=sys.stderr,
            )
        self.requested = True
