"""The compiled policy step and its copy of the weights.

The policy never reads the weights that an update is changing. It reads a copy, and `refresh`
renews the copy between updates. So an update can run in another thread, or on another device,
while the policy acts.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.encoding import ActionEncoding
from dreamer_tf.agents.randomness import Stream, fold_seed
from dreamer_tf.behavior.actor import masked
from dreamer_tf.environments.factored import ACTION_MASK
from dreamer_tf.environments.interface import Observation, boxes
from dreamer_tf.errors import UserError
from dreamer_tf.networks.parts import ActorPart
from dreamer_tf.networks.schedules import NonNegativeValue, as_schedule, is_constant
from dreamer_tf.networks.tracing import Traced
from dreamer_tf.world_model.rssm import LatentState
from dreamer_tf.world_model.world_model import WorldModel


class PolicyState(NamedTuple):
    """What the policy remembers between the steps of an episode."""

    latent: LatentState  # [N, ...]
    action: tf.Tensor  # [N, A] float32, the previous action


class CompiledPolicy:
    """Filters observations with the world model and chooses actions with the actor."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        encoding: ActionEncoding,
        world_model: WorldModel,
        actor: ActorPart,
        *,
        seed: int,
        device: str | None,
        updates: tf.Variable,
        exploration_noise: NonNegativeValue,
        evaluation_action: str,
    ):
        """Copies the weights that the policy needs; nothing is compiled yet.

        Args:
          observation_space: observations by name.
          encoding: of the environment's actions.
          world_model: filters the observations.
          actor: chooses the actions.
          seed: of the run.
          device: `Learner.policy_device`.
          updates: counts the updates that the weights have seen.
          exploration_noise: `Learner.exploration_noise`.
          evaluation_action: `Learner.evaluation_action`.

        Raises:
          UserError: unknown device, or a noise that is out of its range.
        """
        # For actions to choose from it is a probability.
        most = 1.0 if encoding.choices else math.inf
        self._noise = as_schedule(exploration_noise, "Learner.exploration_noise", most)
        self.exploration_noise = exploration_noise
        self._observation_space = observation_space
        self._encoding = encoding
        self._world_model = world_model
        self._actor = actor
        self._seed = seed
        self._evaluation_action = evaluation_action
        self._device = _check_device(device)
        self._sources = [*world_model.acting_variables, *actor.variables]
        with tf.device(self._device):
            self._copies = [tf.Variable(source.value) for source in self._sources]
            self._update = tf.Variable(tf.convert_to_tensor(updates))
        self._updates = updates
        self._functions: dict[tuple[bool, int], Callable] = {}
        self._refresh = Traced(self._assign_copies)

    def initial_state(self, count: int) -> PolicyState:
        """State of `count` environments at the start of an episode."""
        latent = self._world_model.rssm.initial(count)
        return PolicyState(latent, tf.zeros([count, self._encoding.size]))

    def refresh(self) -> None:
        """Renews the copy of the weights; call it after an update or a restore."""
        self._refresh()

    def step(
        self,
        observation: Observation,
        is_first: np.ndarray,
        state: PolicyState,
        counter: int,
        explore: bool,
    ) -> tuple[np.ndarray, PolicyState]:
        """Chooses actions for N environments.

        Args:
          observation: arrays [N, ...] by name.
          is_first: [N] bool; resets the state.
          state: from the previous step.
          counter: number of this step, different for every call of a run.
          explore: True while training: samples the action and adds exploration noise.

        Returns:
          Actions [N] int (Discrete) or [N, ...] float32 in [-1, 1], and the state to pass to the
          next call.
        """
        spaces = self._observation_space.spaces
        arrays = {key: np.asarray(observation[key], box.dtype) for key, box in spaces.items()}
        inputs = tf.nest.flatten((arrays, is_first, state, np.int64(counter)))
        function = self.compiled(explore, len(is_first))
        action, stoch, deter, encoded = function(*map(tf.convert_to_tensor, inputs))
        return action.numpy(), PolicyState(LatentState(stoch, deter), encoded)

    def compiled(self, explore: bool, count: int = 1) -> Callable:
        """The policy step as a function of flat tensors, compiled once for each batch size.

        Every agent step calls it. Flat tensors save the time that TensorFlow would spend on
        matching nested arguments to a signature.

        Args:
          explore: as in `step`.
          count: N, number of environments.

        Returns:
          A function of the flattened arguments of `step` that returns flattened results.
        """
        if (explore, count) not in self._functions:
            observation = {
                key: tf.TensorSpec((count, *box.shape), box.dtype)
                for key, box in boxes(self._observation_space).items()
            }
            state = tf.nest.map_structure(tf.TensorSpec.from_tensor, self.initial_state(count))
            first, counter = tf.TensorSpec([count], tf.bool), tf.TensorSpec([], tf.int64)
            structure = (observation, first, state, counter)

            def flat(*inputs: tf.Tensor) -> list[tf.Tensor]:
                packed = tf.nest.pack_sequence_as(structure, inputs)
                pairs = zip(self._sources, self._copies, strict=True)
                values = [(source, copy.read_value()) for source, copy in pairs]
                # Inside the scope the layers compute with the copies instead of their own weights.
                with tf.device(self._device), keras.StatelessScope(values):
                    return tf.nest.flatten(self._choose(*packed, explore=explore))

            function = tf.function(flat, input_signature=tf.nest.flatten(structure))
            self._functions[explore, count] = function.get_concrete_function()
        return self._functions[explore, count]

    def _assign_copies(self) -> None:
        for copy, source in zip(self._copies, self._sources, strict=True):
            copy.assign(source.value)
        self._update.assign(self._updates)

    def _choose(
        self,
        observation: dict[str, tf.Tensor],
        is_first: tf.Tensor,
        state: PolicyState,
        counter: tf.Tensor,
        *,
        explore: bool,
    ) -> tuple[tf.Tensor, PolicyState]:
        # Evaluations draw from a stream of their own, so they do not change the training.
        stream = Stream.POLICY if explore else Stream.EVALUATION
        seeds = tf.random.split(fold_seed(self._seed, stream, counter), 4)
        model = self._world_model
        embedding = model.encoder(model.preprocess_observation(observation))
        latent = model.rssm.observe_step(embedding, state.action, is_first, state.latent, seeds[0])
        # The environment says here what is allowed; in imagination the model predicts it.
        mask = observation[ACTION_MASK] if model.mask_entries else None
        policy = self._actor(model.rssm.features(latent), mask)
        if explore or self._evaluation_action == "sample":
            action = policy.sample(seed=seeds[1])
        else:
            action = tf.cast(policy.mode(), tf.float32)
        if explore and not is_constant(self.exploration_noise, 0.0):
            # That of the weights that act, also while an update goes on.
            noise = self._noise(self._update.read_value())
            action = self._add_noise(action, noise, seeds[2:], mask)
        return self._encoding.decode(action), PolicyState(latent, action)

    def _add_noise(
        self,
        action: tf.Tensor,
        noise: tf.Tensor,
        seeds: tf.Tensor,
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """DreamerV1's exploration: actions [N, A] with noise, still in [-1, 1] or one-hot."""
        sizes = self._encoding.choices
        if not sizes:
            return _with_normal(action, noise, seeds[0])
        masks = [None] * len(sizes) if mask is None else tf.split(mask, sizes, -1)
        *parts, numbers = self._encoding.split(action)
        noisy = []
        for index, (part, allowed) in enumerate(zip(parts, masks, strict=True)):
            # The first choice, which Discrete actions are, uses the seeds themselves.
            own = seeds if index == 0 else tf.random.split(seeds[0], 2 * len(sizes))[2 * index :]
            noisy.append(_with_random(part, noise, own, allowed))
        if numbers.shape[-1]:
            noisy.append(_with_normal(numbers, noise, tf.random.split(seeds[1], 2)[0]))
        return tf.concat(noisy, -1)


def _with_normal(numbers: tf.Tensor, noise: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Numbers [N, D] with Gaussian noise of this standard deviation, still in [-1, 1]."""
    added = tf.random.stateless_normal(tf.shape(numbers), seed) * noise
    return tf.clip_by_value(numbers + added, -1.0, 1.0)


def _with_random(
    part: tf.Tensor, noise: tf.Tensor, seeds: tf.Tensor, mask: tf.Tensor | None
) -> tf.Tensor:
    """One-hot [N, n] of which this share are random ones."""
    count, size = tf.shape(part)[0], part.shape[-1]
    if mask is None:
        index = tf.random.stateless_uniform([count], seeds[0], maxval=size, dtype=tf.int32)
    else:
        logits = masked(tf.zeros_like(part), mask)
        index = tf.random.stateless_categorical(logits, 1, seeds[0])[:, 0]
    chance = tf.random.stateless_uniform([count, 1], seeds[1])
    return tf.where(chance < noise, tf.one_hot(index, size), part)


def _check_device(name: str | None) -> str | None:
    # With several workers the names begin with that of a worker.
    devices = (device.name for device in tf.config.list_logical_devices())
    known = list(dict.fromkeys(device.rpartition("/device:")[2] for device in devices))
    if name is not None and name.removeprefix("/").upper() not in known:
        raise UserError(
            f"Learner.policy_device is '{name}', but this machine only has "
            f"{', '.join('/' + device for device in known)}."
        )
    return name
