"""The compiled half of the agent: all weights, one update, one policy step."""

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.behavior.actor import action_size
from dreamer_tf.behavior.actor_critic import ActorCritic
from dreamer_tf.errors import UserError
from dreamer_tf.networks.optimizer import Optimizer
from dreamer_tf.open_loop.prediction import OpenLoop
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.world_model.rssm import LatentState
from dreamer_tf.world_model.world_model import Batch, WorldModel

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")

# Independent streams of random numbers, all derived from the run seed.
_UPDATE, _POLICY, _EVALUATION, _DREAM = 1, 2, 3, 4


class Inspection(NamedTuple):
    """How the model sees a batch."""

    dream: OpenLoop
    distributions: dict[str, np.ndarray]  # [B, T] each, by name


class PolicyState(NamedTuple):
    """What the policy remembers between the steps of an episode."""

    latent: LatentState  # [N, ...]
    action: tf.Tensor  # [N, A] float32, the action before


@gin.configurable(denylist=["observation_space", "action_space", "seed"])
class Learner:
    """World model, behavior and their optimizers (paper 2)."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        seed: int,
        precision: str = "float32",
        jit_compile: bool = False,
        policy_device: str | None = None,
        exploration_noise: float = 0.0,
        evaluation_action: str = "mode",
    ):
        """Builds all networks and optimizers.

        Args:
          observation_space: observations by name.
          action_space: Discrete or Box in [-1, 1].
          seed: of the weights and of all sampling inside the graph.
          precision: 'float32', 'mixed_float16' or 'mixed_bfloat16'. Logits, KL, discounts,
            returns and losses are float32 in any case.
          jit_compile: compiles the update with XLA.
          policy_device: where actions are chosen, as in '/CPU:0'; where the updates are by default.
            A GPU that is busy with an update makes the policy wait.
          exploration_noise: DreamerV1's action noise during training: standard deviation of
            Gaussian noise for continuous actions, probability of a random action for discrete.
          evaluation_action: 'mode' or 'sample', how the evaluation policy picks actions.

        Raises:
          UserError: unknown precision, evaluation action or device, or two weights of one name.
        """
        if precision not in PRECISIONS:
            raise UserError(f"Learner.precision is '{precision}': use one of {PRECISIONS}.")
        if evaluation_action not in ("mode", "sample"):
            raise UserError(
                f"Learner.evaluation_action is '{evaluation_action}': use 'mode' or 'sample'."
            )
        self._observation_space = observation_space
        self._discrete = isinstance(action_space, gymnasium.spaces.Discrete)
        self._action_shape = () if self._discrete else tuple(action_space.shape)
        self.action_size = action_size(action_space)
        self._seed = seed
        self.precision = precision
        self._noise = exploration_noise
        self._evaluation_action = evaluation_action
        self.jit_compile = jit_compile
        self._update_function = None
        self._inspect_functions = {}  # by context
        self._decode = tf.function(lambda latent: self.world_model.decode(latent))
        rng = np.random.default_rng(seed)
        sizes = {"rng": rng, "policy": keras.DTypePolicy(precision)}
        self.world_model = WorldModel(observation_space, self.action_size, **sizes)
        self.actor_critic = ActorCritic(self.world_model.feature_size, action_space, **sizes)
        self.updates = tf.Variable(0, dtype=tf.int64)
        scaling = precision == "mixed_float16"
        self.optimizers = {}
        for name, module in (
            ("world_model", self.world_model),
            ("actor", self.actor_critic.actor),
            ("critic", self.actor_critic.critic),
        ):
            with gin.config_scope(name):
                self.optimizers[name] = Optimizer(
                    module.trainable_variables, name=name, loss_scaling=scaling
                )
        weights = [*self.world_model.variables, *self.actor_critic.variables]
        for path, number in collections.Counter(weight.path for weight in weights).items():
            if number > 1:
                raise UserError(
                    f"Two weights are named {path}, so that a checkpoint would lose one: give an "
                    "observation another name."
                )
        self._policies: dict[tuple[bool, int], Callable] = {}
        self._policy_device = _check_device(policy_device)
        acting = (self.world_model.encoder, self.world_model.rssm, self.actor_critic.actor)
        self._policy_sources = [variable for module in acting for variable in module.variables]
        with tf.device(self._policy_device):
            self._policy_weights = [tf.Variable(v.value) for v in self._policy_sources]
        self._refresh_function = tf.function(self._refresh)

    @property
    def num_parameters(self) -> dict[str, int]:
        """Trainable parameters of world model, actor and critic."""
        modules = {
            "world model": self.world_model,
            "actor": self.actor_critic.actor,
            "critic": self.actor_critic.critic,
        }
        return {
            name: sum(int(np.prod(v.shape)) for v in module.trainable_variables)
            for name, module in modules.items()
        }

    @property
    def num_traces(self) -> int:
        """How often the update function was traced."""
        function = self._update_function
        return function.experimental_get_tracing_count() if function else 0

    def variables(self) -> dict[str, tf.Variable]:
        """Every variable that a checkpoint must hold, by name."""
        found = {}
        for module in (self.world_model, self.actor_critic):
            for variable in module.variables:
                found[variable.path] = variable.value
        for optimizer in self.optimizers.values():
            found |= optimizer.state
        found["actor_critic/slow_updates"] = self.actor_critic.slow_updates
        found["updates"] = self.updates
        return found

    def update(self, sequences: Sequences) -> dict[str, tf.Tensor]:
        """One update of world model, actor and critic.

        Args:
          sequences: B sequences of T steps; the sizes must stay the same for the whole run.

        Returns:
          Scalar metrics by name.
        """
        if self._update_function is None:
            signature = tf.nest.map_structure(
                lambda array: tf.TensorSpec(array.shape, array.dtype), sequences
            )
            self._update_function = tf.function(
                self._update, input_signature=[signature], jit_compile=self.jit_compile
            )
        return self._update_function(sequences)

    def refresh_policy(self) -> None:
        """The policy acts with a copy of the weights; this renews the copy."""
        self._refresh_function()

    def _refresh(self) -> None:
        for weight, source in zip(self._policy_weights, self._policy_sources, strict=True):
            weight.assign(source.value)

    def initial_policy_state(self, count: int) -> PolicyState:
        """State of `count` environments at the start of an episode."""
        latent = self.world_model.rssm.initial(count)
        return PolicyState(latent, tf.zeros([count, self.action_size]))

    def policy(
        self,
        observation: dict[str, np.ndarray],
        is_first: np.ndarray,
        state: PolicyState,
        counter: int,
        explore: bool,
    ) -> tuple[np.ndarray, PolicyState]:
        """Chooses actions for N environments.

        Args:
          observation: arrays [N, ...] by name.
          is_first: [N] bool; resets the state.
          state: from the step before.
          counter: number of this step, different for every call of a run.
          explore: True while training: samples the action.

        Returns:
          Actions [N] int (Discrete) or [N, ...] float32 in [-1, 1], and the state to pass to the
          next call.
        """
        spaces = self._observation_space.spaces
        arrays = {key: np.asarray(observation[key], box.dtype) for key, box in spaces.items()}
        inputs = tf.nest.flatten((arrays, is_first, state, np.int64(counter)))
        outputs = self.compiled_policy(explore, len(is_first))(*map(tf.convert_to_tensor, inputs))
        return outputs[0].numpy(), PolicyState(LatentState(*outputs[1:3]), outputs[3])

    def compiled_policy(self, explore: bool, count: int = 1) -> Callable:
        """The policy step as a function of flat tensors, compiled once for each batch size.

        It is called for every agent step, and spares matching nested arguments to a signature.
        """
        if (explore, count) not in self._policies:
            observation = {
                key: tf.TensorSpec((count, *box.shape), box.dtype)
                for key, box in self._observation_space.spaces.items()
            }
            state = tf.nest.map_structure(
                tf.TensorSpec.from_tensor, self.initial_policy_state(count)
            )
            first, counter = tf.TensorSpec([count], tf.bool), tf.TensorSpec([], tf.int64)
            structure = (observation, first, state, counter)

            def flat(*inputs: tf.Tensor) -> list[tf.Tensor]:
                packed = tf.nest.pack_sequence_as(structure, inputs)
                copies = zip(self._policy_sources, self._policy_weights, strict=True)
                values = [(source, weight.read_value()) for source, weight in copies]
                with tf.device(self._policy_device), keras.StatelessScope(values):
                    return tf.nest.flatten(self._policy(*packed, explore=explore))

            signature = tf.nest.flatten(structure)
            function = tf.function(flat, input_signature=signature)
            self._policies[explore, count] = function.get_concrete_function()
        return self._policies[explore, count]

    def inspect(self, sequences: Sequences, context: int) -> Inspection:
        """What the model expects and how it sees a batch; changes nothing.

        Args:
          sequences: of more than `context` steps; other sizes are compiled again.
          context: observations that the open-loop prediction begins with.
        """
        if context not in self._inspect_functions:

            def compute(sequences: Sequences) -> tuple[dict[str, tf.Tensor], ...]:
                return self._inspect(sequences, context)

            self._inspect_functions[context] = tf.function(compute)
        truth, prediction, distributions = tf.nest.map_structure(
            lambda tensor: tensor.numpy(), self._inspect_functions[context](sequences)
        )
        return Inspection(OpenLoop(truth, prediction, context), distributions)

    def preprocess(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Observations as the model sees them, of any leading shape."""
        tensors = {key: tf.convert_to_tensor(value) for key, value in observation.items()}
        processed = self.world_model.preprocess_observation(tensors)
        return {key: value.numpy() for key, value in processed.items()}

    def reconstruct(self, state: PolicyState) -> dict[str, np.ndarray]:
        """What the model expects to see in the state of one environment, by name."""
        return {key: value[0].numpy() for key, value in self._decode(state.latent).items()}

    def with_action(self, state: PolicyState, action: Any) -> PolicyState:
        """The state of one environment with another last action."""
        return state._replace(action=self.encode_action(tf.convert_to_tensor(action)[None]))

    def dream(self, state: PolicyState, counter: int, seed: int) -> tuple[Any, PolicyState]:
        """One imagined step of one environment.

        Args:
          state: with the action that is taken in it.
          counter: number of the step, different for every call.
          seed: of the dream.

        Returns:
          The mode of the actor in the imagined state, and that state with this action.
        """
        seeds = self._fold(_DREAM, tf.constant(counter)) + seed
        latent = self.world_model.rssm.imagine_step(state.latent, state.action, seeds)
        policy = self.actor_critic.actor(self.world_model.rssm.features(latent))
        action = tf.cast(policy.mode(), tf.float32)
        chosen = self._environment_action(action)[0].numpy()
        return (int(chosen) if self._discrete else chosen), PolicyState(latent, action)

    def encode_action(self, action: tf.Tensor) -> tf.Tensor:
        """Environment actions [...] int or [..., *shape] float -> [..., A] float32."""
        if self._discrete:
            return tf.one_hot(action, self.action_size)
        lead = action.shape.rank - len(self._action_shape)
        return tf.reshape(action, [*action.shape[:lead], self.action_size])

    def _update(self, sequences: Sequences) -> dict[str, tf.Tensor]:
        step = self.updates.value()
        seeds = tf.random.split(self._fold(_UPDATE, step), 2)
        batch = self._batch(sequences)
        posterior, metrics = self._update_world_model(batch, seeds[0], step)
        start = LatentState(*(tf.reshape(x, [-1, x.shape[-1]]) for x in posterior))
        is_terminal = tf.reshape(batch.is_terminal, [-1])
        metrics["reward_mean"] = tf.reduce_mean(self.world_model.preprocess(batch).reward)
        metrics |= self.actor_critic.train(
            self.world_model, start, is_terminal, self.optimizers, seeds[1], step
        )
        for name, optimizer in self.optimizers.items():
            metrics[f"{name}_skipped_updates"] = optimizer.skipped
            metrics[f"{name}_loss_scale"] = optimizer.loss_scale
        self.updates.assign_add(1)
        return {name: tf.cast(value, tf.float32) for name, value in metrics.items()}

    def _batch(self, sequences: Sequences) -> Batch:
        action = self.encode_action(sequences.action)
        return Batch(sequences.observation, action, *sequences[2:])

    def _update_world_model(
        self, batch: Batch, seed: tf.Tensor, step: tf.Tensor
    ) -> tuple[LatentState, dict[str, tf.Tensor]]:
        optimizer = self.optimizers["world_model"]
        variables = [v.value for v in self.world_model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss, outputs = self.world_model.loss(batch, seed, step)
            scaled = optimizer.scale_loss(loss)
        result = optimizer.apply(tape.gradient(scaled, variables))
        distribution = self.world_model.rssm.latent.distribution
        metrics = {f"{name}_loss": value for name, value in outputs.losses.items()}
        for name, floor in self.world_model.loss_floors.items():
            metrics[f"{name}_error"] = outputs.losses[name] - floor
        metrics |= {
            "model_loss": loss,
            "kl": tf.reduce_mean(outputs.kl),
            "posterior_entropy": tf.reduce_mean(
                distribution(outputs.posterior_parameters).entropy()
            ),
            "prior_entropy": tf.reduce_mean(distribution(outputs.prior_parameters).entropy()),
            "model_gradient_norm": result.grad_norm,
        }
        return LatentState(*(tf.stop_gradient(x) for x in outputs.posterior)), metrics

    def _policy(
        self,
        observation: dict[str, tf.Tensor],
        is_first: tf.Tensor,
        state: PolicyState,
        counter: tf.Tensor,
        *,
        explore: bool,
    ) -> tuple[tf.Tensor, PolicyState]:
        seeds = tf.random.split(self._fold(_POLICY if explore else _EVALUATION, counter), 4)
        model = self.world_model
        embedding = model.encoder(model.preprocess_observation(observation))
        latent = model.rssm.observe_step(embedding, state.action, is_first, state.latent, seeds[0])
        policy = self.actor_critic.actor(model.rssm.features(latent))
        if explore or self._evaluation_action == "sample":
            action = policy.sample(seed=seeds[1])
        else:
            action = tf.cast(policy.mode(), tf.float32)
        if explore and self._noise:
            action = self._add_noise(action, seeds[2:])
        return self._environment_action(action), PolicyState(latent, action)

    def _environment_action(self, action: tf.Tensor) -> tf.Tensor:
        """[N, A] -> [N] int32 (Discrete) or [N, *shape]."""
        if self._discrete:
            return tf.argmax(action, -1, output_type=tf.int32)
        return tf.reshape(action, [-1, *self._action_shape])

    def _inspect(self, sequences: Sequences, context: int) -> tuple[dict[str, tf.Tensor], ...]:
        seeds = tf.random.split(self._fold(_DREAM, self.updates), 2)
        batch = self._batch(sequences)
        model, behavior = self.world_model, self.actor_critic
        truth, prediction = model.open_loop(batch, seeds[0], context)
        _, outputs = model.loss(batch, seeds[1], self.updates)
        features = model.rssm.features(outputs.posterior)
        distribution = model.rssm.latent.distribution
        found = {
            "kl": outputs.kl,
            "posterior_entropy": distribution(outputs.posterior_parameters).entropy(),
            "prior_entropy": distribution(outputs.prior_parameters).entropy(),
            "reward": model.preprocess(batch).reward,
            "predicted_reward": model.reward(features),
            "predicted_discount": model.discount(features),
            "value": behavior.value(features),
            "actor_entropy": behavior.actor(features).entropy(),
        }
        return truth, prediction, found

    def _add_noise(self, action: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        if not self._discrete:
            noise = tf.random.stateless_normal(tf.shape(action), seeds[0]) * self._noise
            return tf.clip_by_value(action + noise, -1.0, 1.0)
        count = tf.shape(action)[0]
        index = tf.random.stateless_uniform(
            [count], seeds[0], maxval=self.action_size, dtype=tf.int32
        )
        random = tf.one_hot(index, self.action_size)
        chance = tf.random.stateless_uniform([count, 1], seeds[1])
        return tf.where(chance < self._noise, random, action)

    def _fold(self, stream: int, counter: tf.Tensor) -> tf.Tensor:
        return tf.random.fold_in(
            tf.constant([self._seed, stream], tf.int32), tf.cast(counter, tf.int32)
        )


def _check_device(name: str | None) -> str | None:
    known = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    if name is not None and name.removeprefix("/").upper() not in known:
        raise UserError(
            f"Learner.policy_device is '{name}', but here are only "
            f"{', '.join('/' + device for device in known)}."
        )
    return name
