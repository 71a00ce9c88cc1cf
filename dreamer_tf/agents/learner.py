"""All weights of the agent and every update of them.

The losses come from `world_model` and `behavior`; the gradients, the loss scaling and the
optimizers are here, so that one place decides what changes a weight.
"""

import collections
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.acting import CompiledPolicy
from dreamer_tf.agents.encoding import ActionEncoding
from dreamer_tf.agents.inspection import Inspector
from dreamer_tf.agents.randomness import Stream, fold_seed
from dreamer_tf.behavior.actor_critic import ActorCritic, Trajectory
from dreamer_tf.errors import UserError
from dreamer_tf.networks import replicas, workers
from dreamer_tf.networks.created import check_saved, check_trained, collecting
from dreamer_tf.networks.module import Module
from dreamer_tf.networks.optimizer import Optimizer
from dreamer_tf.networks.parts import make_part
from dreamer_tf.networks.schedules import NonNegativeValue
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.world_model.rssm import LatentState
from dreamer_tf.world_model.world_model import Batch, WorldModel, WorldModelOutputs


class BehaviorGradients(NamedTuple):
    """Losses of actor and critic, their gradients, and what they are made of."""

    actor_loss: tf.Tensor  # scalar
    critic_loss: tf.Tensor  # scalar
    actor: list[tf.Tensor]  # of the scaled loss, in the order of the actor's variables
    critic: list[tf.Tensor]  # of the scaled loss, in the order of the critic's variables
    trajectory: Trajectory
    value: tf.Tensor  # [H+1, N], target critic
    target: tf.Tensor  # [H, N]
    entropy: tf.Tensor  # [H-1, N], nats
    critic_mean: tf.Tensor  # [H, N], online critic


