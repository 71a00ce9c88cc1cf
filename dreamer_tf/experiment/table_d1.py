"""Table D1 of the paper, filled from a configuration."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dreamer_tf.experiment.gin_files import bindings, parameter


class Row(NamedTuple):
    """One hyperparameter."""

    name: str  # as printed
    symbol: str  # as printed
    parameter: str  # gin
    paper: Any


TABLE = (
    Row("Dataset size (FIFO)", "", "EpisodeReplay.capacity", 2_000_000),
    Row("Batch size", "B", "EpisodeReplay.batch_size", 50),
    Row("Sequence length", "L", "EpisodeReplay.sequence_length", 50),
    Row("Discrete latent dimensions", "", "CategoricalLatent.variables", 32),
    Row("Discrete latent classes", "", "CategoricalLatent.classes", 32),
    Row("RSSM number of units", "", "RSSM.units", 600),
    Row("KL loss scale", "beta", "WorldModel.kl_scale", 0.1),
    Row("KL balancing", "alpha", "WorldModel.kl_balance", 0.8),
    Row("World model learning rate", "", "world_model/Optimizer.learning_rate", 2e-4),
    Row("Reward transformation", "", "WorldModel.reward_transform", "tanh"),
    Row("Imagination horizon", "H", "ActorCritic.horizon", 15),
    Row("Discount", "gamma", "WorldModel.discount", 0.995),
    Row("lambda-target parameter", "lambda", "ActorCritic.lambda_", 0.95),
    Row("Actor gradient mixing", "rho", "ActorCritic.gradient_mixing", 1.0),
    Row("Actor entropy loss scale", "eta", "ActorCritic.entropy_scale", 1e-3),
    Row("Actor learning rate", "", "actor/Optimizer.learning_rate", 4e-5),
    Row("Critic learning rate", "", "critic/Optimizer.learning_rate", 1e-4),
    Row("Slow critic update interval", "", "ActorCritic.slow_update_interval", 100),
    Row("Environment steps per update", "", "DreamerV2Agent.train_ratio", 4),
    Row("MPL number of layers", "", "MLP.num_layers", 4),
    Row("MPL number of units", "", "MLP.units", 400),
    Row("Gradient clipping", "", "Optimizer.clip", 100.0),
    Row("Adam epsilon", "", "Optimizer.epsilon", 1e-5),
    Row("Weight decay (decoupled)", "", "Optimizer.weight_decay", 1e-6),
)


def lines() -> list[str]:
    """The table for the configuration that gin holds; a star marks what differs from the paper."""
    header = ("", "hyperparameter", "symbol", "here", "paper", "gin parameter")
    found = [header, *(_cells(row) for row in TABLE)]
    widths = [max(len(cells[column]) for cells in found) for column in range(len(header))]
    return [_line(cells, widths) for cells in found]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    value = parameter(row.parameter, row.paper)
    # 'reward/MLP.units' changes one of the networks only.
    scoped = [
        f"{key.rpartition('/')[0]} {text}"
        for key, text in bindings().items()
        if key.endswith(f"/{row.parameter}")
    ]
    here = ", ".join([_text(value), *scoped])
    mark = "*" if value != row.paper or scoped else ""
    return mark, row.name, row.symbol, here, _text(row.paper), row.parameter


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
