"""Curves that were published with DreamerV3: all runs, their labels, and where they may stand."""

import json
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import aggregate, comparison, curves, published, report, standings
from tests.scores.runs import write_run

POINTS = json.loads(
    (Path(__file__).resolve().parents[1] / "data/baselines/dreamerv3_points.json").read_text()
)
# File, agent -> runs, games, runs of a game, last frames.
COUNTS = {
    ("atari57", "DreamerV3"): (299, 57, {3, 4, 5, 6}, 2e8),
    ("atari57", "PPO"): (285, 57, {5}, 2e8),
    ("atari57", "MuZero"): (57, 57, {1}, 2e8),
    ("atari100k", "DreamerV3 (Atari 100k)"): (130, 26, {5}, 4e5),
    ("atari100k", "PPO (Atari 100k)"): (130, 26, {5}, 4e5),
    ("dmc_vision", "DreamerV3"): (197, 20, {8, 9, 10}, 1e6),
    ("dmc_vision", "PPO"): (100, 20, {5}, 1e6),
    ("dmc_vision", "DrQ-v2"): (187, 20, {8, 9, 10}, 1e6),
    ("dmc_vision", "CURL"): (200, 20, {10}, 1e6),
    ("dmc_vision", "SAC"): (200, 20, {10}, 1e6),
    ("dmc_proprio", "DreamerV3 (proprio)"): (90, 18, {5}, 5e5),
    ("dmc_proprio", "D4PG"): (180, 18, {10}, 5e5),
}


def runs_of(file, agent):
    atari = file.startswith("atari")
    games = [game for game in POINTS[agent] if (game in curves.atari_games()) == atari]
    return curves.published([agent], games)


def test_every_agent_of_the_files_is_counted():
    assert {(f, agent) for f, agents in published.MODERN.items() for agent in agents} == set(COUNTS)


@pytest.mark.parametrize("file,agent", COUNTS)
def test_every_run_is_there_and_ends_as_in_its_source(file, agent):
    found = runs_of(file, agent)
    runs, games, per_game, end = COUNTS[file, agent]
    by_game = {}
    for curve in found:
        by_game.setdefault(curve.game, []).append(curve.run)
    assert (len(found), len(by_game)) == (runs, games)
    assert {len(several) for several in by_game.values()} == per_game
    for curve in found:
        count, frames, value = POINTS[agent][curve.game][curve.run]
        assert len(curve.frames) == min(count, 22) and (np.diff(curve.frames) > 0).all()
        assert curve.frames[-1] == pytest.approx(frames, abs=0.51) and frames <= end
        assert curve.values[-1] == pytest.approx(value, rel=1e-4)


def test_protocols_are_labelled():
    def labels(agent, game):
        return {(c.protocol, c.phase) for c in curves.published([agent], [game])}

    assert labels("DreamerV3", "pong") == {("dreamerv3_atari", "unknown")}
    assert labels("DreamerV3 (Atari 100k)", "pong") == {("dreamerv3_atari100k", "unknown")}
    assert labels("DreamerV3", "walkerwalk") == {("dreamerv3_control_suite, pixels", "unknown")}
    assert labels("D4PG", "cupcatch") == {("dreamerv3_control_suite, proprio", "unknown")}
    assert labels("MuZero", "pong") == {("muzero", "unknown")}
    known = {published.facts(a, g, atari).protocol for a, g, atari in EVERYWHERE}
    assert {protocol.split(",")[0] for protocol in known} <= set(published.PROTOCOLS)


EVERYWHERE = [
    (agent, game, atari)
    for agent in published.PUBLISHED
    for game, atari in (("pong", True), ("walkerwalk", False), ("humanoidwalk", False))
]


def test_other_protocols_are_mixed_only_on_request(runs):
    request = comparison.Request(baselines=["DreamerV3", "DreamerV2"], games=["Pong"])
    with pytest.raises(UserError, match=r"dreamerv3_atari' and those of DreamerV2.*--mixed"):
        comparison.collect(request)
    assert len(comparison.collect(request._replace(mixed=True)).baselines) > 8
    ours = comparison.Request(runs=[str(runs / "runs/a/Pong/*")], baselines=["PPO"])
    with pytest.raises(UserError, match=r"PPO were .*DreamerV2 under 'machado2018'"):
        comparison.collect(ours)
    same = comparison.Request(baselines=["DreamerV3", "PPO"], games=["Pong", "walker_walk"])
    assert comparison.collect(same).baselines  # one protocol on each suite


