"""MinAtar (Young & Tian, 2019): what its adapter to Gymnasium lacks."""

from typing import Any

import gymnasium


def is_minatar(environment: gymnasium.Env) -> bool:
    """Whether the innermost environment is of the package minatar."""
    return type(environment.unwrapped).__module__.partition(".")[0] == "minatar"


class FreshStart(gymnasium.Wrapper):
    """Forgets the last action at a reset with a seed.

    A sticky first action repeats the last one of the episode before. So the same seed gave other
    episodes, depending on what had happened in the process.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        if seed is not None:
            self.unwrapped.game.last_action = 0  # type: ignore[attr-defined]
        return self.env.reset(seed=seed, options=options)
