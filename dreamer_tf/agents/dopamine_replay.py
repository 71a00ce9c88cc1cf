"""Stores Dopamine's JAX replay buffer on disk, incrementally and without pickle.

Dopamine's own `ReplayBuffer.save` writes the whole buffer every time, and pickles parts of it.
Here each checkpoint adds one file with the elements that are new since the last checkpoint:

    replay/elements-000000000000-000000250000.npz      elements 0 to 249,999

Elements are numbered in the order in which they were added. The buffer holds the newest ones.
"""

import glob
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.agents.dopamine_compat import ReplayElement, TransitionElement
from dreamer_tf.storage import arrays as archives
from dreamer_tf.storage.files import (
    fingerprint,
    make_directory,
    open_file,
    replacing,
    save_arrays,
)

_NUMBERS = ("action", "reward", "is_terminal", "episode_end")


class Layout(NamedTuple):
    """What an element of a buffer consists of, beside its numbers."""

    compressed: tuple[str, ...]  # fields with arrays that Dopamine has compressed
    make: Callable[..., Any]  # makes an element from its fields


TRANSITIONS = Layout(("state", "next_state"), ReplayElement)
STEPS = Layout(("observation",), TransitionElement)


class ReplayFiles:
    """The stored elements of one `dopamine.jax.replay_memory.ReplayBuffer`."""

    def __init__(self, base_dir: str | os.PathLike, buffer: Any, layout: Layout = TRANSITIONS):
        """Starts without files.

        Args:
          base_dir: base directory of the run. The files are in its `replay/`.
          buffer: Dopamine's replay buffer.
          layout: of its elements.
        """
        self._base_dir = os.fspath(base_dir)
        self._buffer = buffer
        self._layout = layout
        self._files: dict[str, dict[str, Any]] = {}  # path in the base directory -> fingerprint
        self._end = 0  # after the last element that is in a file

    def save(self) -> dict[str, dict[str, Any]]:
        """Writes the elements that are in no file yet.

        Returns:
          Path in the base directory and fingerprint of every file that the buffer needs.

        Raises:
          OSError: the file could not be written; the files before it are intact.
        """
        memory, end = self._buffer._memory, self._buffer.add_count
        # Elements that have left the buffer since the last checkpoint need no file.
        oldest = end - len(memory)
        first = max(self._end, oldest)
        if first < end:
            name = os.path.join("replay", f"elements-{first:012d}-{end:012d}.npz")
            path = os.path.join(self._base_dir, name)
            make_directory(os.path.dirname(path))
            with replacing(path) as file:
                save_arrays(file, self._to_arrays([memory[key] for key in range(first, end)]))
            self._files[name] = fingerprint(path)
            self._end = end
        self._files = {name: kept for name, kept in self._files.items() if _range(name)[1] > oldest}
        return dict(self._files)

    def remove_all_but(self, needed: Container[str]) -> None:
        """Removes the files that no checkpoint needs."""
        pattern = os.path.join(glob.escape(self._base_dir), "replay", "elements-*")
        for path in glob.glob(pattern):
            if os.path.relpath(path, self._base_dir) not in needed:
                os.remove(path)

    def restore(self, files: Mapping[str, dict[str, Any]], count: int) -> None:
        """Fills the buffer with stored elements.

        Args:
          files: from `save`. The caller has verified their fingerprints.
          count: number of elements that had ever been added.

        Raises:
          ValueError: the files do not hold the newest elements.
        """
        memory: OrderedDict[int, Any] = OrderedDict()
        for name in sorted(files, key=_range):
            path = os.path.join(self._base_dir, name)
            with open(open_file(path, below=self._base_dir), "rb") as file:
                elements = self._from_arrays(archives.read(file, None))
            memory.update(zip(range(*_range(name)), elements, strict=True))
        oldest = max(0, count - self._buffer._max_capacity)
        # The oldest file may begin before the oldest element of the buffer.
        for key in [key for key in memory if key < oldest]:
            del memory[key]
        # A gap would silently pair transitions with wrong numbers and priorities.
        if list(memory) != list(range(oldest, count)):
            raise ValueError(f"the files of the replay do not hold elements {oldest} to {count}")
        self._files, self._end = dict(files), count
        self._buffer._memory = memory
        self._buffer.add_count = count

    def _to_arrays(self, elements: list[Any]) -> dict[str, np.ndarray]:
        """Dopamine's compressed elements as plain arrays."""
        arrays = {name: np.asarray([getattr(e, name) for e in elements]) for name in _NUMBERS}
        for name in self._layout.compressed:
            packed = [getattr(element, name) for element in elements]
            arrays[name] = np.concatenate([stack["data"] for stack in packed])
            arrays[f"{name}.ends"] = np.cumsum([stack["data"].size for stack in packed])
            arrays[f"{name}.shape"] = packed[0]["shape"]
            arrays[f"{name}.dtype"] = np.asarray(packed[0]["dtype"])
        return arrays

    def _from_arrays(self, arrays: dict[str, np.ndarray]) -> list[Any]:
        """The inverse of `_to_arrays`: elements as Dopamine's `compress` makes them."""
        # Dopamine stores rewards and flags as Python numbers; exact resume needs the same types.
        columns = {name: arrays[name].tolist() for name in _NUMBERS} | {"action": arrays["action"]}
        for name in self._layout.compressed:
            columns[name] = _compressed(arrays, name)
        rows = zip(*columns.values(), strict=True)
        return [self._layout.make(**dict(zip(columns, row, strict=True))) for row in rows]


def _range(name: str) -> tuple[int, int]:
    """Numbers of a file's elements: the first one, and the one after the last."""
    found = re.fullmatch(r"elements-(\d+)-(\d+)\.npz", os.path.basename(name))
    if found is None:
        raise ValueError(f"{name} is not the name of a file of elements")
    return int(found[1]), int(found[2])


def sampling_state(buffer: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """State of Dopamine's sampling distribution, as arrays and as JSON values.

    Dopamine's own `to_state_dict` leaves out the largest priority, which new elements get.
    """
    distribution = buffer._sampling_distribution
    found = distribution.to_state_dict()
    arrays = {"keys": np.asarray(found["key_by_index"], np.int64)}
    state = {"rng": found["rng_state"]}
    if "sum_tree" in found:
        arrays["priorities"] = found["sum_tree"]["nodes"]
        # The type matters: Dopamine computes in the precision that the last update left.
        arrays["max_priority"] = np.asarray(distribution._sum_tree.max_recorded_priority)
    return arrays, state


def restore_sampling(buffer: Any, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Restores what `sampling_state` returned."""
    distribution = buffer._sampling_distribution
    keys = arrays["keys"].tolist()
    found = {
        "key_by_index": keys,
        "index_by_key": {key: index for index, key in enumerate(keys)},
        "rng_state": state["rng"],
    }
    if "priorities" in arrays:
        found["sum_tree"] = {"nodes": arrays["priorities"]}
        distribution._sum_tree.max_recorded_priority = arrays["max_priority"][()]
    distribution.from_state_dict(found)


def _compressed(arrays: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """The compressed arrays of a field, one for each element."""
    shape, dtype = arrays[f"{name}.shape"], arrays[f"{name}.dtype"]
    fields = [("shape", "i4", shape.shape), ("dtype", dtype.dtype)]
    return [
        np.array((part, shape, dtype), dtype=[("data", "u1", part.shape), *fields])
        for part in np.split(arrays[name], arrays[f"{name}.ends"][:-1])
    ]
