"""How agents log: averages over updates, written to Dopamine's CollectorDispatcher."""

from collections.abc import Container, Mapping
from typing import Any

import numpy as np


class AllBut(Container[str]):
    """Names of collectors, for Dopamine's dispatcher: all but a few, so also those from outside."""

    def __init__(self, *names: str):
        """Takes the names of collectors that get nothing."""
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name not in self._names


# Who gets every number. The console gets those of an iteration only.
DETAILED = AllBut("console", "pickle")


class MetricAverager:
    """Averages the metrics of updates until a line of the log is full."""

    def __init__(self, every: int):
        """Starts an empty line.

        Args:
          every: updates in a line.
        """
        self._every = every
        self.pending: list[dict[str, float]] = []
        self.latest: dict[str, float] = {}

    def add(self, metrics: dict[str, float]) -> bool:
        """Adds one update; values that were not finite are missing from it.

        `latest` is renewed at the first update of a line, so that a progress bar has something to
        show at once, and when the line is full.

        Args:
          metrics: of the update, by name.

        Returns:
          Whether the line is full: `latest` is then its average, and the next line begins.
        """
        self.pending.append(metrics)
        full = len(self.pending) >= self._every
        if full or len(self.pending) == 1:
            self.latest = self._average()
        if full:
            self.pending.clear()
        return full

    def _average(self) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for metrics in self.pending:
            for name, value in metrics.items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}


def write_agent_metrics(
    dispatcher: Any, values: Mapping[str, float], seconds: Mapping[str, float], step: int
) -> None:
    """Writes what an agent measured, as 'Agent/<name>'.

    Args:
      dispatcher: Dopamine's CollectorDispatcher; None writes nothing.
      values: metrics by name.
      seconds: time since the start of the run, by activity.
      step: agent steps.
    """
    if dispatcher is None:
        return
    # Imported here, so that an agent that does not log works without Dopamine.
    from dreamer_tf.agents.dopamine_compat import StatisticsInstance

    named = {**values, **{f"seconds_{name}": value for name, value in seconds.items()}}
    dispatcher.write(
        [StatisticsInstance(f"Agent/{name}", value, step) for name, value in named.items()],
        collector_allowlist=DETAILED,
    )
