"""Checkpoints: complete or absent, verified, several kept, no pickle.

    checkpoints/ckpt-000007/arrays.npz      weights, moments, counters
                            state.json      everything else
                            manifest.json   format, size and SHA-256 of the other two

A checkpoint is written beside its final place, flushed, and renamed. The replay's contents are
not in it: they already are on disk, and `state.json` says which part of them is valid, or which
files with which checksums (`NEEDS`).
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
from dreamer_tf.storage.files import fingerprint, flush

FORMAT = 2
NEEDS = "files"  # in the state: path in the base directory -> fingerprint of a file beside it
_FILES = ("arrays.npz", "state.json")
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    zipfile.BadZipFile,
)


class Checkpoint(NamedTuple):
    """What is stored: arrays by name and JSON-compatible values."""

    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


class DamagedCheckpoint(Exception):
    """A checkpoint that cannot be used; the message says why."""


class CheckpointStore:
    """The checkpoints of one run."""

    def __init__(self, directory: str | os.PathLike, keep: int = 3):
        """Sets the place.

        Args:
          directory: where the checkpoints are; made when the first is saved.
          keep: how many are kept.
        """
        self.directory = Path(directory)
        self._keep = keep

    def numbers(self) -> list[int]:
        """Numbers of the stored checkpoints, ascending; they may be damaged."""
        if not self.directory.exists():
            return []
        found = (re.fullmatch(r"ckpt-(\d+)", path.name) for path in self.directory.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, number: int) -> Path:
        """Where a checkpoint is."""
        return self.directory / f"ckpt-{number:06d}"

    def save(self, number: int, checkpoint: Checkpoint) -> Path:
        """Writes a checkpoint and removes the oldest ones.

        Args:
          number: larger than that of every checkpoint before.
          checkpoint: what to write.

        Returns:
          Where it is.

        Raises:
          UserError: it could not be written; the earlier ones are intact.
        """
        final = self.path(number)
        partial = final.with_name(f".{final.name}.partial")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            with open(partial / "arrays.npz", "wb") as file:
                np.savez(file, **checkpoint.arrays)
            faults.point("arrays_written")
            (partial / "state.json").write_text(json.dumps(checkpoint.state))
            manifest = {
                "format": FORMAT,
                "number": number,
                "files": {name: fingerprint(partial / name) for name in _FILES},
            }
            (partial / "manifest.json").write_text(json.dumps(manifest, indent=1))
            for name in (*_FILES, "manifest.json"):
                flush(partial / name)
            faults.point("checkpoint_written")
            os.rename(partial, final)
            flush(self.directory)
            faults.point("checkpoint_renamed")
        except OSError as error:
            size = sum(array.nbytes for array in checkpoint.arrays.values())
            raise UserError(
                f"The checkpoint {final} could not be written ({error.strerror or error}): it "
                f"needs {size / 1e6:.0f} MB in a writable directory; the checkpoints before it "
                "are intact, so free some space and start the same command again."
            ) from error
        for old in self.numbers()[: -self._keep]:
            shutil.rmtree(self.path(old), ignore_errors=True)
        return final

    def load(self, number: int, beside: bool = True) -> Checkpoint:
        """Reads and verifies one checkpoint.

        Args:
          number: its number.
          beside: verifies the files that it needs beside itself, too; a policy acts without them.

        Raises:
          DamagedCheckpoint: a file is missing, cut short, changed or of another format.
        """
        path = self.path(number)
        try:
            manifest = json.loads((path / "manifest.json").read_text())
            if manifest["format"] != FORMAT:
                raise DamagedCheckpoint(f"its format is {manifest['format']}, not {FORMAT}")
            for name in _FILES:
                if fingerprint(path / name) != manifest["files"][name]:
                    raise DamagedCheckpoint(f"{name} is not what was written")
            with np.load(path / "arrays.npz", allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            state = json.loads((path / "state.json").read_text())
            for name, written in state.get(NEEDS, {}).items() if beside else ():
                if fingerprint(self.directory.parent / name) != written:
                    raise DamagedCheckpoint(f"{name}, which it needs, is not what was written")
        except DamagedCheckpoint:
            raise
        except _DAMAGE as error:
            raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from error
        return Checkpoint(arrays, state)

    def needed(self) -> set[str]:
        """Files beside the checkpoints, by their paths in the base directory, that any needs."""
        found: set[str] = set()
        for number in self.numbers():
            try:
                found |= set(json.loads((self.path(number) / "state.json").read_text())[NEEDS])
            except _DAMAGE:
                continue  # it cannot be used anyway, or needs nothing
        return found

    def load_latest(self, beside: bool = True) -> tuple[int, Checkpoint] | None:
        """Reads the newest good checkpoint.

        Args:
          beside: as for `load`.

        Returns:
          Its number and contents; None where there never was one.

        Raises:
          UserError: there are checkpoints, but none is good.
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
                "one from a copy, or choose another --base_dir to start anew."
            )
        return None


def check_arrays(expected: Mapping[str, Any], stored: Mapping[str, np.ndarray]) -> None:
    """Checks that a checkpoint is of the networks that are here.

    Args:
      expected: arrays or variables by name.
      stored: the checkpoint's.

    Raises:
      UserError: names or shapes differ.
    """
    different = set(expected) ^ set(stored)
    for name in sorted(set(expected) - different):
        if tuple(expected[name].shape) != stored[name].shape:
            different.add(name)
    if different:
        raise UserError(
            "The checkpoint is of another network: "
            f"{', '.join(sorted(different)[:3])} differ; use the gin configuration that the "
            "run was started with, or another --base_dir."
        )
