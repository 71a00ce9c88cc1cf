"""What a sweep writes beside its runs: its plan, the output of the runs, how they ended.

    runs/.sweeps/atari_small-3fa2c1/request.json               what was asked for
                                    stop                       asks all runs to save and to stop
                                    logs/<config>/<game>/<seed>.log   output of the run
                                    logs/<config>/<game>/<seed>.json  how its last process ended

Whether a run is complete is never read here: the run directories say it.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.experiment import naming
from dreamer_tf.storage import lease
from dreamer_tf.storage.files import make_directory, read_bytes, replace_text
from dreamer_tf.storage.locking import DirectoryLock
from dreamer_tf.sweeps.plan import Request, Run, split_configs

FOLDER = ".sweeps"
_REQUEST = "request.json"
_NAMES = "environments"  # key of the request
_MOST_BYTES = 1 << 24
# What reading a damaged or made-up file raises.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError),
    msgspec.MsgspecError,
)


class Outcome(msgspec.Struct):
    """How a training process ended."""

    code: int  # its exit code; negative for a signal
    sentence: str = ""  # the last line that it printed
    host: str = ""
    ended: float = 0.0  # seconds since 1970
    busy: bool = False  # another process has the run


class Home:
    """The directory of a sweep."""

    def __init__(self, root: str | os.PathLike, name: str):
        """Names a directory; it need not exist.

        Args:
          root: directory of all runs.
          name: of the sweep.

        Raises:
          UserError: the name is none of a directory.
        """
        naming.check_label(name, "--name")
        self.root = os.fspath(root)
        self.name = name
        self.directory = Path(root, FOLDER, name)

    @property
    def stop_file(self) -> Path:
        """Every process of the sweep looks whether it exists."""
        return self.directory / "stop"

    def lock(self) -> DirectoryLock:
        """Locks the sweep.

        Raises:
          UserError: it is running.
        """
        make_directory(self.directory)
        try:
            return DirectoryLock(self.directory)
        except UserError as error:
            holder = lease.running(self.directory)
            who = f" (process {holder.process} on {holder.host})" if holder else ""
            raise UserError(
                f"The sweep {self.name} is running already{who}, and nothing was changed: look at "
                "it with --status, or end it with --stop."
            ) from error

    def record(self, request: Request, names: Mapping[str, str]) -> None:
        """Writes down what was asked for, so that --status needs no other flag.

        Args:
          request: what was asked for.
          names: those of environments, as for `plan.make`. With them --status and --stop need
            not make an environment, which takes seconds and may no longer be possible.
        """
        text = json.dumps(request._asdict() | {_NAMES: dict(names)}, indent=1)
        replace_text(self.directory / _REQUEST, text)

    def names(self) -> dict[str, str]:
        """The recorded names of environments; empty if there are none."""
        with contextlib.suppress(*_UNREADABLE):
            return msgspec.convert(self._recorded()[_NAMES], dict[str, str])
        return {}

    def request(self) -> Request:
        """What was asked for.

        Raises:
          UserError: it cannot be read.
        """
        try:
            found = self._recorded()
            whole = Request(found["configs"])._asdict()
            values = [found.get(key, default) for key, default in whole.items()]
            return msgspec.convert(values, Request)._replace(root=self.root)
        except _UNREADABLE as error:
            raise UserError(
                f"{self.directory / _REQUEST} cannot be read ({error}): name the sweep by its "
                "--configs, --games and --vary instead."
            ) from error

    def _recorded(self) -> Any:
        return json.loads(read_bytes(self.directory / _REQUEST, _MOST_BYTES))

    def log(self, run: Run) -> str:
        """File of the output of a run."""
        return str(self.directory / "logs" / os.path.relpath(run.base_dir, self.root)) + ".log"

    def outcome(self, run: Run) -> Outcome | None:
        """How the last process of a run ended; None if there was none, or one goes on."""
        with contextlib.suppress(*_UNREADABLE):
            return msgspec.json.decode(
                read_bytes(outcome_file(self.log(run)), 1 << 16), type=Outcome
            )
        return None


def outcome_file(log: str) -> str:
    """File of the outcome beside the output of a run."""
    return f"{log.removesuffix('.log')}.json"


def write_outcome(log: str, outcome: Outcome) -> None:
    """Writes how a process ended."""
    replace_text(outcome_file(log), msgspec.json.encode(outcome).decode())


def name_of(request: Request) -> str:
    """The name of a sweep: that of its first configuration, and a hash of what is swept.

    The seeds do not count, so that a sweep with more of them is the same, longer.
    """
    said: dict[str, Any] = {
        key: request._asdict()[key] for key in ("configs", "games", "vary", "gin_bindings")
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:6]
    first = Path(split_configs(request.configs)[0][0]).stem
    return f"{naming.safe(first)[:60]}-{digest}"


def recorded(root: str | os.PathLike, name: str | None) -> Home:
    """The sweep of a name, or the one that was started last.

    Raises:
      UserError: there is none.
    """
    folder = Path(root, FOLDER)
    found = sorted(folder.glob(f"*/{_REQUEST}"), key=lambda path: path.stat().st_mtime)
    names = [path.parent.name for path in found]
    if name is not None and name not in names:
        hint = did_you_mean(name, names) or (f" There are {', '.join(names)}." if names else "")
        raise UserError(f"--name={name}: there is no such sweep in --root={root}.{hint}")
    if not names:
        raise UserError(
            f"There is no sweep in --root={root}: name what to run with --configs, as in "
            "--configs=atari_small.gin."
        )
    return Home(root, name or names[-1])
