"""A configuration next to the paper: Table D1, sizes, imagined states, days."""

import tempfile
from pathlib import Path

from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import initial, launch, table_d1
from dreamer_tf.experiment.runner import DreamerRunner


def describe(updates_per_second: float | None = None) -> str:
    """Describes the configuration that gin holds.

    Args:
      updates_per_second: rate for the days of a run; None to measure it here.

    Returns:
      Lines for people. Everything is computed from what is configured; the paper's number stands
      beside it.

    Raises:
      UserError: the agent is not DreamerV2, or as `launch.make_runner`.
    """
    initial.forget()
    with launch.temporary_runner(Path(tempfile.gettempdir()), 0) as runner:
        if not isinstance(runner.agent, DreamerV2Agent):
            raise UserError(
                f"{runner.agent.label} is not in Table D1: name a gin file of DreamerV2, or use "
                "train --dry_run, which describes every agent."
            )
        if updates_per_second is None:
            measured = runner.agent.rehearse(2)
            assert measured is not None  # it has a replay
            updates_per_second, source = (
                1.0 / measured.update,
                f"measured on {runner.session.device}",
            )
        else:
            source = "as given"
        facts = _facts(runner, runner.agent, updates_per_second, source)
    lines = [f"{name:30} {here:40} paper: {paper}" for name, (here, paper) in facts.items()]
    return "\n".join([*table_d1.lines(), "", *lines])


def _facts(
    runner: DreamerRunner, agent: DreamerV2Agent, rate: float, source: str
) -> dict[str, tuple[str, str]]:
    """What follows from the configuration, and the paper's words for it, by name."""
    steps = runner.total_agent_steps
    frames = steps * runner.environment.frames_per_step
    updates = int(steps / agent.train_ratio)
    replay, horizon = agent.replay, agent.learner.actor_critic.horizon
    assert replay is not None  # the runner gives it a base directory
    states = updates * replay.batch_size * replay.sequence_length * horizon
    counts = agent.learner.num_parameters
    days = updates / rate / 86400
    return {
        "parameters of the world model": (f"{counts['world model']:,}", "20M (2.1)"),
        "parameters of the actor": (f"{counts['actor']:,}", "1M (2.2)"),
        "parameters of the critic": (f"{counts['critic']:,}", "1M (2.2)"),
        "frames": (f"{frames:,}", "200M (3)"),
        "agent steps": (f"{steps:,}", "50M (3)"),
        "updates": (f"{updates:,}", "12.5M, from 50M steps and 4 steps per update (D1)"),
        "imagined states": (f"{states / 1e9:,.2f}e9", "468B (3)"),
        "imagined for every observed": (f"{states / max(steps, 1):,.0f}", "10,000 (3)"),
        "days of updates": (
            f"{days:,.1f} at {rate:.3g} updates/s, {source}",
            "under 10, on one V100 GPU (3)",
        ),
    }
