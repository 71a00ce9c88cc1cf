"""One row for every finished episode, in `episodes.jsonl`, long before an iteration is over."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from dreamer_tf.experiment.session import now
from dreamer_tf.storage.files import open_file

FILE = "episodes.jsonl"


class Episode(NamedTuple):
    """What is known at the end of an episode."""

    phase: str  # 'train' or 'eval'
    step: int  # agent steps of training so far
    frames: int  # environment frames of training so far
    updates: int  # updates so far
    value: float  # return, unclipped; 'return' in the file
    length: int  # agent steps of this episode
    seconds: float  # wall-clock time that the run has taken so far, in all of its processes
    info: Mapping[str, float] = {}  # what the environment names; 'info' is left out if empty


class EpisodeLog:
    """Appends rows. A checkpoint knows the size of the file, and a resumed run cuts it back."""

    def __init__(self, base_dir: str | os.PathLike):
        """Opens nothing yet, because a resumed run cuts the file back first.

        Args:
          base_dir: base directory of the run.
        """
        self._base_dir = base_dir
        self._file: IO[str] | None = None

    def write(self, episode: Episode) -> None:
        """Appends a row. It is written in one piece and at once, so a reader never sees half of it.

        Raises:
          OSError: the disk is full, or something else than a regular file is in the way.
        """
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            path = Path(self._base_dir, FILE)
            self._file = open(open_file(path, flags, below=self._base_dir), "a")
        names = {"value": "return"}
        row = {names.get(name, name): value for name, value in episode._asdict().items()}
        if not episode.info:
            del row["info"]
        self._file.write(json.dumps(row | {"time": now()}) + "\n")
        self._file.flush()
