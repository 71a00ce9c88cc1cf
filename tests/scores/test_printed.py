"""Notes about scores of Table K1 that differ from those of the page."""

import pytest

from dreamer_tf.scores import curves, printed, report


def test_breakout_is_noted_with_its_reason():
    """Four of eight runs ended early; the paper counts them with their last value."""
    found = report.Report([], curves.published(["DreamerV2"], ["breakout"]))
    [row] = printed.notes(found)
    assert (row["game"], row["printed"], row["runs"], row["ended early"]) == ("breakout", 312, 8, 4)
    assert row["here"] > 400 and row["with their last values"] == pytest.approx(312, abs=0.6)


def test_what_is_rounded_in_the_paper_is_no_difference():
    """Rainbow's -0.22 on Tennis is printed as 0."""
    found = report.Report([], curves.published(["Rainbow"], ["tennis", "icehockey", "pong"]))
    assert printed.notes(found) == []


def test_the_paper_prints_nothing_at_fewer_frames():
    short = [curve.until(50e6) for curve in curves.published(["DreamerV2"], ["breakout"])]
    assert printed.notes(report.Report([], [c for c in short if len(c.frames)])) == []
