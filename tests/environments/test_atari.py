"""The Atari environment against ALE itself."""

import ale_py
import cv2
import gin
import gymnasium
import numpy as np
import pytest
from ale_py import roms

from dreamer_tf.environments.atari import PRESETS, AtariEnvironment, game_names
from dreamer_tf.environments.interface import DopamineEnvironment, Environment
from dreamer_tf.errors import UserError


def bare_ale(game: str, seed: int, sticky: float, max_frames: int):
    """ALE without wrappers, with the seed that Gymnasium derives."""
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", sticky)
    ale.setInt("max_num_frames_per_episode", max_frames)
    _, ale_seed = np.random.SeedSequence(seed).generate_state(2)
    ale.setInt("random_seed", np.int32(ale_seed))
    ale.loadROM(roms.get_rom_path(game))
    ale.reset_game()
    return ale


def actions(count: int, number: int) -> list[int]:
    return np.random.default_rng(3).integers(0, number, count).tolist()


def test_the_default_is_the_protocol_of_the_paper():
    environment = AtariEnvironment("Pong")
    assert isinstance(environment, Environment)
    assert environment.action_space.n == 18
    assert environment.observation_space["image"].shape == (64, 64, 1)
    observation = environment.reset(0)
    assert environment.observation_space.contains(observation)
    assert environment.render().shape == (210, 160, 3)
    assert environment.protocol == "machado2018"


def test_frames_rewards_and_images_are_those_of_ale():
    """Four frames an action, the maximum of the last two, 84x84, then 64x64."""
    environment = AtariEnvironment("Breakout")
    ale = bare_ale("breakout", 7, 0.25, 108_000)
    environment.reset(7)
    for action in actions(300, 18):
        observation, reward, terminated, truncated, info = environment.step(action)
        expected, frames = 0.0, []
        for _ in range(4):
            expected += ale.act(ale.getLegalActionSet()[action])
            frames.append(ale.getScreenGrayscale())
            if ale.game_over():
                break
        assert reward == expected
        assert info["lives"] == ale.lives()
        assert (terminated, truncated) == (ale.game_over(with_truncation=False), False)
        if terminated:
            break
        image = np.maximum(*frames[-2:])
        for size in (84, 64):
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(observation["image"][..., 0], image)


def test_game_over_terminates():
    environment = AtariEnvironment("Breakout")
    environment.reset(1)
    for action in actions(5000, 18):
        _, _, terminated, truncated, _ = environment.step(action)
        if terminated or truncated:
            break
    assert environment._ale.game_over(with_truncation=False)
    assert (terminated, truncated) == (True, False)


@pytest.mark.parametrize("max_frames,steps", [(40, 10), (41, 11), (43, 11)])
def test_the_time_limit_truncates(max_frames, steps):
    """Also in the middle of an agent step, where the image is that of the last frame."""
    environment = AtariEnvironment("Pong", max_frames=max_frames)
    environment.reset(1)
    for step in range(steps):
        observation, _, terminated, truncated, _ = environment.step(0)
        assert (terminated, truncated) == (False, step == steps - 1)
    assert environment._ale.game_truncated()
    assert environment._ale.getEpisodeFrameNumber() == max_frames
    image = environment._ale.getScreenGrayscale()
    if max_frames % 4 == 1:
        np.testing.assert_array_equal(
            observation["image"], environment._observation(image)["image"]
        )
    environment.reset()
    assert environment.step(0)[3] is False


def test_seeded_resets_repeat_and_others_do_not():
    def play(environment, seed):
        environment.reset(seed)
        images = [environment.step(action)[0]["image"] for action in actions(200, 18)]
        return np.stack(images)

    first, second = AtariEnvironment("Pong"), AtariEnvironment("Pong")
    images = play(first, 5)
    np.testing.assert_array_equal(images, play(second, 5))
    np.testing.assert_array_equal(images, play(first, 5))
    assert (images != play(first, 6)).any()


def test_with_the_nature_preset_a_lost_life_ends_learning_but_not_the_game():
    environment = DopamineEnvironment(AtariEnvironment("Breakout", preset="nature2015"))
    assert environment.action_space.n == 4
    assert environment.environment.settings["sticky_actions"] == 0.0
    environment.seed(2)
    environment.reset()
    ends = []
    while not environment.game_over:
        _, _, is_terminal, info = environment.step(1)
        if is_terminal:
            ends.append((info["lives"], environment.game_over))
    assert [lives for lives, _ in ends] == [4, 3, 2, 1, 0]
    assert [over for _, over in ends] == [False] * 4 + [True]


def test_the_nature_preset_begins_with_no_op_frames():
    frames = set()
    environment = AtariEnvironment("Pong", preset="nature2015")
    for seed in range(8):
        environment.reset(seed)
        frames.add(environment._ale.getEpisodeFrameNumber())
    assert len(frames) > 3 and all(1 <= count <= 30 for count in frames)


def test_a_lost_life_is_ignored_by_default():
    environment = DopamineEnvironment(AtariEnvironment("Breakout"))
    environment.seed(2)
    environment.reset()
    while not environment.game_over:
        _, _, is_terminal, info = environment.step(1)
        assert is_terminal == environment.game_over
        assert info["life_lost"] is False


def test_single_settings_change_a_preset_and_its_label():
    environment = AtariEnvironment("Pong", sticky_actions=0.0, image_sizes=(64,), grayscale=False)
    assert environment.settings["sticky_actions"] == 0.0
    assert environment.protocol == "machado2018, sticky_actions=0.0"
    assert AtariEnvironment("Pong", action_repeat=2).protocol == "machado2018, action_repeat=2"
    assert environment.reset(0)["image"].shape == (64, 64, 3)
    assert set(PRESETS) == {"machado2018", "nature2015", "atari100k"}


def test_the_protocol_of_atari_100k_has_its_own_name_and_the_settings_of_nature2015():
    """Scores of two benchmarks, which `compare` must not mix."""
    assert PRESETS["atari100k"] == PRESETS["nature2015"]
    environment = DopamineEnvironment(AtariEnvironment("Breakout", preset="atari100k"))
    assert environment.environment.protocol == "atari100k"
    environment.seed(2)
    environment.reset()
    ends = 0
    while not environment.game_over:
        ends += environment.step(1)[2]
    assert ends == 5 and environment.action_space.n == 4


def test_the_games_are_those_of_gymnasium():
    names = game_names()
    assert len(names) > 60 and "SpaceInvaders" in names
    assert f"ALE/{names[0]}-v5" in gymnasium.registry


def test_misspelt_names_are_answered_with_the_nearest():
    with pytest.raises(UserError, match="'Pong'") as error:
        AtariEnvironment("Pnog")
    assert "AtariEnvironment.game_name" in error.value.sentence
    with pytest.raises(UserError, match="must be 'machado2018'"):
        AtariEnvironment("Pong", preset="machado")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sticky_actions": 1.5}, "sticky_actions is 1.5, but must be a number from 0 to 1"),
        ({"action_repeat": 0}, "action_repeat is 0, but must be a whole number from 1"),
        (
            {"image_sizes": (84, 0)},
            r"image_sizes is \(84, 0\), but must be a tuple in which each entry is a whole",
        ),
        ({"image_sizes": ()}, "image_sizes is empty"),
    ],
)
def test_a_number_out_of_its_range_is_named(settings, words):
    with pytest.raises(UserError, match=words):
        AtariEnvironment("Pong", **settings)


def test_gin_sets_the_game():
    gin.parse_config("AtariEnvironment.game_name = 'Seaquest'")
    assert AtariEnvironment().name == "Seaquest"
