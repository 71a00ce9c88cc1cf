"""Open-loop predictions of a stored policy, beside its environment or of stored sequences.

The posterior filters a few context observations; after them the model gets actions and nothing
else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dreamer_tf.environments.interface import Environment, Observation
from dreamer_tf.errors import UserError
from dreamer_tf.experiment.policy import Policy
from dreamer_tf.open_loop import drawing, gif
from dreamer_tf.open_loop.prediction import OpenLoop


def save(
    policy: Policy,
    path: str,
    actions: str = "policy",
    *,
    context: int = 5,
    length: int = 45,
    sequences: int = 4,
    seed: int = 0,
) -> OpenLoop:
    """Dreams, and writes what is seen as a GIF; `python -m dreamer_tf.dream` in Python.

    Args:
      policy: from `load_policy` or `train_agent`.
      path: of the GIF.
      actions: 'policy', 'random' (both in the environment as well) or 'replay' (stored ones).
      context: observations that the model sees.
      length: dreamt steps after them.
      sequences: how many, for 'replay'.
      seed: of environment, dream and the choice of sequences.

    Raises:
      UserError: the agent has no world model, or as in `in_environment` and `in_replay`.
    """
    gif.check_path(path)
    if not hasattr(policy.agent, "learner"):
        raise UserError(
            f"{policy.agent.label} has no world model that could dream; name a run of DreamerV2."
        )
    if actions == "replay":
        dream = in_replay(policy, sequences, context, length, seed)
    else:
        dream = in_environment(policy, context, length, actions == "random", seed)
    gif.write_gif(path, drawing.frames(dream, scale=2))
    return dream


def in_environment(
    policy: Policy, context: int, length: int, random: bool = False, seed: int = 0
) -> OpenLoop:
    """Dreams beside an environment that carries out the same actions.

    Args:
      policy: from `load_policy`; acts while the model sees.
      context: observations that the model sees.
      length: dreamt steps after them; fewer where the episode ends before.
      random: dreams of random actions instead of those that the actor chooses in the dream.
      seed: of environment, dream and random actions.

    Raises:
      UserError: the episode ends while the model still sees it.
    """
    learner, environment = policy.agent.learner, policy.environment
    environment.action_space.seed(seed)
    policy.reset()
    observation, ended = environment.reset(seed), False
    truth, prediction = [], []
    while True:
        action = policy(observation)
        state = policy.agent.policy_state
        truth.append(observation)
        prediction.append(learner.reconstruct(state))
        if len(truth) == context:
            break
        observation, ended = _step(environment, action)
        if ended:
            raise UserError(
                f"The episode ended after {len(truth)} steps, before anything was dreamt: lower "
                "--context, or take another --seed."
            )
    while not ended and len(truth) < context + length:
        if random:
            action = environment.action_space.sample()
            state = learner.with_action(state, action)
        observation, ended = _step(environment, action)
        action, state = learner.dream(state, len(truth), seed)
        truth.append(observation)
        prediction.append(learner.reconstruct(state))
    return OpenLoop(learner.preprocess(_stack(truth)), _stack(prediction), context)


def in_replay(policy: Policy, count: int, context: int, length: int, seed: int = 0) -> OpenLoop:
    """Dreams of the actions of stored sequences.

    Args:
      policy: from `load_policy`; its base directory has the replay.
      count: B, sequences.
      context: observations that the model sees.
      length: dreamt steps after them.
      seed: chooses the sequences.

    Raises:
      UserError: there is no replay, or no episode in it is long enough.
    """
    sequences = policy.open_replay().whole_sequences(
        count, context + length, np.random.default_rng(seed)
    )
    if sequences is None:
        raise UserError(
            f"No stored episode has {context + length} steps: lower --frames or --context."
        )
    return policy.agent.learner.inspect(sequences, context).dream


def _step(environment: Environment, action: Any) -> tuple[Observation, bool]:
    observation, _, terminated, truncated, _ = environment.step(action)
    return observation, terminated or truncated


def _stack(steps: Sequence[Observation]) -> dict[str, np.ndarray]:
    """T observations -> [1, T, ...] by name."""
    return {key: np.stack([step[key] for step in steps])[None] for key in steps[0]}
