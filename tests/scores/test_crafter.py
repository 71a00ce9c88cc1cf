"""The score of Crafter: what its paper defines, from what runs have logged."""

import numpy as np
import pytest

import dreamer_tf
from dreamer_tf.environments.crafter import ACHIEVEMENTS
from dreamer_tf.errors import UserError
from dreamer_tf.scores import crafter
from tests.scores.test_run_metrics import EPISODE, write


def unlocked(*names):
    return {name: float(name in names) for name in ACHIEVEMENTS}


def episode(step, *names, phase="train"):
    return EPISODE | {"phase": phase, "step": step, "frames": step, "info": unlocked(*names)}


def test_score_is_the_geometric_mean_of_one_plus_the_percentages():
    assert crafter.score(dict.fromkeys(ACHIEVEMENTS, 0.0)) == 0.0
    assert crafter.score(dict.fromkeys(ACHIEVEMENTS, 100.0)) == pytest.approx(100.0)
    # One achievement always, the others never: 101 ** (1 / 22) - 1.
    one = dict.fromkeys(ACHIEVEMENTS, 0.0) | {"wake_up": 100.0}
    assert crafter.score(one) == pytest.approx(0.2334, abs=1e-4)
    rates = np.linspace(0, 100, 22)
    product = np.prod(1 + rates) ** (1 / 22) - 1
    assert crafter.score(dict(zip(ACHIEVEMENTS, rates, strict=True))) == pytest.approx(product)


@pytest.mark.parametrize("rates", [{"wake_up": 1.0}, dict.fromkeys(ACHIEVEMENTS, 101.0)])
def test_rates_that_are_none_are_refused(rates):
    with pytest.raises(ValueError, match=r"Crafter|percent"):
        crafter.score(rates)


def test_rates_of_a_run_count_its_episodes_of_training(tmp_path):
    episodes = [
        episode(100, "wake_up", "collect_wood"),
        episode(200, "wake_up"),
        episode(200, *ACHIEVEMENTS, phase="eval"),
        episode(300, "wake_up", "place_plant"),
        episode(401, "wake_up", "eat_cow"),
    ]
    write(tmp_path / "crafter/Crafter/3", [], episodes, game="Crafter", label="mine")
    (run,) = crafter.runs(tmp_path / "crafter/*/*")
    assert (run.config, run.seed, run.steps, run.episodes) == ("mine", 3, 401, 4)
    expected = dict.fromkeys(ACHIEVEMENTS, 0.0)
    expected |= dict.fromkeys(("collect_wood", "place_plant", "eat_cow"), 25.0)
    assert run.rates == expected | {"wake_up": 100.0}
    assert run.score == pytest.approx(101 ** (1 / 22) * 26 ** (3 / 22) - 1)
    (run,) = crafter.runs([tmp_path / "crafter/*/*"], steps=400)
    assert (run.steps, run.episodes, run.rates["eat_cow"]) == (300, 3, 0.0)
    assert run.rates == crafter.success_rates([episodes[i]["info"] for i in (0, 1, 3)])


def test_a_run_of_something_else_is_refused(tmp_path):
    write(tmp_path / "run", [], [EPISODE])
    with pytest.raises(UserError, match="no finished episode of Crafter: name runs"):
        crafter.runs(tmp_path / "run")
    write(tmp_path / "early", [], [episode(100)])
    with pytest.raises(UserError, match="within 50 agent steps"):
        crafter.runs(tmp_path / "early", steps=50)


def test_the_logged_names_are_those_of_load_metrics(tmp_path):
    write(tmp_path / "run", [], [episode(100)])
    names = set(dreamer_tf.load_metrics(tmp_path / "run").metric)
    assert {f"Train/EpisodeInfo_{name}" for name in ACHIEVEMENTS} < names
