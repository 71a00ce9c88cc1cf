"""Figures on the page of results are those that its commands print."""

import re
from pathlib import Path

import pytest

from dreamer_tf.scores import comparison, report

PAGE = Path(__file__).resolve().parents[2] / "docs/results.md"


@pytest.mark.parametrize("agent", ["Rainbow", "IQN", "DreamerV2"])
def test_published_scores_on_road_runner(agent):
    scores = []
    for frames in (1_000_000, None):
        request = comparison.Request(
            runs=[], games=["RoadRunner"], baselines=[agent], frames=frames
        )
        [row] = report.game_rows(comparison.collect(request))
        scores.append(f"{row['score']:,.0f}")
    text = PAGE.read_text()
    [line] = re.findall(
        rf"^\| {agent}(?: \(training returns\))? \| ([\d,]+ \| [\d,]+) \|$", text, re.M
    )
    assert line == " | ".join(scores)
