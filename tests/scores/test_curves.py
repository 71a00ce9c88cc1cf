"""Published curves are those of their sources; runs and curves are read and cut as they should."""

import json
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import aggregate, curves
from tests.scores.runs import write_run

POINTS = json.loads(
    (Path(__file__).resolve().parents[1] / "data/baselines/sampled_points.json").read_text()
)


@pytest.mark.parametrize("agent", [name for name in curves.PUBLISHED if "400k" not in name])
def test_published_curves_are_those_of_their_source(agent):
    """Points of every run, written down from the source (tests/data/baselines/README.md)."""
    checked = 0
    for game, agents in POINTS["dopamine"].items():
        found = curves.published([agent], [game]) if agent in agents else []
        assert len(found) == len(agents.get(agent, []))
        for curve in found:
            middle, last = agents[agent][int(curve.run)]
            np.testing.assert_allclose((curve.at(99e6), curve.at(199e6)), (middle, last), rtol=1e-4)
            assert (curve.frames[0], curve.frames[-1]) == (1e6, 199e6)
            checked += 1
    for game, expected in POINTS["dreamer"].get(agent, {}).items():
        ends = [
            [float(curve.frames[-1]), float(curve.values[-1])]
            for curve in curves.published([agent], [game])
        ]
        np.testing.assert_allclose(sorted(ends), expected, rtol=1e-4, err_msg=game)
        checked += len(ends)
    assert checked >= 6


def make(frames, values):
    return curves.Curve(
        "A", "pong", "0", "eval", "p", "here", np.array(frames, float), np.array(values, float)
    )


def test_a_curve_has_the_value_of_its_last_point_so_far():
    curve = make([10, 20, 30], [1, 2, 3])
    assert [curve.at(frames) for frames in (10, 19, 20, 99)] == [1.0, 1.0, 2.0, 3.0]
    assert np.isnan(curve.at(9))
    assert curve.until(20).values.tolist() == [1.0, 2.0]


def test_a_curve_covers_what_it_has_seen_and_a_twentieth_more():
    curve = make([10, 95], [1, 2])
    assert [curve.covers(frames) for frames in (9, 10, 95, 100, 101)] == [0, 1, 1, 1, 0]


def test_spellings_of_a_game_have_one_key():
    assert {curves.game_key(name) for name in ("UpNDown", "Up N Down", "up_n_down")} == {"upndown"}


def test_an_unknown_published_agent_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'Rainbow'"):
        curves.published(["Rainbowe"])


def test_the_published_data_stays_small():
    size = sum(path.stat().st_size for path in curves.directory().rglob("*") if path.is_file())
    assert size < 8e6


def test_runs_of_other_games_and_phases_are_told_apart(tmp_path):
    write_run(tmp_path / "a/0")
    write_run(tmp_path / "a/1", seed=1, game="Breakout")
    found = curves.own([str(tmp_path / "a/*")], "train")
    assert {(curve.game, curve.phase) for curve in found} == {
        ("pong", "train"),
        ("breakout", "train"),
    }


def test_control_suite_curves_are_not_mixed_into_atari():
    assert not [curve for curve in curves.published(["DreamerV2"]) if "swingup" in curve.game]
    assert len(aggregate.games()) == 55
