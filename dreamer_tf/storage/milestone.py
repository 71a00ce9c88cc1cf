"""Whether a run has ever completed a checkpoint. Only then is there something to lose."""

import os
from pathlib import Path

from dreamer_tf.storage.files import replace_text

FILE = "has_checkpoints"
_TEXT = "This run has completed a checkpoint. Its configuration and seed cannot change any more.\n"


def reach(base_dir: str | os.PathLike) -> None:
    """Writes the marker, if it is not there; it survives a loss of power.

    Args:
      base_dir: base directory of the run.
    """
    path = Path(base_dir, FILE)
    if not path.exists():
        replace_text(path, _TEXT)


def is_reached(base_dir: str | os.PathLike) -> bool:
    """Whether the run has completed a checkpoint, even if it was removed since.

    Args:
      base_dir: base directory of the run.
    """
    # Runs of older versions have no marker. Their scores and checkpoints say the same.
    checkpoints = Path(base_dir, "checkpoints")
    return (
        Path(base_dir, FILE).exists()
        or Path(base_dir, "scores.json").exists()
        or (checkpoints.is_dir() and any(checkpoints.glob("ckpt-*")))
    )
