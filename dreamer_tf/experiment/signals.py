"""Stopping a run by SIGINT (Ctrl-C), SIGTERM and SIGHUP."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from dreamer_tf.storage import removal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Names a descriptor of this process whose other end is held by whoever started it.
LIFELINE = "DREAMER_TF_LIFELINE"


def say(sentence: str) -> None:
    """Writes to standard error from a signal handler, even if nobody can read it any more."""
    # A terminal that is gone, a closed stream, or a stream that was just being written.
    with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
        print(sentence, file=sys.stderr, flush=True)


def _exit(code: int) -> None:
    """Ends the process at once. An exception could be swallowed by what is running."""
    removal.remove_all()
    os._exit(code)


def is_ctrl_c(error: BaseException) -> bool:
    """Whether an exception is a real Ctrl-C, and not one that some code has raised itself.

    Python raises KeyboardInterrupt for the signal only while its own handler is installed.
    """
    return (
        isinstance(error, KeyboardInterrupt)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def end_with_parent() -> None:
    """Ends this process when the program that has started it ends, however it ended.

    Only if that program asks for it with the environment variable `LIFELINE`, as a sweep does. The
    process ends at once, as if it were killed: then the run that goes on from the last checkpoint
    is the same, bit for bit. Saving would cut the running episodes.
    """
    text = os.environ.pop(LIFELINE, "")
    if not text.isdigit():
        return
    # Only now, because most commands have no lifeline and start without multiprocessing.
    from dreamer_tf.environments.lifeline import hang_up

    wait = hang_up(int(text))

    def watch() -> None:
        wait()
        say("\nStopped at once, because the program that has started this run has ended.")
        _exit(75)  # EX_TEMPFAIL: the same command continues the run

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def end_at_once(resumable: bool) -> None:
    """Answers `SIGNALS` with a sentence and the end of the process, where nothing needs saving.

    A run listens by itself while it trains. This is for the time before and after, and for the
    other commands.

    Args:
      resumable: whether the same command can simply be started again, as a cluster does after
        SIGTERM and exit code 75 (EX_TEMPFAIL).
    """

    def end(number: int, frame: Any) -> None:
        name = signal.Signals(number).name
        advice = " Start the same command again." if resumable else ""
        say(f"\nStopped by {name}; nothing is lost.{advice}")
        _exit(75 if resumable and number != signal.SIGINT else 128 + number)

    for number in SIGNALS:
        # What is ignored stays ignored, as SIGHUP under nohup.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


class Interrupted(Exception):
    """The run was asked to stop, has been saved, and can be resumed."""


class StopRequest:
    """The first signal sets it; a second one ends the process at once, unless the run is saving.

    Attributes:
      asked: whether a signal has come.
      requested: whether the run stops. With several workers, they agree on it (`group.py`).
      at_once: whether a signal stops the run without asking others.
      on_request: called by the first signal, as for a call that does not return by itself.
    """

    def __init__(self) -> None:
        """No stop is requested at first."""
        self.asked = self.requested = False
        self.at_once = True
        self._saving = False
        self.on_request: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handles `SIGNALS` inside the block, if it runs in the main thread.

        A signal that the process ignores stays ignored: `nohup` does that with SIGHUP, and a shell
        with SIGINT of what runs in the background.
        """
        before = {}
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue
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
        if self.asked and not self._saving:
            say("\nStopped at once; the last checkpoint is intact.")
            _exit(128 + number)  # an exception would wait for the running update
        if not self.asked:
            say("\nSaving at the next agent step; a second signal stops without saving.")
            self.on_request()
        self.asked = True
        self.requested |= self.at_once
