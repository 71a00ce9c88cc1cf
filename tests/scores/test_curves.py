"""Published curves are those of their sources; runs and curves are read and cut as they should."""

import json
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import aggregate, curves, names
from tests.scores.runs import write_run

POINTS = json.loads(
    (Path(__file__).resolve().parents[1] / "data/baselines/sampled_points.json").read_text()
)


@pytest.mark.parametrize(
    "agent",
    [name for name, known in curves.PUBLISHED.items() if "400k" not in name and not known.apart],
)
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
        found = {curve.run: curve for curve in curves.published([agent], [game])}
        assert found.keys() == expected.keys(), game  # the seeds
        for seed, curve in found.items():
            end = (curve.frames[-1], curve.values[-1])
            np.testing.assert_allclose(end, expected[seed], rtol=1e-4, err_msg=game)
            checked += 1
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


def test_a_cut_curve_ends_near_the_frames_that_were_asked_for():
    """A point within 5% before or after; else one on the line between its neighbors."""
    curve = make([10, 100, 104, 300], [1, 2, 3, 5])
    ends = {at: (c.frames[-1], c.values[-1]) for at in (97, 103, 200) for c in [curve.until(at)]}
    assert ends == {97: (100, 2), 103: (104, 3), 200: (200, pytest.approx(3.98, abs=0.01))}
    assert {curve.until(at).length for at in (97, 103)} == {97, 103}


def test_a_run_is_as_long_as_its_iterations():
    """They end with whole episodes, so complete runs have different frames."""
    first, second = (make([10, end], [1, 2])._replace(iterations=2) for end in (100, 200))
    assert first.length == second.length and first.end != second.end
    assert make([10, 80], [1, 2])._replace(budget=100.0).covers(105)


def test_a_curve_covers_what_it_has_seen_and_a_twentieth_more():
    curve = make([10, 95], [1, 2])
    assert [curve.covers(frames) for frames in (9, 10, 95, 100, 101)] == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("name", "key", "shown"),
    [
        ("UpNDown", "upndown", "Up'n Down"),
        ("cartpole_swingup", "cartpoleswingup", "Cartpole swing-up"),
        ("cartpole_swingup_sparse", "cartpoleswingupsparse", "Cartpole swing-up sparse"),
        ("CartPole-v1", "CartPole-v1", "CartPole-v1"),
        ("MiniGrid-Empty-5x5-v0", "MiniGrid-Empty-5x5-v0", "MiniGrid-Empty-5x5-v0"),
        ("my_maze", "my_maze", "my_maze"),
        ("=my|<b>maze</b>", "mybmazeb", "Mybmazeb"),
    ],
)
def test_an_environment_that_nobody_published_keeps_its_name(name, key, shown):
    assert curves.task_key(name) == key
    assert names.game(key) == shown


def test_spellings_of_a_game_have_one_key():
    assert {curves.game_key(name) for name in ("UpNDown", "Up N Down", "up_n_down")} == {"upndown"}


@pytest.mark.parametrize("name", ["ALE/Pong-v5", "PongNoFrameskip-v4", "PongDeterministic-v4"])
def test_a_gymnasium_id_is_the_game(name):
    """A score file with such a name had no place beside the published scores, without a word."""
    assert curves.game_key(name) == curves.task_key(name) == "pong"
    assert curves.task_key("CartPole-v1") == "CartPole-v1"
    assert curves.task_key("ALE/Pongg-v5") == "ALE/Pongg-v5"


def test_scores_under_two_protocols_are_two_agents(tmp_path):
    """Score files from elsewhere may give both the same configuration; a mean has no meaning."""
    for seed, protocol in enumerate(("machado2018", "atari100k")):
        write_run(tmp_path / str(seed), seed=seed, protocol=protocol)
    found = curves.own([str(tmp_path / "*")])
    assert [curve.agent for curve in found] == ["DreamerV2 (machado2018)", "DreamerV2 (atari100k)"]
    with pytest.raises(UserError, match="0 was run under the protocol 'machado2018'"):
        curves.check_comparable(found)


