"""Standard input, output and error that are closed, full, gone, or cannot print a character.

A run must not end because nobody can read what it prints. `prepare` makes the streams of a command
tolerant: what cannot be written is dropped, and `exit_code` says so at the end.
"""

import contextlib
import errno
import io
import os
import sys
from typing import Any

FAILED = 2
# As for a program that SIGPIPE ends: its reader, for example `head`, has seen enough.
READER_LEFT = 141


class _Tolerant(io.TextIOWrapper):
    """A stream that drops what cannot be written.

    Attributes:
      failure: the first error.
    """

    failure: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self.failure is None:
            self.failure = error
            # What is buffered, and what libraries print by themselves, goes nowhere from now on.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


def use_utf8() -> None:
    """Starts this command again in Python's UTF-8 mode, if the locale has another encoding.

    TensorFlow takes paths as UTF-8 only, and gin files, logs and JSON are UTF-8 wherever they are
    read. Python can choose the encoding of paths only when it starts.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    arguments = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, arguments, os.environ | {"PYTHONUTF8": "1"})


def prepare() -> None:
    """Makes the standard streams of this process tolerant. Must come before any file is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The next file that is opened would get this number, and everything that a library
            # prints would be written into it. Opening takes the lowest free number: this one.
            os.open(os.devnull, os.O_RDWR)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # it was closed when the process began
            setattr(sys, name, _tolerant(open(number, "wb", closefd=False), None))
        elif type(stream) is io.TextIOWrapper:  # not replaced, as notebooks and tests do
            with contextlib.suppress(OSError):
                stream.flush()
            # The same buffer, and not detached: libraries have kept the old stream at their import.
            setattr(sys, name, _tolerant(stream.buffer, stream))


def _tolerant(buffer: Any, before: Any) -> _Tolerant:
    encoding = "utf-8" if before is None else before.encoding
    line_buffering = before is not None and before.line_buffering
    # A character that the locale does not have is shown by its number.
    return _Tolerant(buffer, encoding, "backslashreplace", line_buffering=line_buffering)


def exit_code(code: int | None, prints_result: bool) -> int:
    """The exit code of a command whose work is done.

    Args:
      code: what the command returned.
      prints_result: whether standard output is its result. Otherwise it only tells about it, and
        the result is complete without.

    Returns:
      The same code, or another one if the result could not be printed.
    """
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    if failure is None:
        return code or 0
    gone = failure.errno == errno.EPIPE
    if not gone:
        print(
            f"{os.path.basename(sys.argv[0])}: standard output cannot be written "
            f"({failure.strerror}); what was printed is lost.",
            file=sys.stderr,
        )
    if not prints_result or code:
        return code or 0
    return READER_LEFT if gone else FAILED
