"""What a part of the agent from outside must be. docs/change_one_idea.md has an example of each.

    gin parameter                 made with                                      interface
    WorldModel.encoder            (observation_space, rng=, precision=)          EncoderPart
    WorldModel.decoder            (observation_space, features, rng=, ...)       DecoderPart
    WorldModel.heads['name']      (features, observation_space, rng=, ...)       HeadPart
    ActorCritic.actor             (features, action_space, rng=, precision=)     ActorPart
    ActorCritic.critic            (features, name=, rng=, precision=)            CriticPart

`features` is F. All weights come from `rng`, a NumPy generator, so that a run repeats. Weights need
names that are unique, because a checkpoint stores them by name; `MLP` and `layers.dense` take one.
Letters: B sequences, T steps, A actions, F features.
"""

import abc
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.distributions import tfd, unit_normal
from dreamer_tf.networks.module import Module


class EncoderPart(Module, abc.ABC):
    """Embeds all observations of a step.

    Attributes:
      size: E, numbers of an embedding.
    """

    NEEDS: ClassVar = ("size",)
    size: int

    @abc.abstractmethod
    def __call__(self, observation: dict[str, tf.Tensor]) -> tf.Tensor:
        """Embeds preprocessed observations.

        Args:
          observation: by name; images and planes [N, H, W, C] and bits [N, K] in [-0.5, 0.5],
            vectors [N, K], all float32.

        Returns:
          [N, E].
        """


class DecoderPart(Module, abc.ABC):
    """Predicts observations from features.

    Attributes:
      keys: names of the observations that it predicts.
      loss_floors: the part of each loss that no prediction can lower, in nats, by name.
    """

    NEEDS: ClassVar = ("keys", "loss_floors")
    keys: list[str]
    loss_floors: dict[str, float]

    @abc.abstractmethod
    def means(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Means by name: [..., F] -> [..., *shape], in the range of the encoder's input."""

    @abc.abstractmethod
    def distributions(self, features: tf.Tensor) -> dict[str, tfd.Distribution]:
        """Distributions by name with batch shape [...], for features [..., F]."""

    def start(self, observation: dict[str, tf.Tensor], update: tf.Tensor) -> None:
        """Called before every update, for what depends on the data that training begins with.

        Args:
          observation: what will be predicted, by name, [B, T, ...], in the range of the means.
          update: number of the update; 0 for the first one.
        """


class HeadPart(Module, abc.ABC):
    """Predicts something else from features.

    Attributes:
      shapes_features: whether its loss sends gradients into the features.
      scale: weight of its loss. Of a head named 'reward' it is `WorldModel.reward_scale`.
    """

    shapes_features: bool = True
    scale: float = 1.0

    @abc.abstractmethod
    def distribution(self, features: tf.Tensor) -> tfd.Distribution:
        """What is predicted: features [..., F] -> batch shape [...].

        That of a head named 'reward' has `mean()`: the reward that behavior learns from, [...].
        """

    @abc.abstractmethod
    def target(self, batch: Any, data: Any) -> tf.Tensor:
        """What should be predicted.

        Args:
          batch: `Batch` [B, T, ...] as stored.
          data: the same, preprocessed, with rewards transformed.

        Returns:
          [B, T, ...], as `distribution(...).log_prob` takes it.
        """


class ActorPart(Module, abc.ABC):
    """Chooses actions from features.

    Attributes:
      action_size: A.
    """

    NEEDS: ClassVar = ("action_size",)
    action_size: int

    @abc.abstractmethod
    def __call__(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Any:
        """The policy in each state.

        Args:
          features: [..., F].
          mask: [..., values of all choices] bool, what may be chosen; None for everything.

        Returns:
          A distribution with batch shape [...] and event shape [A], with `sample(seed=)`,
          `log_prob`, `entropy` and `mode`.
        """


class CriticPart(Module, abc.ABC):
    """The value of states. Two are made, named 'critic' and 'target_critic'.

    The second one is a copy that follows the first, weight by weight, so both have the same layers
    in the same order.
    """

    @abc.abstractmethod
    def value(self, features: tf.Tensor) -> tf.Tensor:
        """What targets and baseline use: [..., F] -> [...] float32."""

    def log_prob(self, features: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """How well targets are predicted (eq. 5): by default under a unit Normal.

        Args:
          features: [..., F], without gradients.
          target: [...] lambda-returns, without gradients.

        Returns:
          Log-likelihoods [...], of which the weighted mean is maximized, and the values [...].
        """
        mean = self.value(features)
        return unit_normal(mean, 0).log_prob(target), mean


def make_part(
    parameter: str, make: Callable[..., Any], kind: Any, *arguments: Any, **settings: Any
) -> Any:
    """Makes a part, maybe one from outside, and checks it.

    Args:
      parameter: that names it, for messages.
      make: its class, or a function.
      kind: its interface.
      *arguments: of `make`.
      **settings: of `make`.

    Raises:
      UserError: it is of another kind, lacks an attribute, or takes other arguments.
    """
    if inspect.isabstract(make):
        lacking = ", ".join(sorted(make.__abstractmethods__))  # type: ignore[attr-defined]
        raise UserError(
            f"{parameter}: {make.__name__} has no {lacking}: define it, as "
            f"{kind.__module__}.{kind.__name__} says."
        )
    try:
        inspect.signature(make).bind(*arguments, **settings)
    except TypeError as error:
        name = getattr(make, "__name__", make)
        raise UserError(
            f"{parameter}: {name} cannot be called as {__name__} says ({error}): change its "
            "arguments."
        ) from error
    part = make(*arguments, **settings)
    if not isinstance(part, kind):
        raise UserError(
            f"{parameter} makes a {type(part).__name__}, but must make a {kind.__name__}: derive "
            f"its class from {kind.__module__}.{kind.__name__}."
        )
    missing = [name for name in getattr(kind, "NEEDS", ()) if not hasattr(part, name)]
    if missing:
        raise UserError(
            f"{parameter}: {type(part).__name__} has no {' and no '.join(missing)}: set it in "
            f"__init__, as {kind.__module__}.{kind.__name__} says."
        )
    return part
