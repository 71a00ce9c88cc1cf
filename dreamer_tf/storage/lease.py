"""Who owns a base directory that several hosts share: a lease with a heartbeat.

`flock` decides between the processes of one host. Network file systems may keep it to each host, so
beside it stands a lease:

    lease/000007.json    {"host": ..., "process": ..., "boot": ..., "seconds": 60, "beat": 41, ...}

* Only the owner writes its file, and counts `beat` up. Whoever makes file 8 owns the directory;
  making it is atomic, also on NFS.
* Another host may take over when it has seen the same beat for `seconds` on its own clock, or when
  the owner has given the lease back. Clocks of different hosts are never compared, so none of them
  has to be right.
* An owner that could not renew for half of `seconds` ends its process. So it has stopped before
  anybody else starts, as long as clocks run at about the same speed.
"""

import atexit
import contextlib
import errno
import json
import os
import re
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from dreamer_tf.errors import UserError, printable
from dreamer_tf.storage.files import make_directory, open_file, read_bytes, write_all

DIRECTORY = "lease"
SECONDS = 60.0
AGAIN = 75  # EX_TEMPFAIL: the same command can be started again
_SIZE = 1024  # bytes of a file; its size never changes, so a full disk cannot stop a renewal
_Text = Annotated[str, msgspec.Meta(max_length=256)]


class Holder(msgspec.Struct):
    """What the owner of a lease writes."""

    host: _Text
    process: Annotated[int, msgspec.Meta(ge=0)]
    boot: _Text  # of the kernel on which it runs
    owner: _Text  # a random name
    seconds: Annotated[float, msgspec.Meta(gt=0, le=600)]
    beat: Annotated[int, msgspec.Meta(ge=0)] = 0
    released: bool = False

    @property
    def gone(self) -> bool:
        """Whether it is known that the owner has ended."""
        return self.released or (
            (self.host, self.boot) == (socket.gethostname(), boot_id()) and not _alive(self.process)
        )


class Surroundings(NamedTuple):
    """What a lease takes from the machine. Tests put other things in its place."""

    host: str
    boot: str
    clock: Callable[[], float]  # seconds; must not stand still while the machine sleeps
    give_up: Callable[[str], None]  # ends the process
    wait: Callable[[float], None] = time.sleep


