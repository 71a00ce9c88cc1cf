"""Rows of a comparison: last scores, aggregates, improvements."""

import pytest

from dreamer_tf.scores import curves, report


def test_runs_that_ended_early_are_no_last_scores():
    """Of 8 published runs on Breakout, three ended after 2M frames with 1 to 4 points."""
    found = report.Report([], curves.published(["DreamerV2"], ["breakout"]))
    [row] = report.game_rows(found)
    assert (row["runs"], row["ended early"]) == (4, 4) and row["score"] > 400


def test_missing_scores_are_named(runs):
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["IQN"], ["pong"])
    )
    assert report.missing(report.game_rows(found)) == ["IQN, published on breakout"]


def test_improvement_is_over_the_common_games(runs):
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["DQN"], ["pong", "breakout"])
    )
    [row] = report.improvement_rows(found)
    assert row["better than"] == "DQN, published" and 0.0 <= row["probability"] <= 1.0
    # Ours: 2 of 21 on Pong and 30 on Breakout; the published DQN is better on both.
    assert row["probability"] < 0.5


def test_single_runs_have_no_interval(runs):
    """Three runs on Pong, one on Breakout: one counts on both."""
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["DQN"], ["pong", "breakout"])
    )
    assert len(found.games) == 2
    [row] = report.improvement_rows(found)
    assert (row["runs a game"], row["low"], row["high"]) == ("1 to 3 against 5", "", "")
    assert row["frames"] == "0.002M against 199M"
    [ours, _], games = report.aggregate_rows(found)
    assert games == ["breakout", "pong"] and ours["IQM low"] == ""


@pytest.mark.parametrize("values,words", [([3], "3"), ([2, 5, 3], "2 to 5"), ([1.001, 1.002], "1")])
def test_a_range_names_both_ends_if_they_look_different(values, words):
    assert report.value_range(values, "{:.3g}") == words
