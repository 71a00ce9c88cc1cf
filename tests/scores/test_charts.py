"""Points that the charts show."""

import numpy as np

from dreamer_tf.scores import charts, curves, report, standings


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