def test_scores_of_the_paper_end_where_it_compares():
    """Some runs of DreamerV2 have a point at 200M frames, of a part of an iteration."""
    assert max(c.end for c in curves.published(["DreamerV2"], ["breakout"])) > curves.COMPARED_AT
    found = comparison.collect(comparison.Request(games=["Breakout"]))
    assert {curve.end for curve in report.whole_runs(found.baselines)} == {curves.COMPARED_AT}


def test_every_run_of_100k_steps_counts():
    """Its last point is its last whole episode, which may have begun long before the end."""
    request = comparison.Request(baselines=["DreamerV3 (Atari 100k)"], games=["UpNDown"])
    [row] = report.game_rows(comparison.collect(request))
    assert (row["runs"], row["ended early"], row["frames"]) == (5, 0, 400_000)


def test_agents_of_the_control_suite_need_no_games():
    request = comparison.Request(baselines=["DrQ-v2", "CURL", "SAC"])
    found = comparison.collect(request)
    assert len(found.games) == 20 and len(found.agents) == 3
    table = standings.compute(found)
    assert len(table.games) == 20 and table.scale.title == "return / 1,000"
    rows = standings.aggregate_rows(found, table)
    scores = report.last_scores(found)["CURL, published"]
    by_hand = np.mean([np.mean(scores[game]) / 1000 for game in found.games])
    assert rows[1]["mean"] == pytest.approx(by_hand) and "record_mean" not in rows[1]
    alike = comparison.collect(request._replace(baselines=["DreamerV3", "CURL"]))
    assert len(alike.games) == 20
    both = comparison.collect(request._replace(baselines=["MuZero", "CURL"]))
    assert {"pong", "walkerwalk"} <= set(both.games)


def test_runs_of_the_same_protocol_need_no_permission(tmp_path):
    write_run(tmp_path / "0", protocol="dreamerv3_atari100k")
    request = comparison.Request(
        runs=[str(tmp_path / "0")], baselines=["DreamerV3 (Atari 100k)"], games=["Pong"]
    )
    assert len(comparison.collect(request).all) == 6


def test_the_suite_and_the_score_files_name_ball_in_cup_differently():
    """Runs on 'ball_in_cup_catch' found no published curve: DreamerV2's file says 'cup_catch'."""
    assert len(curves.published(["DreamerV2"], [curves.game_key("ball_in_cup_catch")])) == 5


def test_aggregates_are_computed_like_all_others():
    """Over the 55 games, at the end: Table 1's four aggregates, IQM and optimality gap."""
    found = report.Report([], curves.published(["DreamerV3", "PPO", "MuZero"]))
    table = standings.compute(found)
    rows, common = standings.aggregate_rows(found, table), table.games
    assert common == sorted(aggregate.games()) and len(common) == 55
    values = {row["agent"].removesuffix(", published"): row for row in rows}
    scores = report.last_scores(found)
    for agent, row in values.items():
        runs = scores[f"{agent}, published"]
        by_hand = [np.mean(aggregate.normalize(game, runs[game], "Gamer")) for game in common]
        assert row["gamer_median"] == pytest.approx(np.median(by_hand))
    assert values["MuZero"]["IQM low"] == ""  # one run a game
    assert values["DreamerV3"]["IQM"] > values["PPO"]["IQM"]


@pytest.mark.parametrize(
    "agent,usual,other", [("DreamerV2", 42.51, 11.78), ("DreamerV3 (Atari 100k)", 2.06, 1.28)]
)
def test_the_gamer_mean_depends_on_the_reference_of_james_bond(agent, usual, other, monkeypatch):
    """The figures of docs/baselines.md."""
    found = standings.compute(comparison.collect(comparison.Request(baselines=[agent])))
    [table] = found.scores.values()
    over = {game: table[game] for game in found.games}
    assert aggregate.aggregate(over)["gamer_mean"] == pytest.approx(usual, abs=0.005)
    median = aggregate.aggregate(over)["gamer_median"]
    row = aggregate._references()["jamesbond"]
    assert (row["Random"], row["Gamer"]) == (7.0, 29.0)
    monkeypatch.setitem(row, "Random", 29.0)
    monkeypatch.setitem(row, "Gamer", 302.8)
    found = aggregate.aggregate(over)
    assert found["gamer_mean"] == pytest.approx(other, abs=0.005)
    assert found["gamer_median"] == median
