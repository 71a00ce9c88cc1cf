"""How agents log: what they measured goes to Dopamine's CollectorDispatcher."""

from collections.abc import Mapping
from typing import Any

from dreamer_tf.agents.dopamine_compat import StatisticsInstance


def write_agent_metrics(
    dispatcher: Any, values: Mapping[str, float], seconds: Mapping[str, float], step: int
) -> None:
    """Writes what an agent measured, as 'Agent/<name>'.

    Args:
      dispatcher: Dopamine's; None for nowhere.
      values: metrics by name.
      seconds: what took how long, since the start of the run.
      step: agent steps.
    """
    if dispatcher is None:
        return
    named = {**values, **{f"seconds_{name}": value for name, value in seconds.items()}}
    dispatcher.write(
        [StatisticsInstance(f"Agent/{name}", value, step) for name, value in named.items()],
        collector_allowlist=("tensorboard", "json_lines"),
    )
