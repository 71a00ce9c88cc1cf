"""Mirrors of the metrics: Weights & Biases and MLflow, each one collector of Dopamine's dispatcher.

Both take all settings from their own environment variables (`WANDB_MODE`, `MLFLOW_TRACKING_URI` and
so on), so a run's configuration names no server. A mirror that cannot be set up stops the run
before it begins. One that fails later is left out, and the run goes on.
"""

import abc
import importlib.util
import io
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from dreamer_tf.agents.dopamine_compat import Collector, StatisticsInstance, add_collector
from dreamer_tf.errors import UserError
from dreamer_tf.experiment.collectors import plain
from dreamer_tf.open_loop import gif
from dreamer_tf.storage import identity

_STEPS = "agent_steps"
_WAIT = 5.0  # seconds between two messages to a server
_BATCH = 500  # values in one message, at least


class Mirror(Collector):
    """Sends what a run logs elsewhere. Connects at the first statistic."""

    package = ""  # that must be installed

    def __init__(self, base_dir: str):
        """Checks that the package is installed, before time is spent.

        Args:
          base_dir: base directory of the run.

        Raises:
          UserError: it is not.
        """
        # No directory of its own: these libraries write links, which a run directory must not have.
        super().__init__(None, ("text", "configuration", "histogram", "video"))
        self._run_directory = base_dir
        self._connected = self._failed = False
        if importlib.util.find_spec(self.package) is None:
            raise UserError(
                f"CollectorDispatcher.collectors has '{self.get_name()}', but its package is not "
                f"installed: pip install 'dreamer_tf[{self.get_name()}]', or leave it out."
            )

    @abc.abstractmethod
    def _connect(self, facts: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Opens the mirror of this run, a new one or the one that it had before."""

    @abc.abstractmethod
    def _send(self, statistics: Sequence[StatisticsInstance]) -> None:
        """Sends statistics that are no configuration."""

    def _flush(self) -> None:
        """Sends what waits."""

    def _close(self) -> None:
        """Ends the connection."""

    def write(self, statistics: Sequence[StatisticsInstance]) -> None:
        """Sends everything.

        Raises:
          UserError: the mirror cannot be opened.
        """
        values = [item.value for item in statistics if item.type == "configuration"]
        if not self._connected:
            facts = identity.facts(self._run_directory)
            try:
                self._connect(facts, plain(values[0]) if values else {})
            except Exception as error:  # whatever the library raises
                raise UserError(
                    f"CollectorDispatcher.collectors has '{self.get_name()}', which cannot be "
                    f"reached ({_first_line(error)}): mend its settings, or leave it out."
                ) from error
            self._connected = True
        rest = [item for item in statistics if item.type != "configuration"]
        self._try(lambda: self._send(rest))

    def flush(self) -> None:
        """Sends what waits."""
        if self._connected:
            self._try(self._flush)

    def close(self) -> None:
        """Ends the connection; it may be called twice."""
        if self._connected:
            self._try(self._close)
        self._connected, self._failed = False, True

    def _try(self, action: Any) -> None:
        if self._failed:
            return
        try:
            action()
        except Exception as error:  # a server that is gone must not end a run of days
            self._failed = True
            logging.warning("%s gets nothing more: %s", self.get_name(), _first_line(error))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".")


def _identity(facts: Mapping[str, Any]) -> str:
    """The same for every process of a run."""
    found = facts.get("id")
    return found if isinstance(found, str) and found.isalnum() else uuid.uuid4().hex


class WandbCollector(Mirror):
    """Weights & Biases. `WANDB_MODE=offline` writes files below `WANDB_DIR`, to sync later."""

    package = "wandb"

    def get_name(self) -> str:
        """Name in gin."""
        return "wandb"

    def _connect(self, facts: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        import wandb

        name = Path(self._run_directory).absolute().parts[-3:]
        self._run = wandb.init(
            id=_identity(facts)[:16],
            project=os.environ.get("WANDB_PROJECT", "dreamer_tf"),
            name="/".join(name),
            group="/".join(name[:-1]),  # seeds of one configuration and game
            resume="allow",
            config=dict(values),
            settings=wandb.Settings(console="off", silent=True),
        )
        # A resumed run logs some steps again, so steps of W&B, which never go back, would not do.
        self._run.define_metric(_STEPS)
        self._run.define_metric("*", step_metric=_STEPS)

    def _send(self, statistics: Sequence[StatisticsInstance]) -> None:
        import wandb

        rows: dict[int, dict[str, Any]] = {}
        for item in statistics:
            row = rows.setdefault(int(item.step), {})
            if item.type == "scalar":
                row[item.name] = float(np.asarray(item.value))
            elif item.type == "histogram":
                counts = np.histogram(np.ravel(item.value), bins=64)
                row[item.name] = wandb.Histogram(np_histogram=counts)
            elif item.type == "video":
                row[item.name] = wandb.Video(io.BytesIO(gif.encode_gif(item.value)), format="gif")
        for step, row in rows.items():
            if row:
                self._run.log({_STEPS: step} | row)

    def _close(self) -> None:
        self._run.finish()


class MlflowCollector(Mirror):
    """MLflow: scalars, the configuration as parameters, and as a file."""

    package = "mlflow"

    def get_name(self) -> str:
        """Name in gin."""
        return "mlflow"

    def _connect(self, facts: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._waiting: list[Any] = []
        self._sent = time.monotonic()
        self._client = MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "dreamer_tf")
        experiment = self._client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self._client.create_experiment(name)
        run = _identity(facts)
        found = self._client.search_runs([number], f"tags.`dreamer_tf.id` = '{run}'")
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, "RUNNING")
            return
        parts = Path(self._run_directory).absolute().parts[-3:]
        created = self._client.create_run(
            number, tags={"dreamer_tf.id": run}, run_name="/".join(parts)
        )
        self._id = created.info.run_id
        # MLflow takes 100 parameters at once. They cannot change, so a resumed run sends none.
        params = [Param(key.replace("@", ""), str(value)[:500]) for key, value in values.items()]
        for start in range(0, len(params), 100):
            self._client.log_batch(self._id, params=params[start : start + 100])

    def _send(self, statistics: Sequence[StatisticsInstance]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for item in statistics:
            if item.type == "scalar":
                value = float(np.asarray(item.value))
                self._waiting.append(Metric(item.name, value, now, int(item.step)))
            elif item.type == "text":
                self._client.log_text(self._id, item.value, f"{item.name}.gin")
        # A message for every episode would make the run wait for the network.
        if len(self._waiting) >= _BATCH or time.monotonic() - self._sent > _WAIT:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), 1000):  # what MLflow takes at once
            self._client.log_batch(self._id, metrics=waiting[start : start + 1000])
        self._sent = time.monotonic()

    def _close(self) -> None:
        self._flush()
        self._client.set_terminated(self._id)


add_collector("wandb", WandbCollector)
add_collector("mlflow", MlflowCollector)
