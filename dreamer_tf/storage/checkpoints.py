"""Checkpoints: complete or absent, verified, without pickle.

    checkpoints/ckpt-000007/arrays.npz      weights, moments, counters
                            state.json      everything else
                            manifest.json   format, size and SHA-256 of the other two

A checkpoint is written under another name, flushed to the disk, and renamed. It does not contain
the replay's steps, because they are on the disk already. `state.json` says which of them are valid,
or which files with which checksums belong to the checkpoint (`NEEDS`).

Checksums tell accidents. Whoever can write a checkpoint can write its checksums, too, so everything
in it is also checked against what this run expects, before it is read or allocated.
"""

import contextlib
import errno
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from absl import logging

from dreamer_tf.errors import UserError
from dreamer_tf.storage import arrays, faults, os_errors
from dreamer_tf.storage.arrays import ANOTHER_NETWORK, Expected
from dreamer_tf.storage.files import (
    create,
    fingerprint,
    flush,
    make_directory,
    open_file,
    read_bytes,
    save_arrays,
)
from dreamer_tf.storage.removal import remove, removing
from dreamer_tf.storage.schema import Count

FORMAT = 2
NEEDS = "files"  # key in the state: fingerprints of files that it needs, by path in the base dir
_FILES = ("arrays.npz", "state.json")
_MANIFEST_BYTES, _STATE_BYTES = 1 << 16, 1 << 26  # the most that they may have
# They say nothing about the file: using an older checkpoint would lose training for nothing.
_NO_DAMAGE = (
    *(errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH),
)


