"""What a checkpoint holds of the runner."""

from typing import Any

import msgspec

from dreamer_tf.experiment.phases import Phase
from dreamer_tf.scores.score_files import Score
from dreamer_tf.storage import schema
from dreamer_tf.storage.schema import Count


class SavedRunner(msgspec.Struct):
    """Progress, and what has been logged."""

    iteration: Count
    phases: "SavedPhases"
    interruptions: Count
    logs: dict[str, Any]  # of Dopamine's logger
    scores: list[Score]
    log_sizes: dict[str, Count]


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
