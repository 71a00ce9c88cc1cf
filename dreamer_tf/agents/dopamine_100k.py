"""Dopamine's agents for 100,000 agent steps (`dopamine.labs.atari_100k`), for one environment.

DER, DrQ, DrQ(eps) and OTRainbow are one class with other settings; SPR is derived from it. Their
own runner steps several environments, so actions, observations and calls differ from those of
Dopamine's other agents. `OneEnvironment` gives them the usual ones. What they compute is unchanged.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from dreamer_tf.agents.dopamine_compat import (
    Atari100kRainbowAgent,
    StatisticsInstance,
    full_rainbow_agent,
    spr_agent,
)
from dreamer_tf.agents.dopamine_subsequences import SubsequenceReplay


class OneEnvironment:
    """Begins, steps and ends episodes as Dopamine's other agents do, and logs the loss."""

    def begin_episode(self: Any, observation: np.ndarray) -> Any:
        """Starts an episode with an image [H, W, 1] and returns the first action."""
        self._reset_state()
        self._record_observation(observation)
        return self._act()

    def step(self: Any, reward: float, observation: np.ndarray) -> Any:
        """Stores a transition, learns, and returns the next action."""
        self.log_transition(observation, self.action, reward, False, False)
        return self._act()

    # `end_episode` is that of JaxDQNAgent.

    def _act(self: Any) -> Any:
        # Without arguments, the agent's own `step` learns and acts, and stores nothing.
        super().step()  # type: ignore[misc]
        # It acts in a batch of one. A batch in the replay would have another rank.
        self.action = self.action[0]
        return self.action

    def _training_step_update(self: Any) -> None:
        super()._training_step_update()  # type: ignore[misc]
        if self.training_steps and self.training_steps % self.summary_writing_frequency == 0:
            # The update keeps its loss to itself, so it is computed again: the loss of the batch
            # after the update, without augmentation, and without effect on the agent.
            loss = np.asarray(self._newest_loss())
            statistics = [StatisticsInstance("Loss", loss, step=self.training_steps)]
            self.collector_dispatcher.write(statistics, self._collector_allowlist)


class LowDataRainbow(OneEnvironment, Atari100kRainbowAgent):
    """DER, DrQ, DrQ(eps) and OTRainbow."""

    def _newest_loss(self) -> Any:
        batch = self.replay_elements
        *_, loss, _ = full_rainbow_agent.train(
            self.network_def,
            self.online_params,
            self.target_network_params,
            self.optimizer,
            self.optimizer_state,
            self.preprocess_fn(batch["state"]),
            batch["action"],
            self.preprocess_fn(batch["next_state"]),
            batch["reward"],
            batch["terminal"],
            jnp.ones(len(batch["state"])),
            self._support,
            self.cumulative_gamma,
            self._double_dqn,
            self._distributional,
            self._mse_loss,
            self._rng,
        )
        return loss


class SPR(OneEnvironment, spr_agent.SPRAgent):
    """Self-predictive representations (Schwarzer et al., 2021)."""

    def _build_replay_buffer(self) -> SubsequenceReplay:
        return SubsequenceReplay(
            stack_size=self.stack_size,
            update_horizon=self.update_horizon,
            gamma=self.gamma,
            subsequence_length=self._jumps + 1,
            seed=self._seed,
        )

    def _training_step_update(self) -> None:
        # Dopamine's other buffers count complete returns only, this one counts steps.
        if self._replay.starts:
            super()._training_step_update()

    def _newest_loss(self) -> Any:
        batch = self.replay_elements
        _, _, loss, *_ = spr_agent.train(
            network_def=self.network_def,
            online_params=self.online_params,
            target_params=self.target_network_params,
            optimizer=self.optimizer,
            optimizer_state=self.optimizer_state,
            states=self.preprocess_fn(batch["state"]),
            actions=batch["action"],
            next_states=self.preprocess_fn(batch["next_state"][:, 0]),
            rewards=batch["reward"][:, 0],
            terminals=batch["terminal"][:, 0],
            same_traj_mask=batch["same_trajectory"][:, 1:],
            loss_weights=jnp.ones(len(batch["state"])),
            support=self._support,
            cumulative_gamma=self.cumulative_gamma,
            double_dqn=self._double_dqn,
            distributional=self._distributional,
            rng=self._rng,
            spr_weight=self.spr_weight,
        )
        return loss


LOW_DATA_AGENTS: dict[str, type] = {"atari_100k_rainbow": LowDataRainbow, "spr": SPR}
