"""Cuts the logs of a killed run back to its checkpoint, so that nothing is logged twice."""

import os
from collections.abc import Mapping
from pathlib import Path

from dreamer_tf.storage.files import open_file

# The logs that a run writes. Other files in these folders belong to the user and stay.
_PATTERNS = (
    "episodes.jsonl",
    "metrics/console/console.log",
    "metrics/json_lines/metrics.jsonl",
    "metrics/tensorboard/events.out.tfevents.*",
    "dreams/iteration-*.gif",
)


def sizes(base_dir: str | os.PathLike) -> dict[str, int]:
    """Sizes of all log files in bytes, by their paths in the base directory."""
    return {
        str(path.relative_to(base_dir)): path.stat().st_size
        for pattern in _PATTERNS
        for path in sorted(Path(base_dir).glob(pattern))
        if path.is_file() and not path.is_symlink()
    }


def cut_back(base_dir: str | os.PathLike, stored: Mapping[str, int]) -> None:
    """Removes what was logged after a checkpoint.

    Args:
      base_dir: base directory of the run.
      stored: what `sizes` returned when the checkpoint was saved; empty if there is no checkpoint.
    """
    for name, size in sizes(base_dir).items():
        path = Path(base_dir, name)
        if name not in stored:  # it was created after the checkpoint
            path.unlink()
        elif size > stored[name]:
            file = open_file(path, os.O_RDWR, below=base_dir)
            try:
                os.ftruncate(file, stored[name])
            finally:
                os.close(file)
