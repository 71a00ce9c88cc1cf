"""Checkpoints: complete or absent, verified, without pickle.

    checkpoints/ckpt-000007/arrays.npz      weights, moments, counters
                            state.json      everything else
                            manifest.json   format, size and SHA-256 of the other two

A checkpoint is written under another name, flushed to the disk, and renamed. It does not contain
the replay's steps, because they are on the disk already. `state.json` says which of them are valid,
or which files with which checksums belong to the checkpoint (`NEEDS`).
"""

import json
import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from dreamer_tf.errors import UserError
from dreamer_tf.storage import faults
from dreamer_tf.storage.files import fingerprint, flush, save_arrays

FORMAT = 2
NEEDS = "files"  # key in the state: fingerprints of files that it needs, by path in the base dir
_FILES = ("arrays.npz", "state.json")
# What reading a damaged file raises.
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    zipfile.BadZipFile,
)


class Checkpoint(NamedTuple):
    """What a checkpoint stores: arrays by name, and JSON-compatible values."""

    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


class DamagedCheckpoint(Exception):
    """A checkpoint cannot be used; the message says why."""


class CheckpointStore:
    """The checkpoints of one run."""

    def __init__(self, directory: str | os.PathLike, keep: int = 3):
        """Looks at a directory; it need not exist.

        Args:
          directory: where the checkpoints are; created when the first one is saved.
          keep: how many of the newest to keep.
        """
        self.directory = Path(directory)
        self._keep = keep

    @property
    def keep(self) -> int:
        """How many checkpoints are kept."""
        return self._keep

    def numbers(self) -> list[int]:
        """Numbers of the stored checkpoints, ascending, including damaged ones."""
        if not self.directory.exists():
            return []
        found = (re.fullmatch(r"ckpt-(\d+)", path.name) for path in self.directory.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, number: int) -> Path:
        """The directory of a checkpoint."""
        return self.directory / f"ckpt-{number:06d}"

    def save(self, number: int, checkpoint: Checkpoint) -> Path:
        """Writes a checkpoint, then removes those that are too old to keep.

        Args:
          number: must be larger than the numbers of all stored checkpoints.
          checkpoint: what to write.

        Returns:
          The directory of the checkpoint.

        Raises:
          UserError: it could not be written; the earlier checkpoints are intact.
        """
        final = self.path(number)
        partial = final.with_name(f".{final.name}.partial")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)  # from a process that died while saving
            partial.mkdir()
            _write(partial, number, checkpoint)
            # The contents are on the disk before the directory gets its name, and the name is on
            # the disk before the old checkpoints are removed.
            os.rename(partial, final)
            flush(self.directory)
            faults.point("checkpoint_renamed")
        except OSError as error:
            size = sum(array.nbytes for array in checkpoint.arrays.values())
            raise UserError(
                f"The checkpoint {final} could not be written ({error.strerror or error}): it "
                f"needs {size / 1e6:.0f} MB in a writable directory; all earlier checkpoints are "
                "intact, so free some space and start the same command again."
            ) from error
        for old in self.numbers()[: -self._keep]:
            shutil.rmtree(self.path(old), ignore_errors=True)
        return final

    def load(self, number: int, beside: bool = True) -> Checkpoint:
        """Reads and verifies one checkpoint.

        Args:
          number: its number.
          beside: whether to verify the other files that it needs, too. A policy that only acts does
            not use them.

        Raises:
          DamagedCheckpoint: a file is missing, truncated, changed or of another format.
        """
        path = self.path(number)
        try:
            manifest = json.loads((path / "manifest.json").read_text())
            if manifest["format"] != FORMAT:
                raise DamagedCheckpoint(f"its format is {manifest['format']}, not {FORMAT}")
            for name in _FILES:
                if fingerprint(path / name) != manifest["files"][name]:
                    raise DamagedCheckpoint(f"{name} has changed since it was written")
            with np.load(path / "arrays.npz", allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            state = json.loads((path / "state.json").read_text())
            for name, written in state.get(NEEDS, {}).items() if beside else ():
                if fingerprint(self.directory.parent / name) != written:
                    raise DamagedCheckpoint(f"{name}, which it needs, has changed since")
        except DamagedCheckpoint:
            raise
        except _DAMAGE as error:
            raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from error
        return Checkpoint(arrays, state)

    def needed(self) -> set[str]:
        """Other files that any checkpoint needs, by their paths in the base directory."""
        found: set[str] = set()
        for number in self.numbers():
            try:
                found |= set(json.loads((self.path(number) / "state.json").read_text())[NEEDS])
            except _DAMAGE:
                continue  # it cannot be used, or it needs no other files
        return found

    def load_latest(self, beside: bool = True) -> tuple[int, Checkpoint] | None:
        """Reads the newest checkpoint that is not damaged.

        Args:
          beside: see `load`.

        Returns:
          Its number and contents, or None if there are no checkpoints.

        Raises:
          UserError: all checkpoints are damaged.
        """
        numbers = self.numbers()
        for number in reversed(numbers):
            try:
                return number, self.load(number, beside)
            except DamagedCheckpoint as error:
                logging.error("Checkpoint %s is damaged: %s.", self.path(number), error)
        if numbers:
            raise UserError(
                f"None of the {len(numbers)} checkpoints in {self.directory} can be read: restore "
                "one from a copy, or choose another --base_dir to start from the beginning."
            )
        return None


def _write(directory: Path, number: int, checkpoint: Checkpoint) -> None:
    """Writes the files of a checkpoint; returns when they are on the disk."""
    with open(directory / "arrays.npz", "wb") as file:
        save_arrays(file, checkpoint.arrays)
    faults.point("arrays_written")
    (directory / "state.json").write_text(json.dumps(checkpoint.state))
    manifest = {
        "format": FORMAT,
        "number": number,
        "files": {name: fingerprint(directory / name) for name in _FILES},
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1))
    for name in (*_FILES, "manifest.json"):
        flush(directory / name)
    faults.point("checkpoint_written")


def check_arrays(expected: Mapping[str, Any], stored: Mapping[str, np.ndarray]) -> None:
    """Checks that a checkpoint fits the networks of this run.

    Args:
      expected: arrays or variables by name.
      stored: arrays of the checkpoint by name.

    Raises:
      UserError: names or shapes differ.
    """
    different = set(expected) ^ set(stored)
    for name in sorted(set(expected) - different):
        if tuple(expected[name].shape) != stored[name].shape:
            different.add(name)
    if different:
        raise UserError(
            "The checkpoint belongs to another network: "
            f"{', '.join(sorted(different)[:3])} differ; use the gin configuration that the run "
            "was started with, or another --base_dir."
        )
