"""Dopamine's JAX replay on disk: what is new is appended, nothing is pickled.

Dopamine's own `ReplayBuffer.save` writes all of it every time, with pickled parts. Here each
checkpoint adds one file with the elements that came since the last one:

    replay/elements-000000000000-000000250000.npz      numbers of the first and after the last

Elements are numbered in the order in which they were added; the buffer holds the newest.
"""

import glob
import os
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.experiment.checkpoints import fingerprint, flush

_SAVES = 10  # files are kept as long as one of this many checkpoints needs them
_STACKS = ("state", "next_state")  # compressed arrays
_NUMBERS = ("action", "reward", "is_terminal", "episode_end")


class ReplayFiles:
    """The files with the elements of one `dopamine.jax.replay_memory.ReplayBuffer`."""

    def __init__(self, directory: str | os.PathLike, buffer: Any):
        """Sets the place.

        Args:
          directory: where the files are; made when the first is written.
          buffer: Dopamine's buffer.
        """
        self._directory = os.fspath(directory)
        self._buffer = buffer
        self._files: list[dict[str, Any]] = []  # first, end, bytes, sha256
        self._oldest: list[int] = []  # first element of the buffer, for each of the last saves

    def save(self) -> dict[str, Any]:
        """Writes what is new.

        Returns:
          What `restore` needs, for JSON.

        Raises:
          OSError: the file could not be written; those before it are intact.
        """
        memory, end = self._buffer._memory, self._buffer.add_count
        oldest = end - len(memory)
        first = max(self._files[-1]["end"] if self._files else 0, oldest)
        if first < end:
            path = self._path(first, end)
            os.makedirs(self._directory, exist_ok=True)
            with open(f"{path}.partial", "wb") as file:
                np.savez(file, **_to_arrays([memory[key] for key in range(first, end)]))
            flush(f"{path}.partial")
            os.rename(f"{path}.partial", path)
            flush(self._directory)
            self._files.append({"first": first, "end": end, **fingerprint(path)})
        self._oldest = [*self._oldest, oldest][-_SAVES:]
        self._files = [file for file in self._files if file["end"] > self._oldest[0]]
        return {"add_count": end, "files": self._files, "oldest": self._oldest}

    def remove_old(self) -> None:
        """Removes files that no checkpoint needs any more; for after a checkpoint was saved."""
        needed = {self._path(file["first"], file["end"]) for file in self._files}
        for path in glob.glob(os.path.join(glob.escape(self._directory), "elements-*")):
            if path not in needed:
                os.remove(path)

    def restore(self, state: dict[str, Any]) -> None:
        """Fills the buffer as it was.

        Raises:
          UserError: a file is missing or damaged.
        """
        self._files, self._oldest = list(state["files"]), list(state["oldest"])
        oldest = self._oldest[-1]
        memory = OrderedDict()
        for file in self._files:
            if file["end"] <= oldest:
                continue
            path = self._path(file["first"], file["end"])
            try:
                if fingerprint(path) != {key: file[key] for key in ("bytes", "sha256")}:
                    raise ValueError("it is not what was written")
                with np.load(path, allow_pickle=False) as stored:
                    elements = _from_arrays({name: stored[name] for name in stored.files})
            except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
                raise UserError(
                    f"{path} cannot be read ({error}), but holds experience of this run: restore "
                    "it from a copy, or choose another --base_dir to start anew."
                ) from error
            memory.update(zip(range(file["first"], file["end"]), elements, strict=True))
        for key in range(self._files[0]["first"] if self._files else 0, oldest):
            memory.pop(key, None)
        self._buffer._memory = memory
        self._buffer.add_count = int(state["add_count"])

    def _path(self, first: int, end: int) -> str:
        return os.path.join(self._directory, f"elements-{first:012d}-{end:012d}.npz")


def sampling_state(buffer: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What Dopamine's sampling distribution needs to go on, as arrays and for JSON.

    Dopamine's own `to_state_dict` leaves out the largest priority, which new elements get.
    """
    distribution = buffer._sampling_distribution
    found = distribution.to_state_dict()
    arrays = {"keys": np.asarray(found["key_by_index"], np.int64)}
    state = {"rng": found["rng_state"]}
    if "sum_tree" in found:
        arrays["priorities"] = found["sum_tree"]["nodes"]
        state["max_priority"] = float(distribution._sum_tree.max_recorded_priority)
    return arrays, state


def restore_sampling(buffer: Any, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Goes back to what `sampling_state` returned."""
    distribution = buffer._sampling_distribution
    keys = arrays["keys"].tolist()
    found = {
        "key_by_index": keys,
        "index_by_key": {key: index for index, key in enumerate(keys)},
        "rng_state": state["rng"],
    }
    if "priorities" in arrays:
        found["sum_tree"] = {"nodes": arrays["priorities"]}
        distribution._sum_tree.max_recorded_priority = state["max_priority"]
    distribution.from_state_dict(found)


def _to_arrays(elements: list[Any]) -> dict[str, np.ndarray]:
    """Compressed elements of Dopamine as plain arrays."""
    arrays = {name: np.asarray([getattr(e, name) for e in elements]) for name in _NUMBERS}
    for name in _STACKS:
        packed = [getattr(element, name) for element in elements]
        arrays[name] = np.concatenate([stack["data"] for stack in packed])
        arrays[f"{name}.ends"] = np.cumsum([stack["data"].size for stack in packed])
        arrays[f"{name}.shape"] = packed[0]["shape"]
        arrays[f"{name}.dtype"] = np.asarray(packed[0]["dtype"])
    return arrays


def _from_arrays(arrays: dict[str, np.ndarray]) -> list[Any]:
    """The elements again, as Dopamine's `compress` would have made them."""
    from dreamer_tf.experiment.dopamine_compat import ReplayElement

    stacks = {}
    for name in _STACKS:
        shape, dtype = arrays[f"{name}.shape"], arrays[f"{name}.dtype"]
        parts = np.split(arrays[name], arrays[f"{name}.ends"][:-1])
        stacks[name] = [
            np.array(
                (part, shape, dtype),
                dtype=[
                    ("data", "u1", part.shape),
                    ("shape", "i4", shape.shape),
                    ("dtype", dtype.dtype),
                ],
            )
            for part in parts
        ]
    # Dopamine keeps rewards and flags as Python's numbers.
    columns = [arrays["action"], arrays["reward"].tolist()]
    columns += [arrays["is_terminal"].tolist(), arrays["episode_end"].tolist()]
    rows = zip(stacks["state"], *columns[:2], stacks["next_state"], *columns[2:], strict=True)
    return [
        ReplayElement(
            state=state,
            action=action,
            reward=reward,
            next_state=next_state,
            is_terminal=is_terminal,
            episode_end=episode_end,
        )
        for state, action, reward, next_state, is_terminal, episode_end in rows
    ]
