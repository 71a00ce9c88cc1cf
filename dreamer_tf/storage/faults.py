"""Fault points: places where the tests of resuming kill the process.

DREAMER_TF_FAULT=checkpoint_written:2 kills the process when it passes
`point("checkpoint_written")` for the second time. Without the variable nothing happens.
"""

import os
import signal

VARIABLE = "DREAMER_TF_FAULT"
POINTS = (
    "replay_flushed",  # nothing of the checkpoint is written yet
    "arrays_written",  # half of the checkpoint is written
    "checkpoint_written",  # all of it is written, but not under its name
    "checkpoint_renamed",  # the old checkpoints are still there
    "scores_written",  # the iteration is over, its checkpoint is not written yet
)
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Kills the process here if the environment variable says so.

    Args:
      name: one of `POINTS`.
    """
    wanted, _, count = os.environ.get(VARIABLE, "").partition(":")
    if wanted != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
