"""The page of a sweep says what is there and what is missing."""

import json
from pathlib import Path

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.sweeps import driver, report
from tests.sweeps.conftest import leave
from tests.sweeps.test_states import end


def test_the_page_has_what_is_there_and_names_what_is_missing(sweep):
    leave(Path(sweep.runs[0].base_dir), 2, value=3.0)
    leave(Path(sweep.runs[1].base_dir), 1, value=5.0, seed=1)
    end(sweep, sweep.runs[2], 2, "the gin file is wrong")
    said = report.write(driver.look(sweep), "page.md")
    assert said.startswith("page.md: 2 of 4 runs, 1 of them complete")
    text = Path("page.md").read_text()
    assert "| pong | DreamerV2, ours | 3.00 |" in text and "| 80,000 | eval |" in text
    for sentence in (
        "atari_small on Pong, seed 1: saved.",
        "atari_small on Alien, seed 0: failed (the gin file is wrong).",
        "atari_small on Alien, seed 1: missing.",
    ):
        assert sentence in text


def test_other_protocols_are_compared_on_request(sweep):
    leave(Path(sweep.runs[0].base_dir), 2)
    leave(Path(sweep.runs[1].base_dir), 2, seed=1, protocol="atari100k")
    with pytest.raises(UserError, match="--mixed"):
        report.write(driver.look(sweep), "page.md")
    assert report.write(driver.look(sweep), "page.md", mixed=True).startswith("page.md: 2 of 4")


def test_seeds_of_one_kind_are_told_together(sweep):
    found = report.sentences(driver.look(sweep))
    assert found == [f"atari_small on {game}, seeds 0, 1: missing." for game in ("Pong", "Alien")]


def test_without_scores_there_is_no_page(sweep):
    with pytest.raises(UserError, match="No run of the sweep has scores yet"):
        report.write(driver.look(sweep), "page.html")
    with pytest.raises(UserError, match="the format is unclear"):
        report.write(driver.look(sweep), "page")


def test_a_damaged_file_does_not_hide_the_other_runs(sweep):
    leave(Path(sweep.runs[0].base_dir), 2, value=3.0)
    leave(Path(sweep.runs[1].base_dir), 2, value=5.0, seed=1)
    damaged = Path(sweep.runs[1].base_dir, "scores.json")
    damaged.write_text("[")
    assert report.write(driver.look(sweep), "page.md").startswith("page.md: 1 of 4 runs")
    text = Path("page.md").read_text()
    assert "| pong | DreamerV2, ours | 3.00 |" in text and "scores.json is not a score file" in text
    Path(sweep.runs[0].base_dir, "scores.json").write_text("[")
    with pytest.raises(UserError, match=r"wait until one has an iteration.*is not a score file"):
        report.write(driver.look(sweep), "page.md")


def test_without_evaluations_the_page_has_the_returns_of_training(sweep):
    base_dir = Path(sweep.runs[0].base_dir)
    leave(base_dir, 2, value=3.0)
    path = base_dir / "scores.json"
    rows = [row for row in json.loads(path.read_text()) if row["Phase"] == "eval"]
    path.write_text(json.dumps([row | {"Phase": "train"} for row in rows]))
    report.write(driver.look(sweep), "page.md")
    assert "| train |" in Path("page.md").read_text()


def test_every_reason_of_a_failure_is_told(sweep):
    for number, reason in enumerate(("disk is full", "game is unknown")):
        end(sweep, sweep.runs[number], 2, reason)
    found = report.sentences(driver.look(sweep))
    assert found[:2] == [
        "atari_small on Pong, seed 0: failed (disk is full).",
        "atari_small on Pong, seed 1: failed (game is unknown).",
    ]