class Fingerprint(msgspec.Struct):
    """Size and SHA-256 of a file, as in a manifest."""

    bytes: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Manifest(msgspec.Struct):
    format: int
    files: dict[str, Fingerprint]


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
        self._damaged: set[int] = set()  # checkpoints that could not be loaded

    @property
    def keep(self) -> int:
        """How many checkpoints are kept."""
        return self._keep

    def numbers(self) -> list[int]:
        """Numbers of the stored checkpoints, ascending, including damaged ones."""
        if not self.directory.exists():
            return []
        found = (re.fullmatch("ckpt-([0-9]+)", path.name) for path in self.directory.iterdir())
        numbers = {int(match[1]) for match in found if match}
        return sorted(number for number in numbers if os.path.lexists(self.path(number)))

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
            make_directory(self.directory)
            remove(partial)  # from a process that died while saving
            with removing(partial):
                partial.mkdir()
                _write(partial, number, checkpoint)
                # The contents are on the disk before the directory gets its name, and the name is
                # on the disk before the old checkpoints are removed.
                os.rename(partial, final)
            flush(self.directory)
            faults.point("checkpoint_renamed")
        except OSError as error:
            size = sum(array.nbytes for array in checkpoint.arrays.values())
            raise UserError(
                f"The checkpoint {final} could not be written "
                f"({os_errors.reason(error) or error.strerror or error}): it "
                f"needs {size / 1e6:.0f} MB in a writable directory; all earlier checkpoints are "
                "intact, so free some space and start the same command again."
            ) from error
        self._damaged.discard(number)
        self._prune()
        return final

    def _prune(self) -> None:
        """Removes what is older than the checkpoints to keep. Damaged ones do not count."""
        numbers = self.numbers()
        good = [number for number in numbers if self._is_whole(number)]
        oldest = good[-max(1, self._keep) :][0] if good else 0
        for number in numbers:
            if number < oldest:
                with contextlib.suppress(OSError):
                    remove(self.path(number))

    def _is_whole(self, number: int) -> bool:
        """Whether a checkpoint looks good without reading it."""
        if number in self._damaged:
            return False
        try:
            for name, written in self._manifest(number).files.items():
                if (self.path(number) / name).lstat().st_size != written.bytes:
                    return False
        except Exception:
            return False
        return True

    def load(
        self,
        number: int,
        beside: bool = True,
        expected: Expected | None = None,
        check: Callable[[dict[str, Any]], None] | None = None,
    ) -> Checkpoint:
        """Reads and verifies one checkpoint.

        Args:
          number: its number.
          beside: whether to verify the other files that it needs, too. A policy that only acts does
            not use them.

          expected: the arrays that this run needs; None to accept others.
          check: gets the state, and raises a ValueError or the like if this run cannot use it.

        Raises:
          DamagedCheckpoint: a file is missing, truncated, changed, of another format, or not what
            was expected.
          OSError: a file must not be read. That is no damage.
        """
        try:
            return self._load(number, beside, expected, check)
        except DamagedCheckpoint:
            raise
        except MemoryError:
            raise
        except OSError as error:
            if error.errno in _NO_DAMAGE:
                raise
            raise DamagedCheckpoint(str(error)) from error
        except Exception as error:  # no list of what zip, NumPy and JSON raise would be complete
            raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from error

    def _load(
        self,
        number: int,
        beside: bool,
        expected: Expected | None,
        check: Callable[[dict[str, Any]], None] | None,
    ) -> Checkpoint:
        manifest = self._manifest(number)
        if manifest.format != FORMAT:
            raise DamagedCheckpoint(f"its format is {manifest.format}, not {FORMAT}")
        if expected is not None and manifest.files["arrays.npz"].bytes > expected.most_bytes():
            raise DamagedCheckpoint(f"{ANOTHER_NETWORK}: arrays.npz is too large")
        for name in _FILES:
            self._compare(self.path(number) / name, manifest.files[name], name)
        state = self.state(number)
        if check is not None:
            check(state)
        with open(open_file(self.path(number) / "arrays.npz", below=self._base), "rb") as file:
            found = arrays.read(file, expected)
        for name, written in self._needs(state).items() if beside else ():
            self._compare(self.directory.parent / name, written, f"{name}, which it needs,")
        return Checkpoint(found, state)

    @property
    def _base(self) -> Path:
        """No link is followed below it; the directory of checkpoints itself must not be one."""
        return self.directory.parent

    def _manifest(self, number: int) -> _Manifest:
        data = read_bytes(self.path(number) / "manifest.json", _MANIFEST_BYTES, self._base)
        facts = json.loads(data)
        if isinstance(facts, dict) and facts.get("format") != FORMAT:
            raise DamagedCheckpoint(f"its format is {facts.get('format')!s:.20}, not {FORMAT}")
        return msgspec.convert(facts, _Manifest)

    def state(self, number: int) -> dict[str, Any]:
        """The state of a checkpoint, without a comparison with its checksum. For looks at a run.

        Raises:
          OSError, ValueError, msgspec.MsgspecError: it cannot be read.
        """
        data = read_bytes(self.path(number) / "state.json", _STATE_BYTES, self._base)
        return msgspec.convert(json.loads(data), dict[str, Any])

    def _needs(self, state: Mapping[str, Any]) -> dict[str, Fingerprint]:
        return msgspec.convert(state.get(NEEDS, {}), dict[str, Fingerprint])

    def _compare(self, path: Path, written: Fingerprint, name: str) -> None:
        # The size first: a file of other size needs no reading, however large it is.
        file = open_file(path, below=self._base)
        try:
            same = os.fstat(file).st_size == written.bytes
        finally:
            os.close(file)
        if not same or fingerprint(path, self._base) != msgspec.to_builtins(written):
            raise DamagedCheckpoint(f"{name} has changed since it was written")

    def needed(self) -> set[str] | None:
        """Other files that any checkpoint needs, by their paths in the base directory.

        Returns:
          None if a checkpoint could not be read now: its files may be needed, too.
        """
        found: set[str] = set()
        for number in self.numbers():
            try:
                found |= set(self._needs(self.state(number)))
            except FileNotFoundError:
                continue
            except OSError as error:
                logging.warning("Checkpoint %s cannot be read now (%s).", self.path(number), error)
                return None
            except Exception:
                continue  # it cannot be used
        return found

    def load_latest(
        self,
        beside: bool = True,
        expected: Expected | None = None,
        check: Callable[[dict[str, Any]], None] | None = None,
    ) -> tuple[int, Checkpoint] | None:
        """Reads the newest checkpoint that is not damaged; arguments as for `load`.

        Returns:
          Its number and contents, or None if there are no checkpoints.

        Raises:
          UserError: all checkpoints are damaged.
        """
        numbers = self.numbers()
        reasons = []
        for number in reversed(numbers):
            try:
                return number, self.load(number, beside, expected, check)
            except DamagedCheckpoint as error:
                logging.error("Checkpoint %s is damaged: %s.", self.path(number), error)
                self._damaged.add(number)
                reasons.append(str(error))
        if reasons and all(ANOTHER_NETWORK in reason for reason in reasons):
            raise UserError(
                f"The checkpoints in {self.directory} do not fit (the newest: {reasons[0]:.300}): "
                "use the environment and the gin configuration of that run, or choose another "
                "--base_dir to start from the beginning."
            )
        if numbers:
            raise UserError(
                f"None of the {len(numbers)} checkpoints in {self.directory} can be read (the "
                f"newest: {reasons[0]:.300}): restore one from a copy, or choose another "
                "--base_dir to start from the beginning."
            )
        return None


def _write(directory: Path, number: int, checkpoint: Checkpoint) -> None:
    """Writes the files of a checkpoint; returns when they are on the disk."""
    with create(directory / "arrays.npz") as file:
        save_arrays(file, checkpoint.arrays)
    faults.point("arrays_written")
    state = json.dumps(checkpoint.state).encode()
    if len(state) > _STATE_BYTES:  # nobody could read it, and older checkpoints would go
        raise UserError(
            f"The state of this checkpoint has {len(state):,} bytes, and {_STATE_BYTES:,} are the "
            "most that is read again: lower DreamerV2Agent.log_every, or what a class of yours "
            "stores."
        )
    with create(directory / "state.json") as file:
        file.write(state)
    manifest = {
        "format": FORMAT,
        "number": number,
        "files": {name: fingerprint(directory / name) for name in _FILES},
    }
    with create(directory / "manifest.json") as file:
        file.write(json.dumps(manifest, indent=1).encode())
    for name in (*_FILES, "manifest.json"):
        flush(directory / name)
    flush(directory)  # the names of the files, too
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
