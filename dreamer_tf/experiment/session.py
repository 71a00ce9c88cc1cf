"""What a run records about each process that trained it, in `run.json`.

    "hours": 3.2,                   wall-clock time of all processes together
    "sessions": [{
      "command": "python -m dreamer_tf.train --gin_files=atari.gin",
      "started": "2026-01-31T12:00:00+00:00", "ended": null, "seconds": 812.4,
      "host": "node7", "process": 4711, "device": "one GPU",
      "git": [{"directory": "...", "commit": "...", "dirty": false}],
      "packages": {"python": "3.11.2", "tensorflow": "2.21.0", ...}
    }]

`ended` stays null if the process was killed; `seconds` then counts up to its last checkpoint.
"""

import contextlib
import datetime
import functools
import importlib.metadata
import os
import platform
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamer_tf.storage import identity
from dreamer_tf.version import VERSION

KEPT = 200  # sessions in the record: the first one and the last ones
_COMMAND = 20_000  # characters
_GIT_SECONDS = 10.0


class Session:
    """This process of a run: its device and its times."""

    def __init__(self, base_dir: str | os.PathLike):
        """Begins nothing yet, so that a runner without a record works too.

        Args:
          base_dir: base directory of the run.
        """
        self._base_dir = base_dir
        self._started = time.monotonic()
        self._before = 0.0  # seconds of earlier processes
        self._sessions: list[dict[str, Any]] = []
        self.device = ""

    @property
    def seconds(self) -> float:
        """Wall-clock seconds that the run has taken, in all of its processes."""
        return self._before + time.monotonic() - self._started

    def begin(self, device: str) -> dict[str, Any]:
        """Begins to count.

        Args:
          device: where the agent computes, in words.

        Returns:
          What belongs into `run.json`.
        """
        facts = identity.facts(self._base_dir)
        sessions, hours = facts.get("sessions"), facts.get("hours")
        earlier = sessions if isinstance(sessions, list) else []
        self._sessions = [item for item in earlier if isinstance(item, dict)]
        self._before = float(hours) * 3600 if isinstance(hours, int | float) else 0.0
        self.device = device
        self._started = time.monotonic()
        self._sessions.append(
            {
                "command": shlex.join(sys.orig_argv)[:_COMMAND],
                "started": now(),
                "ended": None,
                "seconds": 0.0,
                "host": socket.gethostname(),
                "process": os.getpid(),
                "device": device,
                "git": list(repositories(os.getcwd())),
                "packages": packages(),
            }
        )
        if len(self._sessions) > KEPT:
            self._sessions = [self._sessions[0], *self._sessions[1 - KEPT :]]
        return self._facts()

    def saved(self) -> None:
        """Records that a checkpoint is complete, and the time until now.

        Raises:
          OSError: the disk is full.
        """
        identity.mark_progress(self._base_dir)
        if self._sessions:
            identity.update(self._base_dir, self._facts())

    def end(self) -> None:
        """Records the end of the training. If the disk is full, the record keeps the last time."""
        if self._sessions:
            self._sessions[-1]["ended"] = now()
            with contextlib.suppress(OSError):
                identity.update(self._base_dir, self._facts())

    def _facts(self) -> dict[str, Any]:
        self._sessions[-1]["seconds"] = round(self.seconds - self._before, 3)
        return {"hours": round(self.seconds / 3600, 6), "sessions": self._sessions}


def now() -> str:
    """The time in UTC, in ISO 8601 with milliseconds."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


@functools.cache
def packages() -> Mapping[str, str]:
    """Versions of Python, of this package, and of every distribution that is imported."""
    names = {
        name
        for module, found in importlib.metadata.packages_distributions().items()
        if module in sys.modules
        for name in found
    }
    # Names as package indexes write them, whatever a distribution calls itself.
    found = {
        re.sub(r"[-_.]+", "-", name).lower(): importlib.metadata.version(name)
        for name in sorted(names)
    }
    return {"python": platform.python_version()} | found | {"dreamer-tf": VERSION}


@functools.cache
def repositories(working_directory: str) -> tuple[Mapping[str, Any], ...]:
    """Commits of the working directory and of this package, where they are checkouts.

    Args:
      working_directory: usually that of the process; users keep code of their own there.

    Returns:
      Directory, commit and whether files that git knows were changed, once for each checkout.
    """
    package = Path(__file__).resolve().parents[2]
    # An installed package may lie in somebody's checkout, but it is no part of it.
    candidates = [working_directory, *([str(package)] if (package / ".git").exists() else [])]
    found: dict[str, Mapping[str, Any]] = {}
    for directory in candidates:
        top = _git(directory, "rev-parse", "--show-toplevel")
        if not top or top.strip() in found:
            continue
        commit = (_git(directory, "rev-parse", "--verify", "HEAD") or "").strip()
        if commit:
            dirty = _is_dirty(directory)
            found[top.strip()] = {"directory": top.strip(), "commit": commit, "dirty": dirty}
    return tuple(found.values())


def _is_dirty(directory: str) -> bool | None:
    """Whether files that git knows were changed; None where git cannot say it."""
    settings = _git(directory, "config", "--list", "--show-scope", "--includes", "-z")
    # Filters are programs that a repository names, and `git status` runs them on changed files.
    # Those of the user are the user's own.
    if settings is None or re.search(r"(?:^|\0)(?:local|worktree)\0filter\.", settings):
        return None
    # Submodules have settings of their own.
    only = ("--untracked-files=no", "--ignore-submodules=all")
    changes = _git(directory, "status", "--porcelain", *only)
    return None if changes is None else bool(changes.strip())


def _git(directory: str, *arguments: str) -> str | None:
    """What git says; None if it is missing, fails, or takes too long."""
    # It must not start programs that a repository names, nor write into the repository.
    command = ["git", "-c", "core.fsmonitor=false", "-C", directory, *arguments]
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.decode(errors="replace") if result.returncode == 0 else None
