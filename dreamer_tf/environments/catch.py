"""Catch, the smallest task from pixels."""

from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Size


@configurable
class Catch(gymnasium.Env):
    """A ball falls from a random column; the paddle at the bottom must be under it.

    Actions: 0 left, 1 stay, 2 right. Only the last step has a reward: 1 if the ball is caught, -1
    if it is missed. The best return is 1; a random policy gets about -0.7.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self, grid: Size = 8, image_size: Size = 64, render_mode: str | None = "rgb_array"
    ):
        """Creates the environment.

        Args:
          grid: rows and columns; an episode has `grid - 1` steps.
          image_size: height and width of the image, a multiple of `grid`.
          render_mode: Gymnasium's; None for no frames.
        """
        self.render_mode = render_mode
        self._grid = grid
        self._cell = image_size // grid
        self.observation_space = gymnasium.spaces.Box(0, 255, (image_size, image_size, 1), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(3)
        self._ball = [0, 0]  # row, column
        self._paddle = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Places the ball at the top and the paddle in the middle."""
        super().reset(seed=seed)
        self._ball = [0, int(self.np_random.integers(self._grid))]
        self._paddle = self._grid // 2
        return self._image(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Moves the paddle and lets the ball fall by one row."""
        self._paddle = int(np.clip(self._paddle + int(action) - 1, 0, self._grid - 1))
        self._ball[0] += 1
        # The paddle has moved already, so the last action counts.
        ended = self._ball[0] == self._grid - 1
        caught = self._ball[1] == self._paddle
        reward = (1.0 if caught else -1.0) if ended else 0.0
        return self._image(), reward, ended, False, {}

    def render(self) -> np.ndarray:
        """The image as RGB, [H, W, 3] uint8."""
        return np.repeat(self._image(), 3, axis=-1)

    def _image(self) -> np.ndarray:
        image = np.zeros((self._grid, self._grid), np.uint8)
        image[-1, self._paddle] = 128
        image[tuple(self._ball)] = 255
        return np.kron(image, np.ones((self._cell, self._cell), np.uint8))[..., None]
