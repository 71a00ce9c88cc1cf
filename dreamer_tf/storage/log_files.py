"""Logs of a run that was killed are cut back to its checkpoint, so nothing in them is twice."""

import os
from collections.abc import Mapping
from pathlib import Path

# What a run writes there; other files are not ours.
_PATTERNS = (
    "metrics/console/*",
    "metrics/json_lines/*",
    "metrics/tensorboard/events.out.tfevents.*",
    "dreams/iteration-*.gif",
)


def sizes(base_dir: str | os.PathLike) -> dict[str, int]:
    """Bytes of every log file, by its path below the base directory."""
    return {
        str(path.relative_to(base_dir)): path.stat().st_size
        for pattern in _PATTERNS
        for path in sorted(Path(base_dir).glob(pattern))
        if path.is_file()
    }


def cut_back(base_dir: str | os.PathLike, stored: Mapping[str, int]) -> None:
    """Removes what was logged after a checkpoint.

    Args:
      base_dir: of the run.
      stored: from `sizes`, at the time of the checkpoint; empty where there was none.
    """
    for name, size in sizes(base_dir).items():
        path = Path(base_dir, name)
        if name not in stored:
            path.unlink()
        elif size > stored[name]:
            os.truncate(path, stored[name])
