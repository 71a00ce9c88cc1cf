"""What the world model expects to see: open-loop predictions next to what came.

The posterior filters a few context observations; after them the model gets actions and nothing
else. Frames show truth, prediction and error, with a bar on top: blue while the model sees the
observations, orange while it dreams. Without images they show curves of the numbers, truth in
black, prediction in the color of the bar.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf import video
from dreamer_tf.errors import UserError

_SEES, _DREAMS = (60, 110, 220), (240, 140, 30)
_BAR, _GAP = 3, 2  # pixels of the image
_PLOT = (40, 96)  # pixels of a curve, height and width
_PLOTTED = 8  # numbers of an observation


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


def frames(dream: OpenLoop, scale: int = 1) -> np.ndarray:
    """Shows the images of a dream, or the numbers where it has no images.

    Args:
      dream: of B sequences of T steps.
      scale: how many pixels a pixel becomes, in height and width.

    Returns:
      [T, H', W', 3] uint8: one column for every sequence and one row each for truth, prediction
      and error, again for every image of the observation. Without images one row for each of the
      first 8 numbers of every vector, as curves up to the step of the frame.
    """
    rows = []
    for key, truth in dream.truth.items():
        if truth.ndim != 5:
            continue
        prediction = np.clip(dream.prediction[key], -0.5, 0.5)
        rows += [truth + 0.5, prediction + 0.5, (prediction - truth + 1.0) / 2.0]
    if not rows:
        rows = [
            _curves(truth[..., number], dream.prediction[key][..., number], dream.context)
            for key, truth in dream.truth.items()
            for number in range(min(truth.shape[-1], _PLOTTED))
        ]
    shown = np.concatenate([_bar(dream, rows[0])] + [_row(row) for row in rows], axis=1)
    return np.repeat(np.repeat(shown, scale, axis=1), scale, axis=2)


def _row(images: np.ndarray) -> np.ndarray:
    """[B, T, H, W, C] in [0, 1] -> [T, H', B W', 3] uint8 with gaps."""
    gaps = ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0))
    shown = np.pad(np.round(255.0 * images).astype(np.uint8), gaps)
    if shown.shape[-1] == 1:
        shown = np.repeat(shown, 3, axis=-1)
    return np.concatenate(list(shown), axis=2)


def _curves(truth: np.ndarray, prediction: np.ndarray, context: int) -> np.ndarray:
    """[B, T] twice -> [B, T, H, W, 3] in [0, 1]: curves that grow from frame to frame."""
    import cv2

    size, length = truth.shape
    height, width = _PLOT
    low, high = float(truth.min()), float(truth.max())
    margin = 0.1 * (high - low) or 1.0
    across = np.linspace(1, width - 2, length)
    shown = np.full((size, length, height, width, 3), 255, np.uint8)
    for row in range(size):
        lines = []
        for values in (truth[row], np.clip(prediction[row], low - margin, high + margin)):
            heights = (high + margin - values) / (high - low + 2 * margin) * (height - 1)
            points = np.round(np.stack([across, heights], -1)).astype(np.int32)
            lines.append(np.concatenate([points[:1], points]))  # a single point is no line
        for step in range(length):
            end = step + 2
            picture = shown[row, step]
            cv2.polylines(picture, [lines[0][:end]], False, (0, 0, 0))
            cv2.polylines(picture, [lines[1][: min(end, context + 1)]], False, _SEES)
            if step >= context:  # begins where the seen part ends
                cv2.polylines(picture, [lines[1][context:end]], False, _DREAMS)
    return shown / 255.0


def _bar(dream: OpenLoop, images: np.ndarray) -> np.ndarray:
    size, length, _, width, _ = images.shape
    bar = np.zeros((length, _BAR, size * (width + _GAP), 3), np.uint8)
    bar[: dream.context] = _SEES
    bar[dream.context :] = _DREAMS
    return bar


def save(
    policy: Any,
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
    video.check_path(path)
    if not hasattr(policy.agent, "learner"):
        raise UserError(
            f"{policy.agent.label} has no world model that could dream; name a run of DreamerV2."
        )
    if actions == "replay":
        dream = in_replay(policy, sequences, context, length, seed)
    else:
        dream = in_environment(policy, context, length, actions == "random", seed)
    video.write_gif(path, frames(dream, scale=2))
    return dream


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
