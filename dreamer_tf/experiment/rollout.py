"""Whole episodes in several environments at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.environments.interface import Observation, numbers_of
from dreamer_tf.experiment.phases import Ended


class VectorRollout:
    """Runs an agent in N environments and counts episodes as Dopamine's Runner does.

    Every episode that begins is run to its end. While the last ones are running, the other
    environments are stepped too, but nothing of them is recorded.
    """

    def __init__(
        self,
        vector: VectorEnv,
        agent: Agent,
        max_steps: int,
        clip_rewards: bool,
        episode_info: Sequence[str] = (),
    ):
        """Combines environments and agent.

        Args:
          vector: from `create_vector_environment`.
          agent: must be `batched`.
          max_steps: agent steps after which an episode is truncated.
          clip_rewards: whether the agent sees rewards clipped to [-1, 1].
          episode_info: names of numbers in `info` that belong to the end of an episode.
        """
        self._vector = vector
        self._agent = agent
        self._max_steps = max_steps
        self._clip = clip_rewards
        self._episode_info = episode_info

    def episodes(
        self,
        seeds: Sequence[int],
        wanted: Callable[[], bool],
        call: Callable[..., Any],
        count: Callable[[int], None],
    ) -> Iterator[Ended]:
        """Runs a phase.

        Args:
          seeds: one for each environment.
          wanted: says whether another episode may begin.
          call: calls a function of the environments, as `EnvironmentGuard.call`.
          count: gets the number of agent steps after each step of all environments.

        Yields:
          Each episode as it ends.
        """
        number = self._vector.num_envs
        # All environments begin together; later each one is reset when its episode ends.
        observation, _ = call(self._vector.reset, seed=list(seeds))
        running = np.ones(number, bool)
        lengths, returns = np.zeros(number, int), np.zeros(number)
        is_first = running.copy()
        self._begin(observation, is_first)
        while running.any():
            actions = self._agent.act(observation, is_first)
            observation, rewards, terminated, truncated, info = call(self._vector.step, actions)
            count(int(running.sum()))
            lengths += 1
            returns += rewards
            # Returns were added above, so scores stay unclipped.
            if self._clip:
                rewards = np.clip(rewards, -1.0, 1.0)
            ended = terminated | truncated | (lengths >= self._max_steps)
            life_lost = info.get("life_lost", np.zeros(number, bool)).astype(bool)
            for index in np.flatnonzero(running).tolist():
                self._agent.record(
                    index,
                    _row(observation, index),
                    rewards[index],
                    is_last=bool(ended[index] or life_lost[index]),
                    is_terminal=bool(terminated[index] or life_lost[index]),
                )
            # Once for all of them: an update in between would change the policy midway.
            self._agent.learn()
            # The game continues after a lost life, so the same observation begins an episode.
            is_first = life_lost & ~ended
            self._begin(observation, is_first & running)
            for index in np.flatnonzero(ended & running).tolist():
                numbers = call(numbers_of, _part(info, index), self._episode_info)
                yield Ended(int(lengths[index]), float(returns[index]), numbers)
            if not ended.any():
                continue
            lengths[ended], returns[ended] = 0, 0.0
            # No new episode begins, but those that are running are finished (Machado et al., 2018).
            if not wanted():
                running &= ~ended
            if running.any():
                observation, _ = call(self._vector.reset, options={"reset_mask": ended})
                is_first |= ended
                self._begin(observation, ended & running)

    def _begin(self, observation: Observation, where: np.ndarray) -> None:
        for index in np.flatnonzero(where).tolist():
            self._agent.record(index, _row(observation, index), is_first=True)


def _part(info: Mapping[str, Any], index: int) -> dict[str, Any]:
    """What one environment has said; Gymnasium has arrays of all, and masks of those that did."""
    return {key: info[key][index] for key in info if f"_{key}" in info and info[f"_{key}"][index]}


def _row(observation: Observation, index: int) -> Observation:
    return {key: value[index] for key, value in observation.items()}
