"""Rows of a comparison: last scores, aggregates, improvements."""

import pytest

from dreamer_tf.scores import curves, report, standings
from tests.scores.runs import write_run


def test_runs_that_ended_early_are_no_last_scores():
    """Of 8 published runs on Breakout, three ended after 2M frames with 1 to 4 points."""
    found = report.Report([], curves.published(["DreamerV2"], ["breakout"]))
    [row] = report.game_rows(found)
    assert (row["runs"], row["ended early"]) == (4, 4) and row["score"] > 400


def test_complete_runs_of_different_frames_all_count(tmp_path):
    """Iterations end with whole episodes: two of three complete runs had 'ended early'."""
    for seed, ends in enumerate(((1000, 2000), (1000, 2300), (1000,))):
        write_run(tmp_path / f"a/{seed}", seed=seed, ends=ends)
    found = report.Report(curves.own([str(tmp_path / "a/*")]), [])
    [row] = report.game_rows(found)
    assert (row["runs"], row["ended early"], row["frames"]) == (2, 1, 2150)


def test_missing_scores_are_named(runs):
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["IQN"], ["pong"])
    )
    assert report.missing(report.game_rows(found)) == ["IQN, published on breakout"]


def test_single_runs_have_no_interval(runs):
    """Three runs on Pong, one on Breakout: one counts on both."""
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["DQN"], ["pong", "breakout"])
    )
    assert len(found.games) == 2
    table = standings.compute(found)
    ours, _ = standings.aggregate_rows(found, table)
    assert table.games == ["breakout", "pong"] and ours["IQM low"] == ""


@pytest.mark.parametrize("values,words", [([3], "3"), ([2, 5, 3], "2 to 5"), ([1.001, 1.002], "1")])
def test_a_range_names_both_ends_if_they_look_different(values, words):
    assert report.value_range(values, "{:.3g}") == words
