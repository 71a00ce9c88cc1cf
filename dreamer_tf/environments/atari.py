"""The Arcade Learning Environment (paper 3, "Experimental setup"; Machado et al., 2018)."""

from typing import Any

import ale_py
import cv2
import gin
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import Observation
from dreamer_tf.errors import UserError, did_you_mean

# What a preset sets; any of it can be set on its own.
PRESETS = {
    "machado2018": {
        "sticky_actions": 0.25,
        "full_action_space": True,
        "max_frames": 108_000,
        "noop_max": 0,
        "end_on_life_loss": False,
    },
    "nature2015": {
        "sticky_actions": 0.0,
        "full_action_space": False,
        "max_frames": 108_000,
        "noop_max": 30,
        "end_on_life_loss": True,
    },
}


def game_names() -> list[str]:
    """All games of the Arcade Learning Environment, as in 'Pong' and 'SpaceInvaders'."""
    gymnasium.register_envs(ale_py)
    return [
        name.removeprefix("ALE/").removesuffix("-v5")
        for name in gymnasium.registry
        if name.startswith("ALE/")
    ]


@gin.configurable
class AtariEnvironment:
    """One Atari game, `ALE/<game_name>-v5` of Gymnasium with the paper's preprocessing.

    Every agent step repeats the action for `action_repeat` frames. The image is the maximum of
    the last two frames in grayscale, scaled to each of `image_sizes` in turn.
    """

    def __init__(
        self,
        game_name: str = gin.REQUIRED,
        preset: str = "machado2018",
        sticky_actions: float | None = None,
        full_action_space: bool | None = None,
        max_frames: int | None = None,
        noop_max: int | None = None,
        end_on_life_loss: bool | None = None,
        action_repeat: int = 4,
        image_sizes: tuple[int, ...] = (84, 64),
        grayscale: bool = True,
    ):
        """Loads the game.

        Args:
          game_name: as in 'Pong' or 'SpaceInvaders'.
          preset: 'machado2018' (sticky actions, all 18 actions, no life information) or
            'nature2015' (deterministic, no-op starts, minimal actions, life loss ends an episode
            for learning). The arguments below change single points of it.
          sticky_actions: probability that a frame repeats the action before.
          full_action_space: all 18 actions instead of those that the game uses.
          max_frames: frames after which an episode is truncated.
          noop_max: an episode begins with 1 to this many no-op frames; 0 for none.
          end_on_life_loss: a lost life ends the episode for learning; the game goes on.
          action_repeat: frames per agent step.
          image_sizes: the image is scaled to these square sizes one after the other.
          grayscale: luminance instead of RGB.

        Raises:
          UserError: unknown game or preset.
        """
        games = game_names()
        if game_name not in games:
            raise UserError(
                f"Unknown game '{game_name}' (AtariEnvironment.game_name)."
                f"{did_you_mean(game_name, games)}"
            )
        if preset not in PRESETS:
            raise UserError(
                f"AtariEnvironment.preset is '{preset}': use one of {', '.join(PRESETS)}."
            )
        if action_repeat < 1 or not image_sizes or min(image_sizes) < 1:
            raise UserError(
                f"AtariEnvironment.action_repeat is {action_repeat} and image_sizes is "
                f"{image_sizes}: both need positive numbers."
            )
        if sticky_actions is not None and not 0.0 <= sticky_actions <= 1.0:
            raise UserError(
                f"AtariEnvironment.sticky_actions is {sticky_actions}, but must be in [0, 1]."
            )
        given = {
            "sticky_actions": sticky_actions,
            "full_action_space": full_action_space,
            "max_frames": max_frames,
            "noop_max": noop_max,
            "end_on_life_loss": end_on_life_loss,
        }
        changed = {key: value for key, value in given.items() if value is not None}
        settings = PRESETS[preset] | changed
        self.name = game_name
        self.settings = settings | {"action_repeat": action_repeat}
        differing = {k: v for k, v in settings.items() if v != PRESETS[preset][k]}
        if action_repeat != 4:
            differing["action_repeat"] = action_repeat
        self.protocol = ", ".join([preset, *(f"{k}={v}" for k, v in differing.items())])
        self.max_steps = -(-settings["max_frames"] // action_repeat)  # agent steps of an episode
        self.frames_per_step = action_repeat
        self._noop_max = settings["noop_max"]
        self._end_on_life_loss = settings["end_on_life_loss"]
        self._image_sizes = tuple(image_sizes)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # no banner
        self._gymnasium = gymnasium.make(
            f"ALE/{game_name}-v5",
            frameskip=1,
            repeat_action_probability=settings["sticky_actions"],
            full_action_space=settings["full_action_space"],
            max_num_frames_per_episode=settings["max_frames"],
            obs_type="grayscale" if grayscale else "rgb",
            disable_env_checker=True,
        ).unwrapped
        self._ale = self._gymnasium.ale
        self._actions = self._ale.getLegalActionSet()
        if not settings["full_action_space"]:
            self._actions = self._ale.getMinimalActionSet()
        self._screen = self._ale.getScreenGrayscale if grayscale else self._ale.getScreenRGB
        shape = self._ale.getScreenDims() if grayscale else (*self._ale.getScreenDims(), 3)
        self._frames = [np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)]
        self._lives = 0
        size = self._image_sizes[-1]
        box = gymnasium.spaces.Box(0, 255, (size, size, 1 if grayscale else 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({"image": box})
        self.action_space = gymnasium.spaces.Discrete(len(self._actions))

    @property
    def action_meanings(self) -> list[str]:
        """Names of the actions, as in 'NOOP' and 'FIRE'."""
        return [action.name for action in self._actions]

    def reset(self, seed: int | None = None) -> Observation:
        """Starts a game; a seed reloads it, so that the same episodes follow."""
        self._gymnasium.reset(seed=seed)
        if self._noop_max:
            for _ in range(int(self._gymnasium.np_random.integers(1, self._noop_max + 1))):
                self._ale.act(ale_py.Action.NOOP)
                if self._ale.game_over():
                    self._ale.reset_game()
        self._lives = self._ale.lives()
        self._screen(self._frames[0])
        return self._observation(self._frames[0])

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Repeats an action.

        Args:
          action: index into `action_meanings`.

        Returns:
          observation, sum of rewards, whether the game is over, whether the time limit was
          reached while it was not, and info with 'lives' and 'life_lost'.
        """
        meaning = self._actions[action]
        reward = 0.0
        seen = 0
        for frame in range(self.frames_per_step):
            reward += self._ale.act(meaning)
            ended = self._ale.game_over()  # truncation included
            if ended or frame >= self.frames_per_step - 2:
                self._screen(self._frames[seen])
                seen += 1
            if ended:
                break
        image = self._frames[0]
        if seen == 2:
            image = cv2.max(*self._frames)
        terminated = self._ale.game_over(with_truncation=False)
        truncated = self._ale.game_truncated() and not terminated
        lives = self._ale.lives()
        life_lost = self._end_on_life_loss and lives < self._lives and not terminated
        self._lives = lives
        info = {"lives": lives, "life_lost": life_lost}
        return self._observation(image), reward, terminated, truncated, info

    def render(self) -> np.ndarray:
        """The game's screen in color, [210, 160, 3] uint8."""
        return self._ale.getScreenRGB()

    def _observation(self, image: np.ndarray) -> Observation:
        for size in self._image_sizes:
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        return {"image": image.reshape(self.observation_space["image"].shape)}