@configurable(denylist=["observation_space", "action_space", "seed"])
class Learner:
    """World model, behavior and their optimizers (paper 2).

    `acting` chooses actions with a copy of the weights, `inspector` looks at the model. On several
    devices (`configure_devices.strategy`) every replica has all weights and learns from a part of
    the batch (`networks/replicas.py`).
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        seed: int,
        precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32",
        jit_compile: bool = False,
        policy_device: str | None = None,
        exploration_noise: NonNegativeValue = 0.0,
        evaluation_action: Literal["mode", "sample"] = "mode",
        world_model: Callable[..., WorldModel] | None = None,
        actor_critic: Callable[..., ActorCritic] | None = None,
    ):
        """Builds all networks and optimizers.

        Args:
          observation_space: observations by name.
          action_space: Discrete, or Box in [-1, 1].
          seed: of the weights and of all sampling inside compiled functions.
          precision: 'float32', 'mixed_float16' or 'mixed_bfloat16'. Logits, KL, discounts,
            returns and losses are always float32.
          jit_compile: compiles the update with XLA.
          policy_device: where actions are chosen, for example '/CPU:0'; by default where the
            updates run. On a GPU that is busy with an update the policy has to wait.
          exploration_noise: DreamerV1's action noise during training, number or schedule over
            updates: standard deviation of Gaussian noise for continuous actions, probability of a
            random action for discrete.
          evaluation_action: 'mode' or 'sample', how the evaluation policy picks actions.
          world_model: a class of yours, derived from `WorldModel`.
          actor_critic: a class of yours, derived from `ActorCritic`.

        Raises:
          UserError: unknown device, XLA on several devices, two weights of one name, a weight
            that nothing would train or save, or a class of another kind.
          WorkersLost: another worker is gone.
        """
        self.precision = precision
        self.jit_compile = jit_compile
        self._strategy = replicas.current()
        if jit_compile and self.num_replicas > 1:
            raise UserError(
                "Learner.jit_compile is True, but XLA does not compile an update of several "
                "devices: set it to False, or configure_devices.strategy to None."
            )
        self._seed = seed
        self.encoding = ActionEncoding(action_space)
        # What is made in the scope exists on every replica. The copy of the policy does not.
        with workers.losses_told(), self._strategy.scope(), collecting() as created:
            self._build(
                *(world_model or WorldModel, actor_critic or ActorCritic),
                *(observation_space, action_space),
            )
        check_saved(created, self.variables().values())
        self.acting = CompiledPolicy(
            observation_space,
            self.encoding,
            self.world_model,
            self.actor_critic.actor,
            seed=workers.current().seed(seed),
            device=policy_device,
            updates=self._updates,
            exploration_noise=exploration_noise,
            evaluation_action=evaluation_action,
        )
        self.inspector = Inspector(
            self.world_model, self.actor_critic, self.encoding, updates=self._updates, seed=seed
        )
        self._update_function: Any = None

    def _build(
        self,
        world_model: Callable[..., WorldModel],
        actor_critic: Callable[..., ActorCritic],
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
    ) -> None:
        """Makes all networks, optimizers and the counter of the updates."""
        precision = keras.DTypePolicy(self.precision)
        # One generator draws all initial weights, so this order is part of every result.
        sizes = {"rng": np.random.default_rng(self._seed), "precision": precision}
        spaces = (observation_space, action_space)
        self.world_model: WorldModel = make_part(
            "Learner.world_model", world_model, WorldModel, *spaces, **sizes
        )
        features = self.world_model.feature_size
        self.actor_critic: ActorCritic = make_part(
            *("Learner.actor_critic", actor_critic, ActorCritic, features, action_space), **sizes
        )
        self._updates = tf.Variable(0, dtype=tf.int64)
        self._modules: dict[str, Module] = {
            "world_model": self.world_model,
            "actor": self.actor_critic.actor,
            "critic": self.actor_critic.critic,
        }
        self.optimizers = {
            name: _make_optimizer(name, module, self.precision)
            for name, module in self._modules.items()
        }
        _check_names([*self.world_model.variables, *self.actor_critic.variables])
        behavior = self.actor_critic
        parts = (behavior.actor, behavior.critic, behavior.target_critic)
        trained = (variable for part in parts for variable in part.trainable_variables)
        check_trained(behavior.variables, trained, type(behavior).__name__)

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return int(self._updates.numpy())

    @property
    def num_replicas(self) -> int:
        """Devices that make an update together; each gets the same part of the batch."""
        return self._strategy.num_replicas_in_sync

    @property
    def num_parameters(self) -> dict[str, int]:
        """Trainable parameters of world model, actor and critic."""
        return {
            name.replace("_", " "): sum(int(np.prod(v.shape)) for v in module.trainable_variables)
            for name, module in self._modules.items()
        }

    @property
    def num_traces(self) -> int:
        """How often the update function was traced."""
        function = self._update_function
        return function.experimental_get_tracing_count() if function else 0

    def variables(self) -> dict[str, tf.Variable]:
        """Every variable that a checkpoint must hold, by name."""
        found: dict[str, tf.Variable] = {}
        for part in ("world_model", "behavior"):
            found |= self.weights(part)
        for optimizer in self.optimizers.values():
            found |= optimizer.state
        found["actor_critic/slow_updates"] = self.actor_critic.slow_updates
        found["updates"] = self._updates
        return found

    def weights(self, part: str) -> dict[str, tf.Variable]:
        """Weights of 'world_model' or 'behavior' by name, without optimizers and counters."""
        module = self.world_model if part == "world_model" else self.actor_critic
        return {variable.path: variable.value for variable in module.variables}

    def assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Sets variables by name, and renews the policy's copy of the weights."""
        variables = self.variables()
        for name, array in arrays.items():
            variables[name].assign(array)
        self.acting.refresh()

    def update(self, sequences: Sequences) -> dict[str, tf.Tensor]:
        """One update of world model, actor, critic and target critic.

        Args:
          sequences: B sequences of T steps; the sizes must stay the same for the whole run, and
            B must be a multiple of the number of replicas. With several workers, the sequences
            of this one.

        Returns:
          Scalar metrics by name.
        """
        if self._update_function is None:
            self._update_function = self._compiled(sequences)
        with workers.losses_told():
            return self._update_function(replicas.split(self._strategy, sequences))

    def _compiled(self, sequences: Sequences) -> Any:
        """The update of all replicas as one function, for batches of the size of this one."""
        local = replicas.local_count(self._strategy)
        replicas.check_divisible(len(sequences.reward), local)

        def _update(batch: Any) -> dict[str, tf.Tensor]:  # profiles show its name
            return replicas.run(self._strategy, self._update, batch)

        if self.num_replicas > 1:
            return tf.function(_update)
        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec(array.shape, array.dtype), sequences
        )
        # With a fixed signature the update is traced once, whatever the first batch was.
        return tf.function(_update, input_signature=[signature], jit_compile=self.jit_compile)

    def _update(self, sequences: Sequences) -> dict[str, tf.Tensor]:
        """The update of one replica."""
        update = self._updates.value()
        own_seed = replicas.fold_replica(fold_seed(self._seed, Stream.UPDATE, update))
        seeds = tf.random.split(own_seed, 2)
        batch = self.encoding.batch(sequences)
        posterior, metrics = self._update_world_model(batch, seeds[0], update)
        # Every posterior state is a start, paired with the flag of its own step: n = b*T + t.
        start = LatentState(*(tf.reshape(x, [-1, x.shape[-1]]) for x in posterior))  # [N, ...]
        is_terminal = tf.reshape(batch.is_terminal, [-1])  # [N]
        metrics["reward_mean"] = tf.reduce_mean(self.world_model.preprocess(batch).reward)
        metrics |= self._update_behavior(start, is_terminal, seeds[1], update)
        for name, optimizer in self.optimizers.items():
            metrics[f"{name}_skipped_updates"] = optimizer.skipped
            metrics[f"{name}_loss_scale"] = optimizer.loss_scale
        # Last, because seeds and schedules of this update use the number from before it.
        self._updates.assign_add(1)
        # Losses are means over the batch, and all replicas have the same number of sequences.
        return replicas.mean_of_scalars(
            {name: tf.cast(value, tf.float32) for name, value in metrics.items()}
        )

    def _update_world_model(
        self, batch: Batch, seed: tf.Tensor, update: tf.Tensor
    ) -> tuple[LatentState, dict[str, tf.Tensor]]:
        """Posterior states [B, T, ...] without gradients, and metrics."""
        optimizer = self.optimizers["world_model"]
        weights = _weights(self.world_model)
        self.world_model.start(batch, update)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            loss, outputs = self.world_model.loss(batch, seed, update)
            scaled = optimizer.scale_loss(loss)
        result = optimizer.apply(tape.gradient(scaled, weights))
        metrics = self._world_model_metrics(loss, outputs)
        metrics["model_gradient_norm"] = result.grad_norm
        return LatentState(*(tf.stop_gradient(x) for x in outputs.posterior)), metrics

    def _world_model_metrics(
        self, loss: tf.Tensor, outputs: WorldModelOutputs
    ) -> dict[str, tf.Tensor]:
        distribution = self.world_model.rssm.latent.distribution
        metrics = {f"{name}_loss": value for name, value in outputs.losses.items()}
        for name, floor in self.world_model.loss_floors.items():
            metrics[f"{name}_error"] = outputs.losses[name] - floor
        posterior = distribution(outputs.posterior_parameters).entropy()
        prior = distribution(outputs.prior_parameters).entropy()
        return metrics | {
            "model_loss": loss,
            "kl": tf.reduce_mean(outputs.kl),
            "posterior_entropy": tf.reduce_mean(posterior),
            "prior_entropy": tf.reduce_mean(prior),
        }

    def _update_behavior(
        self, start: LatentState, is_terminal: tf.Tensor, seed: tf.Tensor, update: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Trains actor and critic from N start states; returns metrics."""
        found = behavior_gradients(
            self.world_model,
            self.actor_critic,
            self.optimizers,
            start=start,
            is_terminal=is_terminal,
            seed=seed,
            update=update,
        )
        actor_step = self.optimizers["actor"].apply(found.actor)
        critic_step = self.optimizers["critic"].apply(found.critic)
        # After the critic's step, so that the copy that is due holds the newest critic.
        self.actor_critic.update_target_critic()
        return {
            "actor_loss": found.actor_loss,
            "critic_loss": found.critic_loss,
            "actor_gradient_norm": actor_step.grad_norm,
            "critic_gradient_norm": critic_step.grad_norm,
            "actor_entropy": tf.reduce_mean(found.entropy),
            "imagined_reward": tf.reduce_mean(found.trajectory.reward),
            "imagined_discount": tf.reduce_mean(found.trajectory.discount),
            "imagined_value": tf.reduce_mean(found.value),
            "value": tf.reduce_mean(found.value[0]),
            "imagined_return": tf.reduce_mean(found.target),
        }


def behavior_gradients(
    world_model: WorldModel,
    behavior: ActorCritic,
    optimizers: dict[str, Optimizer],
    *,
    start: LatentState,
    is_terminal: tf.Tensor,
    seed: tf.Tensor,
    update: tf.Tensor,
) -> BehaviorGradients:
    """Losses and gradients of actor and critic from imagined trajectories (2.2).

    Args:
      world_model: is not changed.
      behavior: actor and critics; they are not changed.
      optimizers: 'actor' and 'critic', which scale their losses.
      start: [N, ...] posterior states.
      is_terminal: [N] bool, of the stored steps.
      seed: [2] int32, stateless.
      update: number of the update, for schedules.

    Returns:
      Losses, gradients and what they are made of.
    """
    actor_weights, critic_weights = _weights(behavior.actor), _weights(behavior.critic)
    with tf.GradientTape(watch_accessed_variables=False) as actor_tape:
        actor_tape.watch(actor_weights)
        # Reinforce alone needs no gradient through the rollout. Without a recording, nothing of
        # it is kept in memory for a backward pass.
        recorded = behavior.uses_dynamics
        with contextlib.nullcontext() if recorded else actor_tape.stop_recording():
            trajectory = behavior.imagine(world_model, start, is_terminal, seed, update)
            value, target = behavior.values_and_targets(trajectory, update)
        actor_loss, entropy = behavior.actor_loss(trajectory, value, target, update)
        scaled_actor_loss = optimizers["actor"].scale_loss(actor_loss)
    with tf.GradientTape(watch_accessed_variables=False) as critic_tape:
        critic_tape.watch(critic_weights)
        critic_loss, critic_mean = behavior.critic_loss(trajectory, target)
        scaled_critic_loss = optimizers["critic"].scale_loss(critic_loss)
    return BehaviorGradients(
        actor_loss=actor_loss,
        critic_loss=critic_loss,
        actor=actor_tape.gradient(scaled_actor_loss, actor_weights),
        critic=critic_tape.gradient(scaled_critic_loss, critic_weights),
        trajectory=trajectory,
        value=value,
        target=target,
        entropy=entropy,
        critic_mean=critic_mean,
    )


def _weights(module: Module) -> list[tf.Variable]:
    return [variable.value for variable in module.trainable_variables]


def _make_optimizer(name: str, module: Module, precision: str) -> Optimizer:
    """The optimizer of one part; gin binds its settings as `<name>/Optimizer.<setting>`."""
    # Only float16 needs it: bfloat16 has the range of float32.
    scaling = precision == "mixed_float16"
    with gin.config_scope(name):
        return Optimizer(module.trainable_variables, name=name, loss_scaling=scaling)


def _check_names(weights: list[keras.Variable]) -> None:
    """A checkpoint stores weights by name, so two of one name would lose one."""
    for path, number in collections.Counter(weight.path for weight in weights).items():
        if number > 1:
            raise UserError(
                f"Two weights are named {path}, and a checkpoint would lose one of them: give the "
                "layer of a part, or an observation, another name."
            )
