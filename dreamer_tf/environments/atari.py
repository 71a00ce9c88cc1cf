"""The Arcade Learning Environment (paper 3, "Experimental setup"; Machado et al., 2018)."""

from typing import Any, Literal

import ale_py
import cv2
import gin
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import Environment, Observation
from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Fraction, NonNegativeInt, Pixels, PositiveInt, Size

# Evaluation protocols. Arguments of AtariEnvironment override single settings.
PRESETS: dict[str, dict[str, Any]] = {
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
    "atari100k": {
        "sticky_actions": 0.0,
        "full_action_space": False,
        "max_frames": 108_000,
        "noop_max": 30,
        "end_on_life_loss": True,
    },
}


def game_names() -> list[str]:
    """All games of the Arcade Learning Environment, like 'Pong' and 'SpaceInvaders'."""
    gymnasium.register_envs(ale_py)
    return [
        name.removeprefix("ALE/").removesuffix("-v5")
        for name in gymnasium.registry
        if name.startswith("ALE/")
    ]


@configurable
class AtariEnvironment(Environment):
    """One Atari game: Gymnasium's `ALE/<game_name>-v5` with the paper's preprocessing.

    Every agent step repeats the action for `action_repeat` frames. The image is the maximum of the
    last two frames, because many games draw some sprites only in every other frame. It is in
    grayscale and resized to each of `image_sizes` in turn.
    """

    def __init__(
        self,
        game_name: str = gin.REQUIRED,
        preset: Literal["machado2018", "nature2015", "atari100k"] = "machado2018",
        sticky_actions: Fraction | None = None,
        full_action_space: bool | None = None,
        max_frames: PositiveInt | None = None,
        noop_max: NonNegativeInt | None = None,
        end_on_life_loss: bool | None = None,
        action_repeat: Size = 4,
        image_sizes: tuple[Pixels, ...] = (84, 64),
        grayscale: bool = True,
    ):
        """Loads the game.

        Args:
          game_name: for example 'Pong' or 'SpaceInvaders'.
          preset: 'machado2018' (sticky actions, all 18 actions, no life information),
            'nature2015' (deterministic, no-op starts, minimal actions, a lost life ends the
            episode for learning), or 'atari100k' (the settings of 'nature2015', for the scores of
            another benchmark). The next five arguments override single settings of it.
          sticky_actions: probability that a frame repeats the previous action, in [0, 1].
          full_action_space: all 18 actions instead of those that the game uses.
          max_frames: frames after which an episode is truncated.
          noop_max: an episode begins with 1 to this many no-op frames; 0 for none.
          end_on_life_loss: a lost life ends the episode for learning; the game continues.
          action_repeat: frames per agent step.
          image_sizes: the image is resized to these square sizes one after the other, in pixels.
          grayscale: luminance instead of RGB.

        Raises:
          UserError: the game or the preset is unknown, or a number is out of its range.
        """
        check_game(game_name)
        if not image_sizes:
            raise UserError(
                "AtariEnvironment.image_sizes is empty: give one size or more, in pixels."
            )
        given = {
            "sticky_actions": sticky_actions,
            "full_action_space": full_action_space,
            "max_frames": max_frames,
            "noop_max": noop_max,
            "end_on_life_loss": end_on_life_loss,
        }
        changed = {key: value for key, value in given.items() if value is not None}
        settings = PRESETS[preset] | changed | {"action_repeat": action_repeat}
        self.name = game_name
        self.settings = settings
        self.protocol = _protocol(preset, settings)
        self.max_steps = -(-settings["max_frames"] // action_repeat)  # rounded up
        self.frames_per_step = action_repeat
        self._noop_max = settings["noop_max"]
        self._end_on_life_loss = settings["end_on_life_loss"]
        self._image_sizes = tuple(image_sizes)
        self._gymnasium = _load(game_name, settings, grayscale)
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
        """Names of the actions, for example 'NOOP' and 'FIRE'."""
        return [action.name for action in self._actions]

    def reset(self, seed: int | None = None) -> Observation:
        """Starts a game. A seed reloads it, so the same episodes follow."""
        self._gymnasium.reset(seed=seed)
        if self._noop_max:
            # Gymnasium's generator, which the reset has seeded.
            for _ in range(int(self._gymnasium.np_random.integers(1, self._noop_max + 1))):
                self._ale.act(ale_py.Action.NOOP)
                # A game that ends meanwhile begins again.
                if self._ale.game_over():
                    self._ale.reset_game()
        self._lives = self._ale.lives()
        self._screen(self._frames[0])
        return self._observation(self._frames[0])

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Repeats an action for one agent step.

        Args:
          action: index into `action_meanings`.

        Returns:
          Observation, sum of rewards, terminated (the game is over), truncated (the time limit was
          reached and the game is not over), and info with 'lives' and 'life_lost'.
        """
        meaning = self._actions[action]
        reward = 0.0
        seen = 0
        for frame in range(self.frames_per_step):
            reward += self._ale.act(meaning)
            ended = self._ale.game_over()  # also on truncation
            # Only the last two frames are seen. An episode that ends earlier shows its last frame.
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
        # At the end of a game, `terminated` says all.
        life_lost = self._end_on_life_loss and lives < self._lives and not terminated
        self._lives = lives
        info = {"lives": lives, "life_lost": life_lost}
        return self._observation(image), reward, terminated, truncated, info

    def render(self) -> np.ndarray:
        """The screen in color, [210, 160, 3] uint8."""
        return self._ale.getScreenRGB()

    def _observation(self, image: np.ndarray) -> Observation:
        for size in self._image_sizes:
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        return {"image": image.reshape(self.observation_space["image"].shape)}


def check_game(name: str) -> None:
    """Checks the name of a game.

    Raises:
      UserError: there is no such game.
    """
    games = game_names()
    if name not in games:
        raise UserError(
            f"Unknown game '{name}' (AtariEnvironment.game_name).{did_you_mean(name, games)}"
        )


def _protocol(preset: str, settings: dict[str, Any]) -> str:
    """Names the preset and every setting that differs from it."""
    usual = PRESETS[preset] | {"action_repeat": 4}
    differing = [f"{key}={value}" for key, value in settings.items() if value != usual[key]]
    return ", ".join([preset, *differing])


def _load(game_name: str, settings: dict[str, Any], grayscale: bool) -> Any:
    """The game without wrappers. Frames are skipped and combined here, not in Gymnasium."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # no banner
    return gymnasium.make(
        f"ALE/{game_name}-v5",
        frameskip=1,
        repeat_action_probability=settings["sticky_actions"],
        full_action_space=settings["full_action_space"],
        max_num_frames_per_episode=settings["max_frames"],
        obs_type="grayscale" if grayscale else "rgb",
        disable_env_checker=True,
    ).unwrapped
