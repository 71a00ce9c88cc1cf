"""What the gin parameters of Dopamine's own classes may be. Their annotations say too little."""

from collections.abc import Callable
from typing import Any, Literal

from dreamer_tf.settings.types import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Size,
)

_RUNNER: dict[str, Any] = {
    "num_iterations": NonNegativeInt,
    "training_steps": NonNegativeInt,
    "evaluation_steps": NonNegativeInt,
    # None is Dopamine's "no limit"; DreamerRunner refuses it with a sentence of its own.
    "max_steps_per_episode": PositiveInt | None,
    "clip_rewards": bool,
    "log_every_n": PositiveInt,
    "fine_grained_print_to_console": bool,
}
_AGENT: dict[str, Any] = {
    "gamma": Fraction,
    "update_horizon": PositiveInt,
    "min_replay_history": NonNegativeInt,
    "update_period": PositiveInt,
    "target_update_period": PositiveInt,
    "epsilon_train": Fraction,
    "epsilon_eval": Fraction,
    "epsilon_decay_period": PositiveInt,
    "stack_size": PositiveInt,
    "network": Callable[..., Any],
    "optimizer": Literal["adam", "rmsprop", "sgd"],
    "loss_type": Literal["mse", "huber"],
    "replay_scheme": Literal["uniform", "prioritized"],
    "num_atoms": Size,
    "vmax": PositiveFloat,
    "kappa": NonNegativeFloat,
    "noisy": bool,
    "dueling": bool,
    "double_dqn": bool,
    "distributional": bool,
    "num_updates_per_train_step": PositiveInt,
    "num_tau_samples": Size,
    "num_tau_prime_samples": Size,
    "num_quantile_samples": Size,
    "quantile_embedding_dim": Size,
}
_TABLE: dict[str, dict[str, Any]] = {
    "Runner": _RUNNER,
    **dict.fromkeys(
        (
            "JaxDQNAgent",
            "JaxRainbowAgent",
            "JaxQuantileAgent",
            "JaxImplicitQuantileAgent",
            "JaxFullRainbowAgent",
        ),
        _AGENT,
    ),
    "Atari100kRainbowAgent": {"data_augmentation": bool, "mse_loss": bool},
    "SPRAgent": {"jumps": PositiveInt, "spr_weight": NonNegativeFloat},
    "create_optimizer": {
        "learning_rate": PositiveFloat,
        "beta1": Fraction,
        "beta2": Fraction,
        "eps": NonNegativeFloat,
        "centered": bool,
    },
    "ReplayBuffer": {
        "max_capacity": PositiveInt,
        "batch_size": Size,
        "checkpoint_duration": PositiveInt,
        "compress": bool,
    },
    "PrioritizedSamplingDistribution": {"max_capacity": PositiveInt},
    "CollectorDispatcher": {"collectors": tuple[str, ...]},
}


def parameters(name: str) -> dict[str, Any]:
    """Types of the parameters of one of Dopamine's configurables; empty for an unknown one."""
    return _TABLE.get(name, {})