class Lease:
    """The ownership of a base directory. Threads renew it until it is closed."""

    def __init__(
        self,
        base_dir: str | os.PathLike,
        seconds: float = SECONDS,
        surroundings: Surroundings | None = None,
    ):
        """Takes the lease of a directory that exists and that `flock` has locked.

        Args:
          base_dir: base directory of the run.
          seconds: how long the lease stays valid without a heartbeat.
          surroundings: host and clock; those of this machine by default.

        Raises:
          UserError: a process of another host has it.
          OSError: the file cannot be made.
        """
        self._base_dir = os.fspath(base_dir)
        self._machine = surroundings or this_machine()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._file: int | None = None
        generation, before = newest(base_dir)
        # On one kernel flock has decided already.
        if before is not None and before.boot != self._machine.boot:
            self._outlive(before)
        self._generation = generation + 1
        self._holder = Holder(
            self._machine.host, os.getpid(), self._machine.boot, uuid.uuid4().hex, seconds
        )
        self._renewed = self._machine.clock()
        self._claim()
        # Whoever comes from another host need not wait for the end of a process that has ended.
        atexit.register(self.close)
        for target in (self._renew_always, self._watch):
            threading.Thread(target=target, name="lease", daemon=True).start()

    def check(self) -> None:
        """Ends the process if the lease may be lost. Called before anything is written.

        A process that was stopped for a while, with its machine or by a debugger, gets here before
        its own threads can tell it.
        """
        late = self._machine.clock() - self._renewed
        if not self._closed.is_set() and late >= self._holder.seconds / 2:
            self._machine.give_up(
                f"{self._base_dir}: the lease could not be renewed for {late:.0f} s, so another "
                "host may take this run over; stopped. Start the same command again."
            )

    def close(self) -> None:
        """Gives the lease back, so that nobody has to wait."""
        with self._lock:
            if self._file is None:
                return
            self._closed.set()
            with contextlib.suppress(OSError):
                if newest(self._base_dir)[0] == self._generation:
                    self._holder.released = True
                    self._write()
            os.close(self._file)
            self._file = None
        atexit.unregister(self.close)

    def renew(self) -> None:
        """Counts the heartbeat up.

        Raises:
          OSError: it cannot be written; the lease stays valid for some time.
        """
        with self._lock:
            if self._file is None:
                return
            # Before the write: whoever reads the new beat reads it later.
            now = self._machine.clock()
            if newest(self._base_dir)[0] > self._generation:
                self._machine.give_up(
                    f"{self._base_dir}: another host has taken this run over; stopped."
                )
            self._holder.beat += 1
            self._write()
            self._renewed = now

    def _outlive(self, before: Holder) -> None:
        """Waits until a heartbeat of another host is older than its lease."""
        started = self._machine.clock()
        if not before.released:
            print(
                f"Waiting up to {before.seconds:.0f} s: process {before.process} on "
                f"{printable(before.host)} may still use {self._base_dir}.",
                file=sys.stderr,
                flush=True,
            )
        while not before.released:
            if self._machine.clock() - started >= before.seconds:
                return
            self._machine.wait(before.seconds / 60)
            now = newest(self._base_dir)[1]
            if now is not None and (now.owner, now.beat) != (before.owner, before.beat):
                if now.released:
                    return
                raise _in_use(self._base_dir, now)

    def _claim(self) -> None:
        folder = os.path.join(self._base_dir, DIRECTORY)
        make_directory(folder)
        path = _path(self._base_dir, self._generation)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        try:
            self._file = open_file(path, flags, below=self._base_dir)
        except FileExistsError as error:
            raise _in_use(self._base_dir, newest(self._base_dir)[1]) from error
        try:
            self._write()
            # A process that slept since it read the old file may have made one that others have
            # passed and removed.
            highest, holder = newest(self._base_dir)
            if highest != self._generation:
                os.unlink(path)
                raise _in_use(self._base_dir, holder)
        except BaseException:
            os.close(self._file)
            self._file = None
            raise
        for number in _generations(self._base_dir):
            if number < self._generation:
                with contextlib.suppress(OSError):
                    os.unlink(_path(self._base_dir, number))

    def _write(self) -> None:
        assert self._file is not None
        data = msgspec.json.encode(self._holder).ljust(_SIZE)
        write_all(self._file, data, 0)
        os.fsync(self._file)

    def _renew_always(self) -> None:
        while not self._closed.wait(self._holder.seconds / 6):
            # A disk that is gone for a moment; `check` ends what lasts.
            with contextlib.suppress(OSError):
                self.renew()

    def _watch(self) -> None:
        # A thread of its own, because a renewal may hang in a file system that does not answer.
        while not self._closed.wait(self._holder.seconds / 60):
            self.check()


def newest(base_dir: str | os.PathLike) -> tuple[int, Holder | None]:
    """Number and contents of the newest lease; 0 without one, None where it cannot be read."""
    generation = max(_generations(base_dir), default=0)
    if not generation:
        return 0, None
    try:
        data = read_bytes(_path(base_dir, generation), 2 * _SIZE, below=base_dir)
        return generation, msgspec.convert(json.loads(data), Holder)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        # It is just being written, or somebody has damaged it: as one that never beats again.
        return generation, Holder("an unknown host", 0, "", "", SECONDS)


def running(base_dir: str | os.PathLike) -> Holder | None:
    """Who seems to own a directory, for people and for plans; nothing is decided by it."""
    generation, holder = newest(base_dir)
    if holder is None or holder.gone:
        return None
    try:
        age = time.time() - os.stat(_path(base_dir, generation)).st_mtime
    except OSError:
        return None
    return holder if age < holder.seconds else None


def this_machine() -> Surroundings:
    """Host, clock and end of this process."""
    return Surroundings(socket.gethostname(), boot_id(), _clock, _give_up)


def boot_id() -> str:
    """Names the running kernel; containers of one machine share it, as they share `flock`."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def _clock() -> float:
    # Linux stops the monotonic clock while the machine sleeps.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _give_up(sentence: str) -> None:
    # Not with Python's streams: the process may be stuck in any of them.
    with contextlib.suppress(OSError):
        os.write(2, f"{sentence}\n".encode())
    os._exit(AGAIN)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def _path(base_dir: str | os.PathLike, generation: int) -> str:
    return os.path.join(base_dir, DIRECTORY, f"{generation:06d}.json")


def _generations(base_dir: str | os.PathLike) -> list[int]:
    try:
        names = os.listdir(os.path.join(base_dir, DIRECTORY))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        int(match[1]) for name in names if (match := re.fullmatch(r"([0-9]{6,12})\.json", name))
    ]


def _in_use(base_dir: str, holder: Any) -> UserError:
    who = f" (process {holder.process} on {printable(holder.host)})" if holder else ""
    return UserError(
        f"{base_dir} is in use by another process{who}: wait until it has ended, or choose another "
        "--base_dir."
    )
