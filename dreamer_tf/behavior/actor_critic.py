"""Actor and critic learn from imagined trajectories (paper 2.2, eq. 3 to 6).

    states    z0 --a0--> z1 --a1--> z2 ...  zH      z0 is real, the rest is imagined
    reward    r0         r1         r2      rH      reward head at each state
    discount  d0         d1         d2      dH      d0 is the true one of the stored step
    weight    1          d0         d0*d1   ...     product of the discounts BEFORE the state
    target    V0         V1         ...     V(H-1)  lambda-returns, bootstrapped with v(zH)

Action a[t] first affects z[t+1], so its return is target[t+1]; the baseline is v(z[t]). So the
actor has the H-1 terms t = 0 .. H-2, and the critic the H terms t = 0 .. H-1. docs/indices.md
explains each index. Only losses are computed here; `agents/learner.py` differentiates them.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import gin
import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.behavior.actor import Actor
from dreamer_tf.behavior.critic import Critic
from dreamer_tf.behavior.returns import cumulative_weights, lambda_return
from dreamer_tf.environments.factored import is_discrete
from dreamer_tf.networks import layers
from dreamer_tf.networks.module import Module
from dreamer_tf.networks.parts import ActorPart, CriticPart, make_part
from dreamer_tf.networks.schedules import FractionValue, NonNegativeValue, as_schedule, is_constant
from dreamer_tf.networks.shapes import check_shape
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import AtLeastTwo, Fraction, PositiveFraction, PositiveInt
from dreamer_tf.world_model.rssm import LatentState
from dreamer_tf.world_model.world_model import WorldModel


class Trajectory(NamedTuple):
    """Imagined states and what the world model predicts there; time-major."""

    features: tf.Tensor  # [H+1, N, F]
    action: tf.Tensor  # [H, N, A], action[t] is taken in state t
    reward: tf.Tensor  # [H+1, N]
    discount: tf.Tensor  # [H+1, N]
    weight: tf.Tensor  # [H+1, N]
    # What could be chosen, one [H, N, values of choices] bool; empty without action masks.
    masks: tuple[tf.Tensor, ...] = ()


@configurable(denylist=["feature_size", "action_space", "rng", "precision"])
class ActorCritic(Module):
    """Actor, critic and target critic with their losses."""

    def __init__(
        self,
        feature_size: int,
        action_space: gymnasium.Space,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        horizon: AtLeastTwo = 15,
        lambda_: Fraction = 0.95,
        gradient_mixing: FractionValue | None = 1.0,
        entropy_scale: NonNegativeValue | None = 1e-3,
        entropy_in_returns: bool = False,
        stop_action_gradient: bool = True,
        baseline: Literal["target", "online"] = "target",
        literal_actor_loss: bool = False,
        slow_update_interval: PositiveInt = 100,
        slow_update_fraction: PositiveFraction = 1.0,
        actor: Callable[..., ActorPart] | None = None,
        critic: Callable[..., CriticPart] | None = None,
    ):
        """Builds the networks.

        Args:
          feature_size: F.
          action_space: Discrete, Box or FactoredActions.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          horizon: H, imagined steps (Table D1: 15).
          lambda_: lambda of the returns (Table D1: 0.95).
          gradient_mixing: rho in [0, 1], number or schedule over updates: 1 for Reinforce only
            (Atari, Table D1), 0 for backpropagation through the dynamics only (Appendix A). None
            means 1 for discrete and 0 for continuous actions (2.2).
          entropy_scale: eta, number or schedule over updates (Table D1: 1e-3). None means 1e-3
            for discrete and 1e-4 for continuous actions (2.2).
          entropy_in_returns: adds eta times the entropy to the imagined rewards ("long-term
            entropy", Appendix C).
          stop_action_gradient: keeps Reinforce from differentiating through the action. This
            matters only for continuous actions with 0 < rho < 1 (docs/deviations.md).
          baseline: the critic that Reinforce subtracts: 'target', as in the released code, or
            'online', as eq. 6 says (docs/deviations.md).
          literal_actor_loss: takes the indices of eq. 6 as printed, V[t] - v(z[t]) and V[t] for
            t = 1 .. H-1, instead of the released code's (docs/indices.md).
          slow_update_interval: updates between copies to the target critic (Table D1: 100).
          slow_update_fraction: share of the critic in each such copy; 1 replaces the target.
          actor: makes an `ActorPart` of yours; `Actor` by default.
          critic: makes a `CriticPart` of yours; `Critic` by default.

        Raises:
          UserError: a number is out of its range, an unknown baseline, or a part lacks a member.
        """
        super().__init__(precision)
        discrete = is_discrete(action_space)
        if gradient_mixing is None:
            gradient_mixing = 1.0 if discrete else 0.0
        if entropy_scale is None:
            entropy_scale = 1e-3 if discrete else 1e-4
        self.horizon = horizon
        self._lambda = lambda_
        self._mixing = as_schedule(gradient_mixing, "ActorCritic.gradient_mixing", 1.0)
        # A term that is always multiplied by 0 is left out, and its gradients with it.
        self.uses_reinforce = not is_constant(gradient_mixing, 0.0)
        self.uses_dynamics = not is_constant(gradient_mixing, 1.0)
        self._entropy_scale = as_schedule(entropy_scale, "ActorCritic.entropy_scale")
        self._entropy_in_returns = entropy_in_returns
        self._stop_action_gradient = stop_action_gradient
        self._online_baseline = baseline == "online"
        # The first of H-1 states whose actions have a term; targets are always V[1] .. V[H-1].
        self._first_action = 1 if literal_actor_loss else 0
        self._interval = slow_update_interval
        self._fraction = slow_update_fraction
        sizes = {"rng": rng, "precision": precision}
        self.actor: ActorPart = make_part(
            "ActorCritic.actor", actor or Actor, ActorPart, feature_size, action_space, **sizes
        )
        with gin.config_scope("critic"):
            self.critic, self.target_critic = (
                make_part(
                    *("ActorCritic.critic", critic or Critic, CriticPart, feature_size),
                    name=name,
                    **sizes,
                )
                for name in ("critic", "target_critic")
            )
        # The first targets come from a copy of the critic, not from unrelated random weights.
        self.copy_critic(1.0)
        self.slow_updates = tf.Variable(0, dtype=tf.int64)

    def imagine(
        self,
        world_model: WorldModel,
        start: LatentState,
        is_terminal: tf.Tensor,
        seed: tf.Tensor,
        update: tf.Tensor,
    ) -> Trajectory:
        """Rolls the policy out inside the world model from N start states ("Imagination MDP").

        Args:
          world_model: is not changed.
          start: [N, ...] posterior states.
          is_terminal: [N] bool, of the stored steps.
          seed: [2] int32, stateless.
          update: number of the update, for a discount that is a schedule.

        Returns:
          H imagined steps from each start state.
        """
        rssm = world_model.rssm
        seeds = tf.reshape(tf.random.split(seed, 2 * self.horizon), [self.horizon, 2, 2])

        def advance(
            carry: tuple[LatentState, tf.Tensor, tuple[tf.Tensor, ...]], seeds: tf.Tensor
        ) -> tuple[LatentState, tf.Tensor, tuple[tf.Tensor, ...]]:
            state = carry[0]
            # An action is not to be improved through the input of later actions, only through
            # the states and rewards that follow it.
            features = tf.stop_gradient(rssm.features(state))
            mask = world_model.action_mask(features)
            action = self.actor(features, mask).sample(seed=seeds[0])
            kept = () if mask is None else (mask,)
            return rssm.imagine_step(state, action, seeds[1]), action, kept

        first_action = tf.zeros([start.deter.shape[0], self.actor.action_size])
        entries = world_model.mask_entries
        first_mask = (tf.ones([start.deter.shape[0], entries], tf.bool),) if entries else ()
        states, action, masks = tf.scan(advance, seeds, (start, first_action, first_mask))
        states = LatentState(  # [H+1, N, ...]
            *(tf.concat([first[None], rest], 0) for first, rest in zip(start, states, strict=True))
        )
        features = rssm.features(states)  # [H+1, N, F]
        # Whether the episode ended at the start is known, so its discount is not predicted.
        first = world_model.discount_target(is_terminal, update)
        discount = tf.concat([first[None], world_model.discount(features[1:], update)], 0)
        reward, weight = world_model.imagined_reward(features), cumulative_weights(discount)
        # The masks themselves, because a prediction may round to another side of 0.5 next time.
        return Trajectory(features, action, reward, discount, weight, masks)

    def values_and_targets(
        self, trajectory: Trajectory, update: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The target critic's values and the lambda-returns made of them (eq. 4).

        Args:
          trajectory: H imagined steps from N states.
          update: number of the update, for schedules.

        Returns:
          Values [H+1, N] and lambda-returns [H, N].
        """
        value = self.value(trajectory.features)  # [H+1, N]
        reward = trajectory.reward
        if self._entropy_in_returns:
            # The last state has no action, and its entropy is not used.
            masks = [tf.concat([mask, tf.ones_like(mask[:1])], 0) for mask in trajectory.masks]
            entropy = self.actor(tf.stop_gradient(trajectory.features), *masks).entropy()
            reward += self._entropy_scale(update) * entropy  # [H+1, N]
        target = lambda_return(
            reward[:-1], value[:-1], trajectory.discount[:-1], value[-1], self._lambda
        )
        return value, target

    def actor_loss(
        self, trajectory: Trajectory, value: tf.Tensor, target: tf.Tensor, update: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Eq. 6: Reinforce, dynamics backpropagation and entropy, weighted.

        Args:
          trajectory: H imagined steps from N states.
          value: [H+1, N] target critic.
          target: [H, N] lambda-returns.
          update: number of the update, for schedules.

        Returns:
          Scalar loss and the entropy [H-1, N].

        Raises:
          ValueError: a term is not [H-1, N].
        """
        acting = slice(self._first_action, self._first_action + self.horizon - 1)
        features = tf.stop_gradient(trajectory.features[acting])  # [H-1, N, F]
        masks = [mask[acting] for mask in trajectory.masks]
        policy = self.actor(features, *masks)  # batch [H-1, N]
        mixing = self._mixing(update)
        terms = {}
        if self.uses_reinforce:
            action = trajectory.action[acting]  # [H-1, N, A]
            if self._stop_action_gradient:
                action = tf.stop_gradient(action)
            # Any baseline that does not depend on the action leaves the mean gradient unchanged.
            baseline = self.critic.value(features) if self._online_baseline else value[acting]
            advantage = tf.stop_gradient(target[1:] - baseline)
            terms["Reinforce"] = mixing * policy.log_prob(action) * advantage
        if self.uses_dynamics:
            terms["dynamics"] = (1.0 - mixing) * target[1:]
        entropy = policy.entropy()
        terms["entropy"] = self._entropy_scale(update) * entropy
        weight = tf.stop_gradient(trajectory.weight[acting])
        for name, term in {**terms, "weight": weight}.items():
            check_shape(f"ActorCritic.actor_loss: {name}", term, target[1:].shape, "[H-1, N]")
        return -tf.reduce_mean(weight * sum(terms.values())), entropy

    def critic_loss(self, trajectory: Trajectory, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Eq. 5: squared error to the targets, as the log-likelihood of a unit Normal.

        Args:
          trajectory: H imagined steps from N states.
          target: [H, N] lambda-returns.

        Returns:
          Scalar loss and the online critic's values [H, N].

        Raises:
          ValueError: a term is not [H, N].
        """
        features = tf.stop_gradient(trajectory.features[:-1])
        likelihood, mean = self.critic.log_prob(features, tf.stop_gradient(target))
        weight = tf.stop_gradient(trajectory.weight[:-1])
        for name, term in (("log-likelihood", likelihood), ("weight", weight)):
            check_shape(f"ActorCritic.critic_loss: {name}", term, target.shape, "[H, N]")
        return -tf.reduce_mean(weight * likelihood), mean

    def value(self, features: tf.Tensor) -> tf.Tensor:
        """The target critic's value of each state: [..., F] -> [...] float32."""
        return self.target_critic.value(features)

    def update_target_critic(self) -> None:
        """Copies the critic every `slow_update_interval` calls; the first call copies fully."""
        # Counted in a variable that checkpoints hold, so that a resumed run keeps the rhythm.
        due = tf.equal(self.slow_updates % self._interval, 0)
        fraction = tf.where(tf.equal(self.slow_updates, 0), 1.0, self._fraction)

        def copy() -> tf.Tensor:
            self.copy_critic(fraction)
            return tf.constant(True)

        tf.cond(due, copy, lambda: tf.constant(False))
        self.slow_updates.assign_add(1)

    def copy_critic(self, fraction: float | tf.Tensor) -> None:
        """Moves the target critic towards the critic by `fraction`; what is not trained, wholly."""
        pairs = zip(self.critic.variables, self.target_critic.variables, strict=True)
        for source, target in pairs:
            moved = source.value
            if source.trainable:
                moved = fraction * source.value + (1.0 - fraction) * target.value
            target.value.assign(moved)
