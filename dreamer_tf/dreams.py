"""What the world model expects to see: open-loop predictions next to what came.

The posterior filters a few context observations; after them the model gets actions and nothing
else. Frames show truth, prediction and error, with a bar on top: blue while the model sees the
observations, orange while it dreams.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError

_SEES, _DREAMS = (60, 110, 220), (240, 140, 30)
_BAR, _GAP = 3, 2  # pixels of the image


class OpenLoop(NamedTuple):
    """Observations and their predictions; images in [-0.5, 0.5], vectors as they are."""

    truth: dict[str, np.ndarray]  # [B, T, ...]
    prediction: dict[str, np.ndarray]  # [B, T, ...], reconstructions up to `context`
    context: int  # number of observations that the model has seen

    def errors(self) -> dict[str, np.ndarray]:
        """Mean squared error of each observation at every step: name -> [T]."""
        return {
            key: np.mean(np.square(self.prediction[key] - truth), axis=(0, *range(2, truth.ndim)))
            for key, truth in self.truth.items()
        }


def frames(dream: OpenLoop, scale: int = 1) -> np.ndarray | None:
    """Shows the images of a dream.

    Args:
      dream: of B sequences of T steps.
      scale: how many pixels a pixel becomes, in height and width.

    Returns:
      [T, H', W', 3] uint8: one column for every sequence and one row each for truth, prediction
      and error, again for every image of the observation; None where there is no image.
    """
    rows = []
    for key, truth in dream.truth.items():
        if truth.ndim != 5:
            continue
        prediction = np.clip(dream.prediction[key], -0.5, 0.5)
        rows += [truth + 0.5, prediction + 0.5, (prediction - truth + 1.0) / 2.0]
    if not rows:
        return None
    shown = np.concatenate([_bar(dream, rows[0])] + [_row(row) for row in rows], axis=1)
    return np.repeat(np.repeat(shown, scale, axis=1), scale, axis=2)


def _row(images: np.ndarray) -> np.ndarray:
    """[B, T, H, W, C] in [0, 1] -> [T, H', B W', 3] uint8 with gaps."""
    gaps = ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0))
    shown = np.pad(np.round(255.0 * images).astype(np.uint8), gaps)
    if shown.shape[-1] == 1:
        shown = np.repeat(shown, 3, axis=-1)
    return np.concatenate(list(shown), axis=2)


def _bar(dream: OpenLoop, images: np.ndarray) -> np.ndarray:
    size, length, _, width, _ = images.shape
    bar = np.zeros((length, _BAR, size * (width + _GAP), 3), np.uint8)
    bar[: dream.context] = _SEES
    bar[dream.context :] = _DREAMS
    return bar


def in_environment(
    policy: Any, context: int, length: int, random: bool = False, seed: int = 0
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


def in_replay(policy: Any, count: int, context: int, length: int, seed: int = 0) -> OpenLoop:
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


def _step(environment: Any, action: Any) -> tuple[Mapping[str, np.ndarray], bool]:
    observation, _, terminated, truncated, _ = environment.step(action)
    return observation, terminated or truncated


def _stack(steps: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """T observations -> [1, T, ...] by name."""
    return {key: np.stack([step[key] for step in steps])[None] for key in steps[0]}