def test_files_of_one_directory_are_told_apart(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / str(seed), seed=seed)
        (tmp_path / str(seed) / "scores.json").rename(tmp_path / f"seed{seed}.json")
    found = curves.own([str(tmp_path / "*.json")])
    assert [curve.source for curve in found] == [str(tmp_path / f"seed{n}.json") for n in (0, 1)]


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


def test_the_labels_of_the_source_are_kept():
    """A dropped label once merged two agents into one, and Table 1 no longer followed."""
    for agent, seeds in (("DreamerV2", range(3, 11)), ("DreamerV2 nosched", range(3))):
        for game in aggregate.games():
            found = [int(curve.run) for curve in curves.published([agent], [game])]
            assert sorted(found) == list(seeds), (agent, game)


# Games whose scores come in steps of this size.
STEPS = {"alien": 10, "pong": 1, "freeway": 1, "roadrunner": 100}


def share_of_means_of(count, agents, steps):
    """Share of published points that are a mean of `count` episodes, and the number of points.

    Points whose five digits are too coarse to tell are left out, and what came after 199M frames:
    the last million was not completed.
    """
    fits = []
    for curve in curves.published(agents, steps):
        curve = curve.until(199e6)
        total = curve.values * count / steps[curve.game]  # a whole number, if it is such a mean
        digit = 10.0 ** (np.floor(np.log10(np.maximum(abs(curve.values), 1e-3))) - 4)
        error = digit / 2 * count / steps[curve.game]
        known = error < 0.1
        fits += list(abs(total - np.round(total))[known] <= error[known] + 1e-9)
    return np.mean(fits), len(fits)


@pytest.mark.parametrize("agent", ["DreamerV2", "DreamerV2 nosched", "DreamerV2 (schedules)"])
def test_atari_curves_of_the_authors_are_means_of_ten_episodes(agent):
    """So they are evaluations. A million frames of training hold another number of episodes."""
    share, count = share_of_means_of(10, [agent], STEPS)
    assert share >= 0.99 and count > 200
    assert {curve.phase for curve in curves.published([agent], STEPS)} == {"eval"}


def test_training_returns_are_no_means_of_ten_episodes():
    share, count = share_of_means_of(10, ["IQN", "Rainbow"], STEPS)
    assert share < 0.3 and count > 200
    assert {curve.phase for curve in curves.published(["IQN"], STEPS)} == {"train"}


def test_control_suite_curves_of_the_authors_hold_every_training_episode():
    """30,000 steps are 30 episodes, of which the first was not counted."""
    sparse = ("cupcatch", "reacherhard", "reachereasy", "fingerspin", "pendulumswingup")
    found = curves.published(["DreamerV2"], sparse)
    assert len(found) == 25 and {curve.phase for curve in found} == {"train"}

    def sums(curve, count):
        """Whether a point is a mean of so many whole returns; rounding to five digits allowed."""
        total = curve.values * count
        digit = 10.0 ** (np.floor(np.log10(np.maximum(abs(curve.values), 1e-3))) - 4)
        return abs(total - np.round(total)) <= digit / 2 * count + 1e-9

    assert all(sums(curve, 29)[0] for curve in found)
    assert all((sums(curve, 29) | sums(curve, 30)).all() for curve in found)
    assert np.mean([sums(curve, 30)[1:] for curve in found]) > 0.9
    assert {c.phase for c in curves.published(["DreamerV2"], ["humanoidwalk"])} == {"unknown"}


def test_a_wildcard_finds_runs_at_other_depths_and_nothing_else(tmp_path):
    """'*/*/*' took the configuration of a run two levels deep for a score file."""
    for place in ("a/Pong/0", "b/0"):
        write_run(tmp_path / place)
        (tmp_path / place / "run.json").write_text("{}")
        (tmp_path / place / "config.gin").write_text("")
        (tmp_path / place / "checkpoints").mkdir()
        (tmp_path / place / "checkpoints/run.json").write_text("{}")
    found = curves.files([str(tmp_path / "*/*/*"), str(tmp_path / "*/*/*/*")])
    assert found == [tmp_path / f"{place}/scores.json" for place in ("a/Pong/0", "b/0")]
