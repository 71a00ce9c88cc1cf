"""Figures on the page of results are those that its commands print."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.scores import bootstrap, comparison, curves, report, score_files

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


EVIDENCE = PAGE.parents[1] / "benchmarks/evidence"
# How the rows of the README's table begin -> runs of DreamerV2, and of the other agents.
ROWS = {
    "Catch, from pixels": ("catch", []),
    "CartPole-v1": ("cartpole", []),
    "MiniGrid Empty-8x8": ("minigrid_empty", ["minigrid_empty_rainbow"]),
    "MiniGrid DoorKey-5x5": ("minigrid_doorkey", ["minigrid_doorkey_rainbow"]),
    "MinAtar Breakout": ("minatar_breakout", ["minatar_breakout_rainbow"]),
    "MinAtar Space Invaders": ("minatar_spaceinvaders", ["minatar_spaceinvaders_rainbow"]),
    "Crafter's score": ("crafter", []),
    "Cart-pole balance": ("cartpole_balance", []),
    "Cart-pole swing-up": ("cartpole_swingup", []),
    "Kung-Fu Master": ("kung_fu_master", ["kung_fu_master_drq_eps", "kung_fu_master_rainbow"]),
    "Road Runner": ("road_runner", ["road_runner_der", "road_runner_drq_eps"]),
}
README = (PAGE.parents[1] / "README.md").read_text()
LINES = re.search(r"\| task \| configuration .*\n\|[-|]+\|\n((?:\|.*\n)+)", README)[1].splitlines()


def test_every_row_of_the_readme_is_checked():
    assert len(LINES) == len(ROWS)
    assert all(any(line.startswith(f"| {name}") for name in ROWS) for line in LINES)


@pytest.mark.parametrize("name", ROWS)
def test_the_readme_has_the_numbers_of_the_score_files(name):
    """A seed's number was wrong in its last digit."""
    [line] = [line for line in LINES if line.startswith(f"| {name}")]
    _, _, _, _, returns, interval, opponents, _, _ = map(str.strip, line.split("|"))
    ours, theirs = ROWS[name]
    values, ends = last_returns(ours)
    said = numbers(returns)
    same = written(values, returns)
    assert said == same or (len(set(same)) == 1 and said == same[:1])
    assert numbers(interval) == written(ends, interval)
    cells = opponents.split(";") if opponents else []
    assert len(cells) == len(theirs)
    for cell, other in zip(cells, theirs, strict=True):
        values, ends = last_returns(other)
        assert numbers(cell) == written(values if len(values) == 1 else ends, cell)


# Title of the section and agent -> runs.
SIDE_BY_SIDE = {
    ("Road Runner", "DreamerV2"): "road_runner",
    ("Road Runner", "DER"): "road_runner_der",
    ("Road Runner", "DrQ(eps)"): "road_runner_drq_eps",
    ("Road Runner", "IQN"): "road_runner_iqn",
    ("Road Runner", "Rainbow"): "road_runner_rainbow",
    ("Kung-Fu Master", "DreamerV2"): "kung_fu_master",
    ("Kung-Fu Master", "DrQ(eps)"): "kung_fu_master_drq_eps",
    ("Kung-Fu Master", "Rainbow"): "kung_fu_master_rainbow",
}


@pytest.mark.parametrize("game,agent", SIDE_BY_SIDE)
def test_agents_side_by_side_have_the_numbers_of_their_score_files(game, agent):
    """The last evaluation has few games, so the mean of the last five stands beside it."""
    section = PAGE.read_text().split(f"## Side by side on {game}\n")[1].split("\n## ")[0]
    [line] = [line for line in section.splitlines() if line.startswith(f"| {agent} | `")]
    *_, last, interval, of_five, runs = map(str.strip, line.strip("|").split("|"))
    name = SIDE_BY_SIDE[game, agent]
    values, ends = last_returns(name)
    assert (last, int(runs)) == (f"{np.mean(values):,.0f}", len(values))
    assert numbers(interval) == (written(ends, "0") if len(values) > 1 else [])
    found = curves.own([str(EVIDENCE / name / "*")])
    assert of_five == f"{np.mean([curve.values[-5:].mean() for curve in found]):,.0f}"


def numbers(cell):
    """Numbers as they are written, without what stands in brackets."""
    return re.findall(r"\d[\d,.]*", re.sub(r"\(.*?\)", "", cell))


def written(values, cell):
    """Numbers with as many decimals as those of a cell."""
    decimals = len(numbers(cell)[0].partition(".")[2])
    return [f"{value:,.{decimals}f}" for value in values]


def last_returns(name):
    """The last value of each seed, and the ends of the interval of their mean."""
    if name == "crafter":
        files = sorted((EVIDENCE / name).glob("*/achievements.json"))
        values = [json.loads(path.read_text())["score"] for path in files]
    else:
        found = curves.own([str(EVIDENCE / name / "*")])
        values = [curve.values[-1] for curve in sorted(found, key=lambda curve: int(curve.run))]
    low, high = bootstrap.mean_intervals(np.array([values]), 2000)
    return values, [float(low[0]), float(high[0])]
