"""Open-loop predictions of a stored agent, next to what really happens.

The posterior filters a few context observations. After them the model gets actions and nothing
else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.environments.factored import ACTION_MASK, random_actions
from dreamer_tf.environments.interface import Environment, Observation
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import guard
from dreamer_tf.open_loop.prediction import OpenLoop
from dreamer_tf.replay.episode_replay import EpisodeReplay


def with_world_model(agent: Agent) -> DreamerV2Agent:
    """The agent, if it can predict.

    Raises:
      UserError: it has no world model.
    """
    if not isinstance(agent, DreamerV2Agent):
        raise UserError(
            f"{agent.label} has no world model that could dream: name a run of DreamerV2."
        )
    return agent


def in_environment(
    agent: DreamerV2Agent,
    environment: Environment,
    context: int,
    length: int,
    random: bool = False,
    seed: int = 0,
) -> OpenLoop:
    """Predicts beside an environment that carries out the same actions.

    Args:
      agent: in `eval_mode`; acts while the model sees the observations.
      environment: for which the agent was trained.
      context: observations that the model sees.
      length: predicted steps after them; fewer if the episode ends earlier.
      random: predicts random actions instead of those that the actor chooses in its prediction.
      seed: of environment, prediction and random actions.

    Returns:
      One sequence: truth and prediction [1, T, ...] by name.

    Raises:
      UserError: the episode ends while the model still sees it.
    """
    inspector = agent.learner.inspector
    # Random actions come from the space, and must repeat with the seed.
    environment.action_space.seed(seed)
    observation, ended = guard.reset(environment, seed), False
    truth: list[Observation] = []
    prediction: list[Observation] = []
    while True:
        action = agent.step(0.0, observation) if truth else agent.begin_episode(observation)
        state = agent.policy_state
        truth.append(observation)
        prediction.append(inspector.reconstruct(state))
        if len(truth) == context:
            break
        observation, ended = _step(environment, action)
        if ended:
            raise UserError(
                f"The episode ended after {len(truth)} steps, before the prediction began: lower "
                "--context, or choose another --seed."
            )
    while not ended and len(truth) < context + length:
        if random:
            action = random_action(environment, observation)
            state = inspector.with_action(state, action)
        observation, ended = _step(environment, action)
        action, state = inspector.dream_step(state, len(truth), seed, _mask(observation))
        truth.append(observation)
        prediction.append(inspector.reconstruct(state))
    seen, dreamt = inspector.preprocess(_stack(truth)), _stack(prediction)
    predicted = {key: value for key, value in seen.items() if key in dreamt}
    return OpenLoop(predicted, dreamt, context)


def in_replay(
    agent: DreamerV2Agent,
    replay: EpisodeReplay,
    count: int,
    context: int,
    length: int,
    seed: int = 0,
) -> OpenLoop:
    """Predicts stored sequences from their actions.

    Args:
      agent: with the world model.
      replay: of the same run.
      count: B, sequences.
      context: observations that the model sees.
      length: predicted steps after them.
      seed: chooses the sequences.

    Returns:
      Truth and prediction [B, context + length, ...] by name.

    Raises:
      UserError: no stored episode is long enough.
    """
    rng = np.random.default_rng(seed)
    sequences = replay.whole_sequences(count, context + length, rng)
    if sequences is None:
        raise UserError(
            f"No stored episode has {context + length} steps: lower --frames or --context."
        )
    return agent.learner.inspector.inspect(sequences, context).dream


def _mask(observation: Observation) -> np.ndarray | None:
    """What the environment allows, where it says so; it carries the actions out."""
    mask = observation.get(ACTION_MASK)
    return mask if mask is not None and mask.dtype == bool else None


def random_action(environment: Environment, observation: Observation) -> Any:
    """A random action that the environment allows; its space draws it."""
    space, mask = environment.action_space, _mask(observation)
    if mask is None:
        return space.sample()
    return random_actions(space, space.np_random, 1, mask[None])[0]


def _step(environment: Environment, action: Any) -> tuple[Observation, bool]:
    observation, _, terminated, truncated, _ = guard.step(environment, action)
    return observation, terminated or truncated


def _stack(steps: Sequence[Observation]) -> dict[str, np.ndarray]:
    """T observations -> [1, T, ...] by name."""
    return {key: np.stack([step[key] for step in steps])[None] for key in steps[0]}
