"""Draws an open-loop prediction next to the truth.

Frames show truth, prediction and error, with a bar on top: blue while the model sees the
observations, orange while it dreams. Without images they show curves of the numbers: truth in
black, prediction in the color of the bar.
"""

import numpy as np

from dreamer_tf.open_loop.prediction import OpenLoop

_SEES, _DREAMS = (60, 110, 220), (240, 140, 30)
_BAR, _GAP = 3, 2  # pixels of the image
_PLOT = (40, 96)  # pixels of a curve, height and width
_PLOTTED = 8  # numbers of an observation
_SMALL = 64  # pixels; smaller images are enlarged


def frames(dream: OpenLoop, scale: int = 1) -> np.ndarray:
    """Draws the images of a prediction, or its numbers if there are no images.

    Args:
      dream: a prediction of B sequences of T steps.
      scale: height and width of a drawn pixel.

    Returns:
      [T, H', W', 3] uint8: a column for each sequence, and three rows for each image of the
      observation: truth, prediction and error. Small images are enlarged, and where there are
      other than 1 or 3 channels each gets a color. Without images, a row for each of the first 8
      numbers of every vector, as curves up to the step of the frame.
    """
    rows = []
    for key, truth in dream.truth.items():
        if truth.ndim != 5:
            continue
        truth, prediction = truth + 0.5, np.clip(dream.prediction[key], -0.5, 0.5) + 0.5
        if truth.shape[-1] not in (1, 3):
            truth, prediction = _colored(truth), _colored(prediction)
        error = (prediction - truth + 1.0) / 2.0
        rows += [_enlarged(images) for images in (truth, prediction, error)]
    if not rows:
        rows = [
            _curves(truth[..., number], dream.prediction[key][..., number], dream.context)
            for key, truth in dream.truth.items()
            for number in range(min(truth.shape[-1], _PLOTTED))
        ]
    width = max(row.shape[3] for row in rows)
    rows = [_widened(row, width) for row in rows]
    shown = np.concatenate([_bar(dream, rows[0])] + [_row(row) for row in rows], axis=1)
    return np.repeat(np.repeat(shown, scale, axis=1), scale, axis=2)


def _colored(planes: np.ndarray) -> np.ndarray:
    """[B, T, H, W, C] in [0, 1] -> [B, T, H, W, 3]: a color for each of many channels."""
    hues = np.arange(planes.shape[-1]) / planes.shape[-1]
    colors = 0.5 + 0.5 * np.cos(2.0 * np.pi * (hues[:, None] + np.array([0.0, 1 / 3, 2 / 3])))
    return np.clip(planes @ colors, 0.0, 1.0)


def _enlarged(images: np.ndarray) -> np.ndarray:
    """Repeats the pixels of small images, so that people see something."""
    times = max(1, _SMALL // images.shape[2])
    return np.repeat(np.repeat(images, times, axis=2), times, axis=3)


def _widened(images: np.ndarray, width: int) -> np.ndarray:
    """Adds black columns on the right."""
    missing = width - images.shape[3]
    return np.pad(images, ((0, 0),) * 3 + ((0, missing), (0, 0))) if missing else images


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
            lines.append(np.concatenate([points[:1], points]))  # OpenCV draws no single point
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
