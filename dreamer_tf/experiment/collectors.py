"""Collectors for Dopamine's CollectorDispatcher."""

import ast
import copy
import functools
import json
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import summary_v2 as hparams

from dreamer_tf.agents.dopamine_compat import (
    COLLECTORS,
    Collector,
    StatisticsInstance,
    TensorboardCollector,
    add_collector,
)
from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.experiment import gin_files
from dreamer_tf.experiment.session import now
from dreamer_tf.open_loop import gif
from dreamer_tf.storage.files import open_file


def register() -> None:
    """Makes known to Dopamine's dispatcher what gin names as its collectors.

        CollectorDispatcher.collectors = ('console', 'json_lines', @MyCollector)

    Dopamine looks each entry up in a table, and passes over what it does not find. A class stands
    in that table under itself.

    Raises:
      UserError: an entry is neither a name in the table nor a class derived from `Collector`.
    """
    name = "CollectorDispatcher.collectors"
    try:
        found = copy.deepcopy(gin_files.parameter(name, ()))  # as gin replaces its references
    except TypeError as error:
        raise UserError(f"{name}: write a class as in @MyCollector, without ().") from error
    for entry in found:
        if isinstance(entry, str):
            if entry not in COLLECTORS:
                known = [known for known in COLLECTORS if isinstance(known, str)]
                hint = did_you_mean(entry, known) or f" There are {', '.join(sorted(known))}."
                raise UserError(f"{name} has '{entry}', which does not exist.{hint}")
        elif callable(entry):
            add_collector(entry, functools.partial(_make, entry))
        else:
            raise UserError(f"{name} has {entry!r}: write names, or classes as in @MyCollector.")


def _make(constructor: Callable[[str], Any], base_dir: str) -> Collector:
    made = constructor(base_dir)
    if not isinstance(made, Collector):
        raise UserError(
            f"CollectorDispatcher.collectors has a {type(made).__name__}, which is no collector: "
            "derive it from dreamer_tf.experiment.collectors.Collector."
        )
    return made


class JsonLinesCollector(Collector):
    """Writes metrics/json_lines/metrics.jsonl.

    A line is {"step": 1000, "time": "2026-01-31T12:00:00.000+00:00", "Agent/image_loss": 3921.5}.
    `step` counts agent steps. Statistics of one call and one step share a line. A line is written
    in one piece, so a reader never sees half of it.
    """

    def __init__(self, base_dir: str):
        """Opens the file for appending: a resumed run continues it."""
        super().__init__(base_dir)
        path = Path(self._base_dir, "metrics.jsonl")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = open(open_file(path, flags, below=base_dir), "a")

    def get_name(self) -> str:
        """Name in gin and of the directory."""
        return "json_lines"

    def write(self, statistics: Sequence[StatisticsInstance]) -> None:
        """Writes the scalars and skips other types."""
        lines: dict[int, dict[str, float]] = {}
        for statistic in statistics:
            if self.check_type(statistic.type):
                value = float(np.asarray(statistic.value))
                lines.setdefault(int(statistic.step), {})[statistic.name] = value
        for step, values in lines.items():
            self._file.write(json.dumps({"step": step, "time": now()} | values) + "\n")
        # A killed process must not lose lines that a checkpoint counts on.
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


add_collector("json_lines", JsonLinesCollector)


class ScalarCollector(TensorboardCollector):
    """Dopamine's collector for TensorBoard, in constant memory.

    TensorFlow keeps a tensor of every Python number that it has ever converted, about 700 bytes
    each, and a scalar has two of them, its value and its step. It does not keep NumPy's numbers.
    """

    def write(self, statistics: Sequence[StatisticsInstance]) -> None:
        """Writes the scalars and skips other types."""
        super().write(
            [
                StatisticsInstance(
                    statistic.name,
                    np.asarray(statistic.value, np.float64)[()],
                    np.int64(statistic.step),
                    statistic.type,
                )
                for statistic in statistics
                if self.check_type(statistic.type)
            ]
        )


# In the place of Dopamine's, under the name that gin files have for it.
add_collector("tensorboard", ScalarCollector)


class MediaCollector(Collector):
    """What Dopamine's own collector for TensorBoard skips.

    Histograms (type 'histogram', any array), videos ('video', frames [T, H, W, 3] uint8), texts
    ('text') and the configuration ('configuration', a dict, for the tab HPARAMS). They go into the
    directory where that collector writes the scalars.
    """

    def __init__(self, base_dir: str):
        """Opens a second event file beside that of the scalars."""
        super().__init__(base_dir, ("histogram", "video", "text", "configuration"))
        self._writer = tf.summary.create_file_writer(self._base_dir, filename_suffix=".media")

    def get_name(self) -> str:
        """Name of the directory; the name in gin is 'media'."""
        return "tensorboard"

    def write(self, statistics: Sequence[StatisticsInstance]) -> None:
        """Writes all but scalars."""
        with self._writer.as_default():
            for statistic in statistics:
                step = np.int64(statistic.step)  # as in `ScalarCollector`
                if statistic.type == "histogram":
                    tf.summary.histogram(statistic.name, statistic.value, step)
                elif statistic.type == "video":
                    _write_video(statistic, step)
                elif statistic.type == "text":
                    # Four spaces keep the line breaks in TensorBoard's Markdown.
                    text = textwrap.indent(statistic.value, "    ")
                    tf.summary.text(statistic.name, text, step)
                elif statistic.type == "configuration":
                    summary = hparams.hparams_pb(plain(statistic.value))
                    tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)

    def flush(self) -> None:
        """Waits until everything is on disk."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


def plain(configuration: Mapping[str, str]) -> dict[str, bool | int | float | str]:
    """Values that programs can sort and filter by: numbers and booleans where the text is one."""
    found: dict[str, bool | int | float | str] = {}
    for key, text in configuration.items():
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = text
        found[key] = value if isinstance(value, bool | int | float | str) else text
    return found


def _write_video(statistic: StatisticsInstance, step: np.int64) -> None:
    """TensorBoard has no video, but it plays a GIF in place of an image."""
    frames = statistic.value
    image = tf.compat.v1.Summary.Image(
        height=frames.shape[1],
        width=frames.shape[2],
        colorspace=3,
        encoded_image_string=gif.encode_gif(frames),
    )
    value = tf.compat.v1.Summary.Value(tag=statistic.name, image=image)
    summary = tf.compat.v1.Summary(value=[value])
    tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)


add_collector("media", MediaCollector)
