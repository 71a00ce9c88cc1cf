"""Figures on the page of results are those that its commands print."""

import re
from pathlib import Path

import pytest

from dreamer_tf.scores import comparison, report, score_files

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


@pytest.mark.parametrize("seed", range(3))
def test_returns_of_the_first_ten_minutes(seed):
    path = PAGE.parents[1] / f"benchmarks/evidence/kung_fu_master/{seed}/scores.json"
    values = [score.value for score in score_files.read(path) if score.phase == "eval"]
    row = f"| {seed} | {', '.join(f'{value:,.0f}' for value in values)} |"
    assert row in PAGE.read_text().splitlines()
