"""Sets of games, and how each environment is told its game."""

import pytest

from dreamer_tf.environments import atari
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import naming
from dreamer_tf.scores import curves
from dreamer_tf.sweeps import games


@pytest.mark.parametrize(("name", "count"), [("@atari5", 5), ("@atari26", 26), ("@atari55", 55)])
def test_a_set_has_games_that_exist_and_have_reference_scores(name, count):
    found = games.expand([name])
    assert len(found) == count and set(found) <= set(atari.game_names())
    assert {curves.game_key(game) for game in found} <= set(curves.benchmark_games())


def test_a_game_stays_once():
    assert games.expand(["Qbert", "@atari5", " Pong", ""])[:2] == ["Qbert", "BattleZone"]
    assert len(games.expand(["Qbert", "@atari5", "Pong"])) == 6


def test_an_unknown_set_is_told_with_the_nearest():
    with pytest.raises(UserError, match=r"@atari56: there is no such set.*Did you mean '@atari5'"):
        games.expand(["@atari56"])


@pytest.mark.parametrize(
    ("config", "game", "bindings"),
    [
        ("atari_small.gin", "Alien", ["AtariEnvironment.game_name='Alien'"]),
        ("rainbow.gin", "Alien", ["AtariEnvironment.game_name='Alien'"]),
        (
            "dmc_proprio.gin",
            "ball_in_cup/catch",
            [
                "ControlSuiteEnvironment.domain_name='ball_in_cup'",
                "ControlSuiteEnvironment.task_name='catch'",
            ],
        ),
        ("cartpole.gin", "Acrobot-v1", ["create_gym_environment.id='Acrobot-v1'"]),
    ],
)
def test_every_environment_gets_its_game(config, game, bindings):
    assert games.bindings(config, naming.said((config,)), game) == bindings


@pytest.mark.parametrize(
    ("config", "game", "words"),
    [
        ("atari.gin", "Pongg", "Did you mean 'Pong'"),
        ("dmc_proprio.gin", "cartpole_balance", "write domain/task, as in cartpole/balance"),
        ("catch.gin", "Pong", "catch.gin has an environment of its own"),
    ],
)
def test_a_game_that_does_not_fit_is_told(config, game, words):
    with pytest.raises(UserError, match=words):
        games.bindings(config, naming.said((config,)), game)
