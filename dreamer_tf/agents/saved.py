"""What a checkpoint holds of an agent beside its arrays."""

import sys

import msgspec

from dreamer_tf.storage.schema import Count, Rng


class SavedDreamer(msgspec.Struct):
    """Counters of `DreamerV2Agent`."""

    agent_steps: Count
    evaluation_steps: Count
    rng: Rng
    metrics: dict[str, float]
    since_log: list[dict[str, float]]
    seconds: dict[str, float]
    first_update_step: Count
    bad_updates: Count
    replicas: Count = 1  # devices that made the updates; not in older checkpoints
    own_steps: Count | None = None  # of this worker; not in older checkpoints


def say_replicas(before: int, now: int) -> None:
    """Says on standard error what changes in a run that resumes with another number of replicas."""
    if before != now:
        print(
            f"\nNote: the checkpoint was made with {before} replicas, and this run has {now}: all "
            "weights are the same, but the updates from here on draw other random numbers.",
            file=sys.stderr,
            flush=True,
        )


class SavedDopamine(msgspec.Struct):
    """Counters of `DopamineAgent`."""

    agent_steps: Count
    updates: Count
    training_steps: Count
    metrics: dict[str, float]
    seconds: dict[str, float]


class SavedElements(msgspec.Struct):
    """The index of Dopamine's replay buffer."""

    sampling: dict[str, Rng]
    added: Count
