"""Crafter (Hafner, 2021): the package speaks the old Gym's language."""

import importlib
from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import PositiveInt, Size

# The 22 of the paper's table 1, by the names of the package.
ACHIEVEMENTS = (
    *("collect_coal", "collect_diamond", "collect_drink", "collect_iron", "collect_sapling"),
    *("collect_stone", "collect_wood", "defeat_skeleton", "defeat_zombie", "eat_cow"),
    *("eat_plant", "make_iron_pickaxe", "make_iron_sword", "make_stone_pickaxe"),
    *("make_stone_sword", "make_wood_pickaxe", "make_wood_sword", "place_furnace"),
    *("place_plant", "place_stone", "place_table", "wake_up"),
)


@configurable
class Crafter(gymnasium.Env):
    """An open world in 9x9 cells, with 22 achievements.

    Actions: 17. Reward: 1 for each achievement that an episode unlocks, and 0.1 for each point of
    health that is won or lost. `info["achievements"]` counts them. Each is also a name in `info`,
    with 1 if this episode has unlocked it; these are logged at the end of an episode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    episode_info = ACHIEVEMENTS
    render_mode = "rgb_array"

    def __init__(self, reward: bool = True, size: Size = 64, length: PositiveInt = 10_000):
        """Creates the environment.

        Args:
          reward: False for no rewards at all.
          size: height and width of the image, in pixels.
          length: agent steps after which an episode is truncated.

        Raises:
          UserError: the package crafter is not installed.
        """
        try:
            self._make = _ordered(importlib.import_module("crafter").Env)
        except ImportError as error:
            raise UserError(
                "The package crafter is not installed: pip install 'dreamer_tf[crafter]'."
            ) from error
        self._settings = {"reward": reward, "size": (size, size), "length": length}
        self._environment = self._make(seed=0, **self._settings)
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(int(self._environment.action_space.n))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins another world."""
        super().reset(seed=seed)
        if seed is not None:
            # Worlds follow from this seed and the number of the episode.
            self._environment = self._make(seed=seed, **self._settings)
        return self._environment.reset(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Carries out an action."""
        image, reward, ended, info = self._environment.step(int(action))
        died = info["discount"] == 0.0
        unlocked = {name: float(count > 0) for name, count in info["achievements"].items()}
        info = {**info, **unlocked}
        return image, float(reward), bool(ended and died), bool(ended and not died), info

    def render(self) -> np.ndarray:
        """The image, [H, W, 3] uint8."""
        return self._environment.render()


def _ordered(original: Any) -> Any:
    """The environment with creatures in one order.

    The package draws one of a set of objects. Sets have the order of addresses in memory, so equal
    seeds gave other worlds in each process.
    """

    class Ordered(original):
        def _balance_chunk(self, chunk: Any, objects: Any) -> None:
            super()._balance_chunk(chunk, sorted(objects, key=lambda one: tuple(one.pos)))

    return Ordered
