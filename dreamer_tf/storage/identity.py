"""Whose run a base directory holds, said in several places, so that nothing removed starts it over.

    run.json              seed, configuration, and whether a checkpoint was ever complete
    checkpoints/run.json  the same
    metrics/run.json      the same

A run that has progress is only continued, by the same seed and configuration, from a checkpoint.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging

from dreamer_tf.errors import UserError
from dreamer_tf.storage.files import make_directory, read_bytes, refuse_links, replace_text

FILE = "run.json"
PROGRESS = "progress"  # key in the file: whether a checkpoint was ever complete
_DEPTH = 3  # levels below a base directory at which it is still found
_COPIES = ("checkpoints/run.json", "metrics/run.json")
_BYTES = 1 << 24  # the most that a file may have
# Where a run and the libraries that it uses write.
_PLACES = (
    *("lock", FILE, "config.gin", "operative_config.gin", "scores.json", "episodes.jsonl"),
    *("checkpoints", "replay", "metrics", "logs", "dreams", "videos", "diagnosis", "lease"),
    "workers",
)
# What a run that begins anew removes or writes over.
_REPLACED_FILES = ("config.gin", "operative_config.gin", "scores.json", "episodes.jsonl")
_REPLACED_FOLDERS = ("replay", "workers")


def claim(base_dir: str | os.PathLike, facts: Mapping[str, Any]) -> None:
    """Writes whose run this is into every place. Progress that was recorded stays recorded.

    Args:
      base_dir: base directory of the run.
      facts: JSON-compatible: 'seed', 'gin_hash', and what else is worth knowing.
    """
    _write(base_dir, dict(facts) | {PROGRESS: has_progress(base_dir)})


def update(base_dir: str | os.PathLike, changes: Mapping[str, Any]) -> None:
    """Changes what `run.json` says besides whose run it is. Without `claim` before, does nothing.

    Raises:
      OSError: the disk is full, or something is in the way.
    """
    found = _read(base_dir, FILE)
    if found is not None:
        replace_text(Path(base_dir, FILE), json.dumps(found | dict(changes), indent=1))


def mark_progress(base_dir: str | os.PathLike) -> None:
    """Records that a checkpoint is complete. Without `claim` before, it does nothing."""
    facts = _read(base_dir, FILE)
    if facts is not None and not facts.get(PROGRESS):
        _write(base_dir, facts | {PROGRESS: True})


def facts(base_dir: str | os.PathLike) -> dict[str, Any]:
    """What a run has recorded of itself, written by anybody; empty if nothing can be read.

    Raises:
      OSError: the file is a link, or too large.
    """
    found = (_read(base_dir, name) for name in (FILE, *_COPIES))
    return next((facts for facts in found if facts is not None), {})


def recorded(base_dir: str | os.PathLike) -> dict[str, Any]:
    """What `run.json` itself says; empty if it is missing or damaged.

    Raises:
      OSError: the file is a link or no file, or too large.
    """
    return _read(base_dir, FILE) or {}


def run_around(path: str | os.PathLike) -> Path | None:
    """The base directory of the run that a path is or lies in; None if it is in no run.

    A wildcard that was meant for runs one level deeper finds what runs consist of. Copies of the
    file make `checkpoints` and `metrics` look like runs, so the outermost place counts.
    """
    found = None
    for directory in (Path(path), *Path(path).parents[:_DEPTH]):
        if os.path.lexists(directory / FILE):
            found = directory
        elif found is not None:
            break
    return found


def has_progress(base_dir: str | os.PathLike) -> bool:
    """Whether a checkpoint of the run was ever complete, also where it has been removed."""
    if _has_checkpoints(base_dir):
        return True
    found = (_read(base_dir, name) for name in (FILE, *_COPIES))
    return any(facts is not None and bool(facts.get(PROGRESS)) for facts in found)


def refuse_foreign(base_dir: str | os.PathLike) -> None:
    """Refuses a directory with files that a run would replace, but that no run has left.

    Args:
      base_dir: base directory of a run that begins; it is not locked yet.

    Raises:
      UserError: there are such files.
      OSError: a place of the run is a link or cannot be read.
    """
    # The lock is the first thing that a run leaves. `restore` looks for links behind it.
    if os.path.lexists(Path(base_dir, "lock")):
        return
    _refuse_links(base_dir)
    if facts(base_dir) or _has_checkpoints(base_dir):
        return
    for name in (*_REPLACED_FILES, *_REPLACED_FOLDERS):
        path = Path(base_dir, name)
        if path.is_file() if name in _REPLACED_FILES else path.is_dir():
            raise UserError(
                f"{path} is there, but no run has left it, and a run would replace it: choose "
                "another --base_dir."
            )


def restore(base_dir: str | os.PathLike) -> None:
    """Makes sure that `run.json` is there and true, before anybody reads it.

    Args:
      base_dir: base directory of the run; it is locked.

    Raises:
      UserError: it is missing although the directory holds a run, or the places contradict.
      OSError: a place of the run is a link or cannot be read.
    """
    _refuse_links(base_dir)
    if not os.path.lexists(Path(base_dir, FILE)):
        copies = [facts for name in _COPIES if (facts := _read(base_dir, name)) is not None]
        if copies:
            logging.warning("%s is missing in %s and is written again.", FILE, base_dir)
            replace_text(Path(base_dir, FILE), json.dumps(copies[0], indent=1))
        elif _has_checkpoints(base_dir):
            raise UserError(
                f"{os.fspath(base_dir)} has checkpoints, but no {FILE}, which says whose they are: "
                "restore it from a copy, or choose another --base_dir."
            )
    facts = _read(base_dir, FILE)
    if facts is None or not has_progress(base_dir):
        return
    for name in _COPIES:
        copy = _read(base_dir, name)
        for key in ("seed", "gin_hash"):
            if copy is not None and copy.get(key) != facts.get(key):
                raise UserError(
                    f"{Path(base_dir, FILE)} and {name} contradict each other on '{key}': restore "
                    "the one that was changed from a copy, or choose another --base_dir."
                )


def check_progress(base_dir: str | os.PathLike) -> None:
    """Refuses to start a run at zero where it has progress but no checkpoint.

    Raises:
      UserError: all checkpoints have been removed.
    """
    if has_progress(base_dir) and not _has_checkpoints(base_dir):
        raise UserError(
            f"{os.fspath(base_dir)} holds a run that has been saved, but its checkpoints are gone: "
            "restore them from a copy, or choose another --base_dir to start from the beginning."
        )


def _refuse_links(base_dir: str | os.PathLike) -> None:
    refuse_links(base_dir, _PLACES)


def _write(base_dir: str | os.PathLike, facts: dict[str, Any]) -> None:
    text = json.dumps(facts, indent=1)
    for name in _COPIES:
        make_directory(Path(base_dir, name).parent)
        replace_text(Path(base_dir, name), text)
    replace_text(Path(base_dir, FILE), text)


def _has_checkpoints(base_dir: str | os.PathLike) -> bool:
    try:
        names = os.listdir(Path(base_dir, "checkpoints"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    return any(re.fullmatch(r"ckpt-[0-9]+", name) for name in names)


def _read(base_dir: str | os.PathLike, name: str) -> dict[str, Any] | None:
    """The facts in one place, or None where there are none."""
    try:
        found = json.loads(read_bytes(Path(base_dir, name), _BYTES, below=base_dir))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
