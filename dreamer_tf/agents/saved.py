"""What a checkpoint holds of an agent beside its arrays."""

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
