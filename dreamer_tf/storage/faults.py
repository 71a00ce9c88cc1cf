"""Points at which the tests of resuming kill the process.

DREAMER_TF_FAULT=checkpoint_written:2 kills it where `point("checkpoint_written")` is passed for
the second time. Without the variable nothing happens.
"""

import os
import signal

VARIABLE = "DREAMER_TF_FAULT"
POINTS = (
    "replay_flushed",  # before anything of a checkpoint is written
    "arrays_written",  # half of a checkpoint is there
    "checkpoint_written",  # all of it, not yet under its name
    "checkpoint_renamed",  # before the old ones are removed
    "scores_written",  # after an iteration, before its checkpoint
)
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Kills the process here if the environment says so."""
    wanted, _, count = os.environ.get(VARIABLE, "").partition(":")
    if wanted != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
