"""Collectors for Dopamine's CollectorDispatcher."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dreamer_tf.experiment.dopamine_compat import Collector, StatisticsInstance, add_collector


class JsonLinesCollector(Collector):
    """Writes every statistic as a line of metrics/json_lines/metrics.jsonl.

    {"step": 1000, "Agent/image_loss": 3921.5, ...}; statistics of one call and one step share a
    line. A line is written whole, so a reader never sees half of one.
    """

    def __init__(self, base_dir: str):
        """Opens the file, to append to it."""
        super().__init__(base_dir)
        self._file = Path(self._base_dir, "metrics.jsonl").open("a")

    def get_name(self) -> str:
        """Name in gin and of the directory."""
        return "json_lines"

    def write(self, statistics: Sequence[StatisticsInstance]) -> None:
        """Writes scalars; other types are skipped."""
        lines: dict[int, dict[str, float]] = {}
        for statistic in statistics:
            if self.check_type(statistic.type):
                value = float(np.asarray(statistic.value))
                lines.setdefault(int(statistic.step), {})[statistic.name] = value
        for step, values in lines.items():
            self._file.write(json.dumps({"step": step} | values) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


add_collector("json_lines", JsonLinesCollector)
