"""The world model and its loss (paper 2.1, eq. 2)."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.factored import ACTION_MASK, has_mask, is_discrete, mask_size
from dreamer_tf.environments.interface import action_size
from dreamer_tf.networks import layers, replicas
from dreamer_tf.networks.decoders import Decoder
from dreamer_tf.networks.distributions import binary, tfd, unit_normal
from dreamer_tf.networks.encoders import Encoder
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.module import Module
from dreamer_tf.networks.parts import DecoderPart, EncoderPart, HeadPart, make_part
from dreamer_tf.networks.schedules import FractionValue, NonNegativeValue, as_schedule
from dreamer_tf.networks.shapes import check_shape
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Fraction, NonNegativeFloat
from dreamer_tf.world_model.additions import Additions
from dreamer_tf.world_model.rssm import RSSM, LatentState

_REWARD_TRANSFORMS = {"tanh": tf.tanh, "identity": tf.identity, "sign": tf.sign}
_GRADIENT_HEADS = ("image", "reward", "discount")


class Batch(NamedTuple):
    """Sequences of steps; index t holds what arrived at time t (docs/indices.md)."""

    observation: dict[str, tf.Tensor]  # images [B, T, H, W, C] uint8, vectors [B, T, K] float32
    action: tf.Tensor  # [B, T, A] float32, the action that LED to observation t
    reward: tf.Tensor  # [B, T] float32, not transformed
    is_first: tf.Tensor  # [B, T] bool, an episode starts here
    is_last: tf.Tensor  # [B, T] bool, the episode ended here, terminated or truncated
    is_terminal: tf.Tensor  # [B, T] bool, the environment terminated; False on a time limit


class WorldModelOutputs(NamedTuple):
    """What the loss is made of."""

    posterior: LatentState  # [B, T, ...]
    posterior_parameters: tf.Tensor  # [B, T, *parameter_shape]
    prior_parameters: tf.Tensor  # [B, T, *parameter_shape]
    log_likelihoods: dict[str, tf.Tensor]  # [B, T] each
    kl: tf.Tensor  # [B, T], nats
    losses: dict[str, tf.Tensor]  # unscaled scalars by name


@configurable(denylist=["observation_space", "action_space", "rng", "precision"])
class WorldModel(Module):
    """Encoder, RSSM and the image, reward and discount predictors (eq. 1)."""

    encoder: EncoderPart

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        discount: FractionValue = 0.995,
        kl_scale: NonNegativeValue | None = 0.1,
        kl_balance: Fraction | None = 0.8,
        free_nats: NonNegativeFloat = 0.0,
        free_average: bool = True,
        reward_transform: Literal["tanh", "identity", "sign"] = "tanh",
        reward_scale: NonNegativeFloat = 1.0,
        discount_scale: NonNegativeFloat = 1.0,
        image_scale: NonNegativeFloat = 1.0,
        predict_discount: bool = True,
        gradient_heads: tuple[Literal["image", "reward", "discount"], ...] = (
            "image",
            "reward",
            "discount",
        ),
        encoder: Callable[..., EncoderPart] | None = None,
        rssm: Callable[..., RSSM] | None = None,
        decoder: Callable[..., DecoderPart] | None = None,
        heads: dict[str, Callable[..., HeadPart]] | None = None,
        losses: dict[str, Callable[..., tf.Tensor]] | None = None,
    ):
        """Builds the networks.

        Args:
          observation_space: observations by name.
          action_space: Discrete or Box.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          discount: gamma, number or schedule over updates (Table D1: 0.995).
          kl_scale: beta, number or schedule over updates (Table D1: 0.1). None means 0.1 for
            discrete and 1.0 for continuous actions (2.1).
          kl_balance: alpha, the share of the KL loss that trains the prior (Algorithm 2,
            Table D1: 0.8); None for the plain KL, which trains both sides fully.
          free_nats: nats below which the KL loss has no gradient (DreamerV1: 3).
          free_average: applies free nats to the mean over the batch; False: to each step.
          reward_transform: 'tanh', 'identity' or 'sign' (Table D1: tanh).
          reward_scale: weight of the reward loss.
          discount_scale: weight of the discount loss (released code: 5).
          image_scale: weight of the observation losses.
          predict_discount: whether there is a discount head. Without it the discount is gamma
            everywhere, so use it only where episodes never terminate.
          gradient_heads: which of 'image', 'reward', 'discount' send gradients into the features
            (Table 2: no image gradients, no reward gradients).
          encoder: makes an `EncoderPart` of yours; `Encoder` by default.
          rssm: makes a recurrent model of yours, of a class derived from `RSSM`.
          decoder: makes a `DecoderPart` of yours; `Decoder` by default.
          heads: make a `HeadPart` each, by the name of the loss. One named 'reward' takes the place
            of the reward head.
          losses: functions `(model, data, outputs) -> scalar`, by the name of the loss, which are
            added to eq. 2. `data` is the batch after `preprocess`. One named 'kl' takes the place
            of the KL loss.

        Raises:
          UserError: unknown reward transform or gradient head, or a part lacks a member.
        """
        super().__init__(precision)
        if kl_scale is None:
            kl_scale = 0.1 if is_discrete(action_space) else 1.0
        self._discount = as_schedule(discount, "WorldModel.discount", 1.0)
        self._kl_scale = as_schedule(kl_scale, "WorldModel.kl_scale")
        self._kl_balance = kl_balance
        self._free_nats, self._free_average = free_nats, free_average
        self.reward_transform = reward_transform
        self.predict_discount = predict_discount
        self._reward_transform = _REWARD_TRANSFORMS[reward_transform]
        self._gradient_heads = tuple(gradient_heads)
        # All modules draw their weights from one generator: their order is part of every result.
        sizes = {"rng": rng, "precision": precision}
        new: Callable[..., Any] = functools.partial(make_part, **sizes)
        actions = action_size(action_space)
        self.encoder = new("WorldModel.encoder", encoder or Encoder, EncoderPart, observation_space)
        self.rssm: RSSM = new("WorldModel.rssm", rssm or RSSM, RSSM, self.encoder.size, actions)
        self.feature_size = self.rssm.feature_size
        self.mask_entries = has_mask(observation_space, action_space) * mask_size(action_space)
        predicted = _predicted(observation_space, self.mask_entries)
        self.decoder: DecoderPart = new(
            "WorldModel.decoder", decoder or Decoder, DecoderPart, predicted, self.feature_size
        )
        self._reward = self._head("reward", "mean", "reward" not in (heads or {}), **sizes)
        self._discount_head = self._head("discount", "logit", predict_discount, **sizes)
        self._mask_head = self._head(ACTION_MASK, "logits", self.mask_entries, **sizes)
        self._added = Additions(heads, losses, self.feature_size, observation_space, **sizes)
        self._scales = {name: head.scale for name, head in self._added.heads.items()}
        self._scales |= dict.fromkeys(predicted.spaces, image_scale)
        self._scales |= {"reward": reward_scale, "discount": discount_scale, ACTION_MASK: 1.0}
        self.loss_floors = self.decoder.loss_floors

    def _head(self, name: str, output: str, size: int, **sizes: Any) -> MLP | None:
        """An MLP with one output; None without a size."""
        if not size:
            return None
        with gin.config_scope(name):
            return MLP(self.feature_size, {output: int(size)}, name=name, **sizes)

    def _embed(self, flat: dict[str, tf.Tensor], size: int, length: int) -> tf.Tensor:
        """Embeddings [B, T, E] of observations [B*T, ...]."""
        embedding, shape = self.encoder(flat), [size * length, self.encoder.size]
        # Another shape could be reshaped, and would mix the steps.
        check_shape("WorldModel.encoder: the embedding", embedding, shape, "[B*T, E]")
        return tf.reshape(embedding, [size, length, self.encoder.size])

    @property
    def acting_variables(self) -> list[keras.Variable]:
        """What the policy needs: everything but what only predicts.

        A class of yours may use weights of its own in `preprocess_observation`.
        """
        predicts = (self.decoder, self._reward, self._discount_head, self._mask_head)
        others = [*predicts, *self._added.heads.values()]
        left_out = {
            id(variable) for module in others if module is not None for variable in module.variables
        }
        return [variable for variable in self.variables if id(variable) not in left_out]

    def preprocess(self, batch: Batch) -> Batch:
        """Scales bytes and bits to [-0.5, 0.5] and transforms rewards; the rest passes through."""
        return batch._replace(
            observation=self.preprocess_observation(batch.observation),
            reward=self._reward_transform(tf.cast(batch.reward, tf.float32)),
        )

    def preprocess_observation(self, observation: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """uint8 -> float32 / 255 - 0.5; bool -> float32 - 0.5; other vectors -> float32."""
        found = {key: tf.cast(value, tf.float32) for key, value in observation.items()}
        for key, value in observation.items():
            if value.dtype == tf.uint8:
                found[key] = found[key] / 255.0 - 0.5
            elif value.dtype == tf.bool:
                found[key] -= 0.5
        return found

    def start(self, batch: Batch, update: tf.Tensor) -> None:
        """Lets the decoder see the data that training begins with, before each update.

        Args:
          batch: sequences, [B, T, ...], not preprocessed.
          update: number of the update; 0 for the first one.
        """
        self.decoder.start(self.preprocess_observation(batch.observation), update)

    def discount_target(self, is_terminal: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
        """The true discount factor: gamma, or 0 where the environment terminated (2.1).

        Args:
          is_terminal: [...] bool.
          update: number of the update, for schedules.

        Returns:
          [...] float32.
        """
        gamma = self._discount(update)
        if self._discount_head is None:
            # As in the authors' code: a model that cannot predict an end ignores it here too.
            return tf.fill(tf.shape(is_terminal), gamma)
        return (1.0 - tf.cast(is_terminal, tf.float32)) * gamma

    def loss(
        self, batch: Batch, seed: tf.Tensor, update: tf.Tensor, state: LatentState | None = None
    ) -> tuple[tf.Tensor, WorldModelOutputs]:
        """The loss of eq. 2 on one batch.

        Args:
          batch: sequences, [B, T, ...], not preprocessed.
          seed: [2] int32, stateless.
          update: number of the update, for schedules.
          state: [B, ...] state before the batch; None for zeros.

        Returns:
          Scalar float32 loss, and what it is made of.

        Raises:
          ValueError: the batch or a term of the loss has a wrong shape or dtype.
        """
        _check_batch(batch)
        data = self.preprocess(batch)
        size, length = batch.reward.shape
        flat = {key: _merge(value) for key, value in data.observation.items()}  # [B*T, ...]
        embedding = self._embed(flat, size, length)
        states, posterior, prior = self.rssm.observe(
            embedding,
            data.action,
            data.is_first,
            state or self.rssm.initial(size),
            seed,
        )
        predictions = self._predictions(self.rssm.features(states))  # features [B, T, F]
        targets = data.observation | {
            "reward": data.reward,
            "discount": self.discount_target(data.is_terminal, update),
        }
        targets |= self._added.targets(batch, data)
        likelihoods = {key: head.log_prob(targets[key]) for key, head in predictions.items()}
        kl_loss, kl = self.kl_loss(posterior, prior)
        check_shape("WorldModel.loss: kl", kl, (size, length), "[B, T]")
        losses = {"kl": kl_loss}
        total = self._kl_scale(update) * kl_loss
        for key, likelihood in likelihoods.items():
            name = f"WorldModel.loss: log-likelihood of '{key}'"
            check_shape(name, likelihood, (size, length), "[B, T]")
            losses[key] = -tf.reduce_mean(likelihood)
            total += self._scales[key] * losses[key]
        outputs = WorldModelOutputs(states, posterior, prior, likelihoods, kl, losses)
        for name, value in self._added.values(self, data, outputs).items():
            # Another KL loss takes the place of ours, with the same weight.
            total += self._kl_scale(update) * (value - kl_loss) if name == "kl" else value
            losses[name] = value
        return total, outputs

    def open_loop(
        self, batch: Batch, seed: tf.Tensor, context: int
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Predicts observations from actions alone, after seeing the first `context` of them.

        Args:
          batch: sequences of T steps; no episode starts after the context.
          seed: [2] int32, stateless.
          context: number of observations that the posterior filters, at least 1.

        Returns:
          The preprocessed observations and their predictions (reconstructions up to `context`),
          [B, T, ...] by name.
        """
        seeds = tf.random.split(seed, 2)
        truth = self.preprocess_observation(batch.observation)
        size, length = batch.reward.shape
        flat = {key: _merge(value[:, :context]) for key, value in truth.items()}
        embedding = self._embed(flat, size, context)
        states, *_ = self.rssm.observe(
            embedding,
            batch.action[:, :context],
            batch.is_first[:, :context],
            self.rssm.initial(size),
            seeds[0],
        )

        def advance(state: LatentState, now: tuple[tf.Tensor, tf.Tensor]) -> LatentState:
            return self.rssm.imagine_step(state, *now)

        actions = tf.transpose(batch.action[:, context:], [1, 0, 2])  # [T-context, B, A]
        last = LatentState(*(x[:, -1] for x in states))
        dreamt = tf.scan(advance, (actions, tf.random.split(seeds[1], length - context)), last)
        states = LatentState(  # [B, T, ...]
            *(
                tf.concat([seen, tf.transpose(later, [1, 0, 2])], 1)
                for seen, later in zip(states, dreamt, strict=True)
            )
        )
        prediction = self.decode(states)
        return {key: value for key, value in truth.items() if key in prediction}, prediction

    def decode(self, state: LatentState) -> dict[str, tf.Tensor]:
        """Mean of each observation in a state, float32; images are in [-0.5, 0.5]."""
        means = self.decoder.means(self.rssm.features(state))
        return {key: tf.cast(mean, tf.float32) for key, mean in means.items()}

    def kl_loss(self, posterior: tf.Tensor, prior: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """KL balancing (Algorithm 2) with free nats.

        Args:
          posterior: parameters of q(z | h, x), [..., *parameter_shape].
          prior: parameters of p(z | h).

        Returns:
          Scalar loss, and KL(posterior || prior) per step, [...], in nats.

        Raises:
          ValueError: the divergence is not one number per step.
        """
        steps = posterior.shape[: -len(self.rssm.latent.parameter_shape)]

        def divergence(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
            distribution = self.rssm.latent.distribution
            value = tfd.kl_divergence(distribution(left), distribution(right))
            check_shape("WorldModel.kl_loss: divergence", value, steps, "one per step")
            return value

        def free(value: tf.Tensor) -> tf.Tensor:
            if self._free_average:
                return _at_least(tf.reduce_mean(value), self._free_nats)
            return tf.reduce_mean(tf.maximum(value, self._free_nats))

        if self._kl_balance is None:
            value = divergence(posterior, prior)
            return free(value), value
        # Both have the same value. They differ in which side learns: the prior is to learn faster
        # than the posterior, so that the posterior is not pulled towards an untrained prior.
        value = divergence(tf.stop_gradient(posterior), prior)
        regularizer = divergence(posterior, tf.stop_gradient(prior))
        balance = self._kl_balance
        return balance * free(value) + (1.0 - balance) * free(regularizer), value

    def reward(self, features: tf.Tensor) -> tf.Tensor:
        """Mean of the (transformed) reward at each state: [..., F] -> [...] float32."""
        if self._reward is None:
            return self._added.heads["reward"].distribution(features).mean()
        return self._reward(features)["mean"][..., 0]

    def imagined_reward(self, features: tf.Tensor) -> tf.Tensor:
        """The reward that behavior learns from: [..., F] -> [...] float32.

        A class derived from this one may add to it, for example a bonus for exploration.
        """
        return self.reward(features)

    def discount(self, features: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
        """Predicted discount at each state, gamma included: [..., F] -> [...] float32.

        With a discount head, `update` has no effect: the head follows its targets.
        """
        if self._discount_head is None:
            return tf.fill(tf.shape(features)[:-1], self._discount(update))
        return tf.sigmoid(self._discount_head(features)["logit"][..., 0])

    def action_mask(self, features: tf.Tensor) -> tf.Tensor | None:
        """Which actions the model takes for allowed in a state.

        Args:
          features: [..., F].

        Returns:
          [..., values of choices] bool; None if the environment has no mask.
        """
        if self._mask_head is None:
            return None
        return self._mask_head(features)["logits"] > 0.0

    def _predictions(self, features: tf.Tensor) -> dict[str, tfd.Distribution]:
        """Distributions of all targets, for features [B, T, F]."""

        # A head outside of `gradient_heads` still learns, but does not shape the features.
        def view(head: str) -> tf.Tensor:
            return features if head in self._gradient_heads else tf.stop_gradient(features)

        predictions = dict(self.decoder.distributions(view("image")))
        if self._reward is not None:
            predictions["reward"] = unit_normal(self.reward(view("reward")), 0)
        if self._discount_head is not None:
            logit = self._discount_head(view("discount"))["logit"][..., 0]
            # The target gamma * (1 - is_terminal) is a soft label, which float32 allows.
            predictions["discount"] = tfd.Bernoulli(logits=logit, dtype=tf.float32)
        if self._mask_head is not None:
            predictions[ACTION_MASK] = binary(self._mask_head(features)["logits"], 1)
        blocked = {"reward"} - set(self._gradient_heads)
        return predictions | self._added.predictions(features, blocked)


def _predicted(space: gymnasium.spaces.Dict, mask_entries: int) -> gymnasium.spaces.Dict:
    """What the decoder predicts. A mask has a head, so that imagination need not decode it all."""
    if not mask_entries:
        return space
    parts = {key: box for key, box in space.spaces.items() if key != ACTION_MASK}
    return gymnasium.spaces.Dict(parts)


def _at_least(average: tf.Tensor, free_nats: float) -> tf.Tensor:
    """The mean over the batch; `free_nats` without a gradient where it is below them."""
    if not free_nats:
        return tf.maximum(average, 0.0)
    # They hold for the batch of all replicas: a part of it may be above them and another below.
    overall = replicas.mean(tf.stop_gradient(average))
    return tf.where(overall < free_nats, free_nats, average)


def _merge(x: tf.Tensor) -> tf.Tensor:
    """[B, T, ...] -> [B*T, ...]."""
    return tf.reshape(x, [-1, *x.shape[2:]])


def _check_batch(batch: Batch) -> None:
    """Wrong shapes would otherwise broadcast, or fail deep inside a matrix product."""
    check_shape("Batch.reward", batch.reward, (None, None), "[B, T]")
    size = tuple(batch.reward.shape)
    check_shape("Batch.action", batch.action, (*size, None), "[B, T, A]")
    for name in ("is_first", "is_last", "is_terminal"):
        flag = getattr(batch, name)
        check_shape(f"Batch.{name}", flag, size, "[B, T]")
        if flag.dtype != tf.bool:
            raise ValueError(f"Batch.{name} is {flag.dtype.name}, but must be bool.")
    for key, value in batch.observation.items():
        others = [None] * (len(value.shape) - 2)
        check_shape(f"Batch.observation['{key}']", value, (*size, *others), "[B, T, ...]")
