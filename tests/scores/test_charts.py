"""Points that the charts show."""

import numpy as np
import pytest

from dreamer_tf.scores import charts, curves, report, standings
from tests.scores.runs import write_run


def test_a_curve_that_ended_early_is_not_extended():
    def curve(run, frames, values):
        spots = np.array(frames, float)
        return curves.Curve("A", "pong", run, "eval", "p", "here", spots, np.array(values, float))

    long, short = curve("0", [1, 2, 3, 4], [1, 1, 1, 1]), curve("1", [1, 2], [5, 5])
    third = curve("2", [1, 2, 3, 4], [3, 3, 3, 3])
    drawn = charts.curve_points([long, short, third])
    points = {p["frames"]: p for p in drawn if "return" in p}
    assert points[2.0]["return"] == 3.0 and points[2.0]["runs"] == 3
    assert points[4.0]["return"] == 2.0 and points[4.0]["runs"] == 2
    assert [p["single"] for p in drawn if p.get("run") == "1"] == [5.0, 5.0]


def test_the_last_mean_is_that_of_all_complete_runs(tmp_path):
    """One run ended a few frames earlier, and the mean of the others was drawn as the end."""
    for seed, (last, value) in enumerate(((433e3, 1.0), (459e3, 5.0), (445e3, 6.0))):
        ends = (40_000, int(last))
        write_run(tmp_path / f"{seed}", seed=seed, ends=ends, end=value)
    found = report.Report(curves.own([str(tmp_path / "*")]), [])
    means = [point for point in charts.curve_points(found.all) if "return" in point]
    [row] = report.game_rows(found)
    assert [round(point["frames"]) for point in means] == [40_000, row["frames"]]
    assert row["frames"] == round((433e3 + 459e3 + 445e3) / 3)
    assert means[-1]["return"] == row["score"] == 4.0 and means[-1]["runs"] == 3


def test_runs_with_iterations_of_other_lengths_keep_their_frames(tmp_path):
    write_run(tmp_path / "0", seed=0, ends=(1000, 2000))
    write_run(tmp_path / "1", seed=1, ends=(2000, 4000))
    points = charts.curve_points(curves.own([str(tmp_path / "*")]))
    assert {p["frames"] for p in points if "return" in p} <= {1000.0, 2000.0, 4000.0}


def both(runs):
    return report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["DQN"], ["pong", "breakout"])
    )


def test_profiles_have_bands_only_where_every_game_has_several_runs(runs):
    """Three runs on Pong, one on Breakout: one counts on both."""
    points = charts.profile_points(standings.compute(both(runs)))
    assert {point["agent"] for point in points} == set(both(runs).agents)
    for point in points:
        assert ("low" in point) == point["agent"].startswith("DQN")
        assert 0.0 <= point["share"] <= 1.0


def test_aggregates_over_frames_end_with_the_runs(runs):
    found = both(runs)
    points = charts.aggregates_over_frames(found, found.agents, ["breakout", "pong"], count=4)
    ours = [point for point in points if point["agent"] == "DreamerV2, ours"]
    assert ours and max(point["frames"] for point in ours) == 2000.0
    assert {point["runs"] for point in ours} == {"1 to 3 a game"}
    assert charts.aggregates_over_frames(found, found.agents, []) == []


def test_aggregates_over_frames_are_those_of_the_flag():
    """Thinned curves had the last point before a number of frames, which is far from it."""
    games = ["alien", "pong", "boxing"]
    found = report.Report([], curves.published(["DreamerV2", "Rainbow"], games))
    points = charts.aggregates_over_frames(found, found.agents, games, count=4)
    chosen = [p for p in points if p["aggregate"] == "gamer_mean" and p["frames"] < 60e6]
    assert len(chosen) == 2
    for point in chosen:
        cut = [curve.until(point["frames"]) for curve in found.all]
        rows = standings.aggregate_rows(
            report.Report([], cut),
            standings.Standings(report.last_scores(report.Report([], cut)), games, [found.agents]),
        )
        [row] = [row for row in rows if row["agent"] == point["agent"]]
        assert point["value"] == pytest.approx(row["gamer_mean"], rel=1e-6)


def test_profiles_show_what_is_just_below_the_highest_return():
    """On the control suite most runs are: their share fell from 0.875 on in a straight line."""
    scores = {"A": {"cartpolebalance": [996.0, 997.0], "cartpoleswingup": [870.0, 100.0]}}
    found = standings.Standings(scores, list(scores["A"]), [["A"]])
    shares = {point["score"]: point["share"] for point in charts.profile_points(found)}
    assert shares[0.99] == shares[0.995] == 0.5 and shares[1.0] == 0.0


def test_the_difference_of_two_agents_needs_both_scores_and_is_sorted():
    rows = [
        {"game": "pong", "agent": "A", "score": 10.0},
        {"game": "pong", "agent": "B", "score": -5.0},
        {"game": "boxing", "agent": "A", "score": 100.0},
        {"game": "boxing", "agent": "B", "score": 0.0},
        {"game": "alien", "agent": "A", "score": 10.0},
    ]
    points = charts.difference_points(rows, "A", "B")
    assert [point["game"] for point in points] == ["boxing", "pong"]
    assert points[0]["difference"] > points[1]["difference"] > 0
    assert charts.difference_points(rows[4:], "A", "B") == []


def test_the_panels_of_a_picture_have_the_full_names_of_games():
    point = {"agent": "DreamerV2", "frames": 1.0, "return": 2.0, "runs": 1}
    chart = charts.curves_chart([point | {"game": game} for game in ("kungfumaster", "My-Maze")])
    drawn = chart.to_dict()["data"]["values"]
    assert [value["game"] for value in drawn] == ["Kung-Fu Master", "My-Maze"]


def test_a_picture_names_configurations_only_where_they_share_a_game():
    """Each panel is one game; nine labels named four agents."""

    def points(*pairs):
        return [{"agent": f"{agent}, ours", "game": game} for agent, game in pairs]

    apart = points(("A (x)", "pong"), ("A (y)", "boxing"), ("B(eps)", "pong"))
    assert charts._called(apart) == {
        "A (x), ours": "A",
        "A (y), ours": "A",
        "B(eps), ours": "B(eps)",
    }
    same = points(("A (x)", "pong"), ("A (y)", "pong"))
    assert charts._called(same) == {"A (x), ours": "A (x)", "A (y), ours": "A (y)"}
    published = [*points(("A (x)", "pong")), {"agent": "A, published", "game": "pong"}]
    assert charts._called(published) == {"A (x), ours": "A (ours)", "A, published": "A (published)"}
