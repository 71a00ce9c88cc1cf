"""Open-loop predictions of a world model next to the truth."""

from typing import NamedTuple

import numpy as np


class OpenLoop(NamedTuple):
    """Observations and their predictions; images in [-0.5, 0.5], vectors unscaled."""

    truth: dict[str, np.ndarray]  # [B, T, ...]
    prediction: dict[str, np.ndarray]  # [B, T, ...], reconstructions up to `context`
    context: int  # number of observations that the model has seen

    def errors(self) -> dict[str, np.ndarray]:
        """Mean squared error of each observation at every step: name -> [T]."""
        return {
            key: np.mean(np.square(self.prediction[key] - truth), axis=(0, *range(2, truth.ndim)))
            for key, truth in self.truth.items()
        }


class Inspection(NamedTuple):
    """How a world model sees a batch of stored sequences."""

    dream: OpenLoop
    distributions: dict[str, np.ndarray]  # [B, T] each, by name
