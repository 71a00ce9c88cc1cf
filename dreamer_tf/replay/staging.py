"""The replay on a node's own disk, and in the base directory what checkpoints need.

Many runs that write their steps to one network file system wait for it. With `train --scratch=DIR`
a run reads and writes below DIR, and copies its new steps to the base directory when it saves. So
the base directory always holds what its checkpoints refer to, and any node can go on.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.replay.ring import Field, Ring
from dreamer_tf.storage.removal import remove

# Set by `train --scratch`. Not a gin parameter, because it belongs to a node and not to a run.
VARIABLE = "DREAMER_TF_SCRATCH"


def place(directory: str | os.PathLike) -> str | None:
    """Where a replay is on this node; None for its own directory.

    Args:
      directory: of the replay, in the base directory of the run.
    """
    scratch = os.environ.get(VARIABLE)
    if not scratch:
        return None
    path = os.path.realpath(directory)
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return os.path.join(scratch, f"dreamer_tf-{digest}")


def use(scratch: str) -> None:
    """Makes runs of this process keep their replay below a directory of this node.

    Args:
      scratch: the directory; it is made if it does not exist.

    Raises:
      UserError: it cannot be written.
    """
    try:
        os.makedirs(scratch, exist_ok=True)
        writable = os.access(scratch, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise UserError(f"--scratch={scratch} cannot be written: name a directory that can be.")
    os.environ[VARIABLE] = os.path.abspath(scratch)


class StagedRing(Ring):
    """A ring in a directory of this node, with a copy of what was flushed in the base directory."""

    flag = "--scratch"

    def __init__(
        self,
        directory: str | os.PathLike,
        fields: Mapping[str, Field],
        *,
        scratch: str,
        capacity: int,
        reserve: int,
        num_streams: int,
    ):
        """Opens the files in the base directory, and begins with an empty ring of this node.

        Args:
          directory: where the copies are, in the base directory of the run.
          fields: as for `Ring`.
          scratch: directory of this node; what is in it is removed, also by `close`.
          capacity: as for `Ring`.
          reserve: as for `Ring`.
          num_streams: as for `Ring`.

        Raises:
          UserError: as for `Ring`, of either directory.
          OSError: a file cannot be opened.
        """
        sizes: dict[str, Any] = {
            "capacity": capacity,
            "reserve": reserve,
            "num_streams": num_streams,
        }
        self._kept = Ring(directory, fields, **sizes)
        # From a process that was killed. Its steps after the checkpoint are made again.
        remove(scratch)
        super().__init__(scratch, fields, **sizes)
        self.missing = self._kept.missing
        # Steps of each stream that are the same in both.
        self._same = np.zeros(num_streams, np.int64)

    def write(self, stream: int, step: int, values: Mapping[str, Any]) -> None:
        """Writes one step on this node; arguments as for `Ring.write`."""
        self._same[stream] = min(self._same[stream], step)
        super().write(stream, step, values)

    def set_flag(self, stream: int, step: int, flag: int) -> None:
        """Sets one flag of a stored step on this node; arguments as for `Ring.set_flag`."""
        self._same[stream] = min(self._same[stream], step)
        super().set_flag(stream, step, flag)

    def read_heads(self) -> np.ndarray:
        """Copies everything that the base directory holds to this node, and counts on from there.

        Returns:
          As `Ring.read_heads`.
        """
        heads = self._kept.read_heads()
        for stream, head in enumerate(heads.tolist()):
            self.copy(self._kept, stream, max(0, head - self.rows), head)
        self._same = heads.copy()
        return heads

    def flush(self) -> None:
        """Returns when all steps are on the disk of the base directory. Copies what is new."""
        for stream, head in enumerate(self._heads.tolist()):
            start = max(int(self._same[stream]), head - self.rows)
            self._kept.copy(self, stream, start, head)
            self._same[stream] = head
        self._kept.flush()

    def close(self) -> None:
        """Closes the files, and removes those of this node."""
        self._kept.close()
        super().close()
        remove(self._directory)
