"""What a checkpoint holds of the runner."""

import os
from typing import Any

import msgspec

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.experiment.phases import Phase
from dreamer_tf.scores.score_files import Score
from dreamer_tf.storage import identity, log_files, schema
from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore
from dreamer_tf.storage.schema import Count


class SavedRunner(msgspec.Struct):
    """Progress, and what has been logged."""

    iteration: Count
    phases: "SavedPhases"
    interruptions: Count
    logs: dict[str, Any]  # of Dopamine's logger
    scores: list[Score]
    log_sizes: dict[str, Count]
    workers: Count = 1  # not in older checkpoints


class SavedPhases(msgspec.Struct):
    """Progress of both phases of an iteration."""

    train: Phase
    eval: Phase


def check_runner(state: dict[str, Any]) -> None:
    """Checks the runner's part of a checkpoint.

    Raises:
      ValueError: no runner has saved it.
    """
    schema.check(state.get("runner"), SavedRunner, "runner")


def workers_of(state: dict[str, Any]) -> int:
    """How many workers made a checkpoint, whoever has written it.

    Args:
      state: of the checkpoint.
    """
    runner = state.get("runner")
    found = runner.get("workers", 1) if isinstance(runner, dict) else 1
    return found if type(found) is int and found > 0 else 1


def find_checkpoint(
    store: CheckpointStore, base_dir: str, agent: Agent
) -> tuple[int, Checkpoint] | None:
    """The newest checkpoint that this agent can use, before anything opens a log.

    The logs are cut back to it, because the rest is logged again.

    Raises:
      UserError: there are checkpoints, or there were, but none can be used.
    """

    def check(state: dict[str, Any]) -> None:
        check_runner(state)
        agent.check_state(state)

    found = store.load_latest(expected=agent.expected(), check=check)
    if found is not None:
        log_files.cut_back(base_dir, found[1].state["runner"]["log_sizes"])
        return found
    identity.check_progress(base_dir)
    if os.path.exists(os.path.join(base_dir, identity.FILE)):
        log_files.cut_back(base_dir, {})  # killed before its first checkpoint
    return None
