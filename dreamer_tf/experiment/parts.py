"""Checkpoints of several workers: each writes its part, and the chief's checkpoint completes them.

    checkpoints/ckpt-000007/              weights, and the part of the chief; needs the others:
    workers/1/checkpoints/ckpt-000007/    counters and the replay's index of worker 1, no weights
    workers/2/checkpoints/ckpt-000007/    the same of worker 2

The chief's checkpoint is written last and holds the checksums of the others. So it is there with
all of its parts or not at all, and a part without it is removed.
"""

import os
import time
from pathlib import Path
from typing import Any

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import cluster
from dreamer_tf.experiment.group import Group
from dreamer_tf.experiment.saved import check_runner, find_checkpoint, workers_of
from dreamer_tf.storage import log_files
from dreamer_tf.storage.checkpoints import NEEDS, Checkpoint, CheckpointStore, DamagedCheckpoint
from dreamer_tf.storage.files import fingerprint
from dreamer_tf.storage.removal import remove

_FILES = ("arrays.npz", "state.json", "manifest.json")
# Seconds until what one host has written must be seen by another one on a network file system.
_VISIBLE = 60.0


def store(group: Group, base_dir: str | os.PathLike, keep: int) -> CheckpointStore:
    """The checkpoints of one worker.

    Args:
      group: the workers.
      base_dir: where this worker has its files, from `directory`.
      keep: how many complete ones are kept.
    """
    # The chief may never complete the newest part, and then needs the one before it.
    kept = keep if group.is_chief else keep + 1
    return CheckpointStore(os.path.join(base_dir, "checkpoints"), kept)


def save(group: Group, store: CheckpointStore, checkpoint: Checkpoint) -> None:
    """Writes one checkpoint of all workers. Each of them must call it.

    Args:
      group: the workers.
      store: of this worker.
      checkpoint: of this worker; the weights are the same on all.

    Raises:
      UserError: this worker could not write it, or the chief does not see the part of another.
      WorkersLost: another worker could not write its part.
    """
    number = group.agree(max(store.numbers(), default=0) + 1)
    if not group.is_chief:
        store.save(number, Checkpoint({}, checkpoint.state))
    group.wait()
    if group.is_chief:
        needed = {
            os.path.relpath(path, store.directory.parent): fingerprint(path)
            for worker in range(1, group.workers.count)
            for path in _part(store.directory.parent, worker, number)
        }
        if needed:
            checkpoint.state[NEEDS] = checkpoint.state.get(NEEDS, {}) | needed
        store.save(number, checkpoint)
    group.wait()


def find(group: Group, store: CheckpointStore, agent: Agent) -> tuple[int, Checkpoint] | None:
    """The newest checkpoint of all workers, as `find_checkpoint`. Each of them must call it.

    Args:
      group: the workers.
      store: of this worker.
      agent: of this worker.

    Raises:
      UserError: no checkpoint can be used, or another number of workers made it.
      WorkersLost: the chief cannot use any.
    """
    base_dir = store.directory.parent
    if group.is_chief:
        found = find_checkpoint(store, os.fspath(base_dir), agent)
        if found is not None:
            check_count(workers_of(found[1].state), group.workers.count)
        group.agree(0 if found is None else found[0])
        return found
    number = group.agree(0)
    for newer in store.numbers():
        if newer > number:
            remove(store.path(newer))  # the chief never completed it
    if not number:
        return None

    def check(state: dict[str, Any]) -> None:
        check_runner(state)
        agent.check_state(state)

    chief = CheckpointStore(base_dir.parent.parent / "checkpoints")
    try:
        arrays = chief.load(number, beside=False, expected=agent.expected()).arrays
        state = store.load(number, check=check).state
    except DamagedCheckpoint as error:
        raise UserError(
            f"Worker {group.workers.index} cannot read its part of checkpoint {number} in "
            f"{base_dir} ({error!s:.300}): all workers must see the same --base_dir."
        ) from error
    log_files.cut_back(os.fspath(base_dir), state["runner"]["log_sizes"])
    return number, Checkpoint(arrays, state)


def check_count(before: object, count: int) -> None:
    """Checks that a run goes on with as many workers as it began with.

    Args:
      before: how many made its checkpoints.
      count: how many there are now.

    Raises:
      UserError: another number.
    """
    if before != count:
        raise UserError(
            f"The run was made by {_counted(before)}, and now there is {_counted(count)}: start it "
            "with as many as before, because each of them has a part of the replay."
        )


def _counted(count: object) -> str:
    return "1 worker" if count == 1 else f"a group of {count} workers"


def _part(base_dir: Path, worker: int, number: int) -> list[Path]:
    """The files of a worker's part, which it has written by now."""
    part = CheckpointStore(Path(cluster.directory(base_dir, worker)) / "checkpoints").path(number)
    paths = [part / name for name in _FILES]
    until = time.monotonic() + _VISIBLE
    while not all(path.exists() for path in paths):
        if time.monotonic() > until:
            raise UserError(
                f"Worker {worker} has written {part}, but the chief does not see it: give all "
                "workers the same --base_dir, on a disk that all of them share."
            )
        time.sleep(0.1)
    return paths
