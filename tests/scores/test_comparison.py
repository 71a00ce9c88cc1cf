"""From a request to a report, a format and a file."""

import os
import shutil

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import comparison
from tests.scores.runs import write_run


def request(runs, **settings):
    patterns = [str(runs / "runs/*/*/*")]
    return comparison.Request(**({"runs": patterns, "baselines": ()} | settings))


def test_games_choose_among_runs_and_baselines(runs):
    found = comparison.collect(request(runs, games=["Breakout"], baselines=["IQN"]))
    assert found.games == ["breakout"] and len(found.runs) == 1 and len(found.baselines) == 5


@pytest.mark.parametrize("asked", ["MiniGrid-Empty-5x5-v0", "minigridempty5x5v0"])
def test_an_environment_of_your_own_is_found_in_any_spelling(runs, asked):
    write_run(runs / "runs/b/MiniGrid-Empty-5x5-v0/0", game="MiniGrid-Empty-5x5-v0")
    found = comparison.collect(request(runs, games=[asked], mixed=True))
    assert found.games == ["MiniGrid-Empty-5x5-v0"] and found.absent == ()


def test_what_was_asked_for_in_vain_is_said(runs):
    found = comparison.collect(
        request(runs, games=["Pong", "Breakot"], baselines=["SimPLe at 400k"], mixed=True)
    )
    assert "There is no score of --games=Breakot. Did you mean 'breakout'?" in found.absent


def test_runs_of_two_protocols_are_compared_only_on_request(runs):
    write_run(runs / "runs/b/Pong/0", protocol="nature2015", gin_hash="fedcba9876543210")
    with pytest.raises(UserError, match="--mixed"):
        comparison.collect(request(runs))
    assert len(comparison.collect(request(runs, mixed=True)).runs) == 5


@pytest.mark.parametrize(
    ("frames", "seeds", "words"),
    [
        (900, 0, "4 of the runs have no score before --frames=900"),
        (970, 3, None),  # an iteration ends with a whole episode, so up to 5% later
        (2080, 3, None),
        (2200, 0, "4 of the runs ended before --frames=2200"),
    ],
)
def test_runs_are_compared_at_the_nearest_point(runs, frames, seeds, words):
    """Those that began a little later were left out, and said to have ended before."""
    if not seeds:
        with pytest.raises(UserError, match=words):
            comparison.collect(request(runs, frames=frames))
        return
    found = comparison.collect(request(runs, games=["Pong"], frames=frames))
    assert len(found.runs) == seeds and found.absent == ()


def test_a_seed_that_stands_twice_is_said(runs):
    """Two runs of one seed were counted as two independent ones."""
    write_run(runs / "runs/again/Pong/0", seed=0, end=5.0)
    [sentence] = comparison.collect(request(runs)).absent
    assert sentence.startswith("Seed 0 of DreamerV2 on Pong stands 2 times (")


def test_nothing_to_compare_is_an_error(runs):
    with pytest.raises(UserError, match="nothing to compare"):
        comparison.collect(comparison.Request(baselines=()))
    with pytest.raises(UserError, match="Breakot"):
        comparison.collect(request(runs, games=["Breakot"]))


@pytest.mark.parametrize(
    "out,form,chosen",
    [(None, None, "md"), (None, "csv", "csv"), ("a.png", None, "png"), ("a", "html", "html")]
    + [("a.svg", None, "svg")],
)
def test_the_format_follows_from_the_name_or_the_flag(tmp_path, monkeypatch, out, form, chosen):
    monkeypatch.chdir(tmp_path)
    assert comparison.choose_format(out, form) == chosen


@pytest.mark.parametrize(
    "out,form,words",
    [
        ("report.pdf", None, "the format is unclear"),
        (None, "html", "add --out=report.html"),
        ("missing/report.md", None, "does not exist"),
        ("report.html", "csv", "does not end as --format=csv"),
    ],
)
def test_an_impossible_format_is_named(tmp_path, monkeypatch, out, form, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        comparison.choose_format(out, form)


def test_a_table_of_aggregates_needs_common_games(runs):
    asked = request(runs, baselines=["SimPLe at 400k"], games=["Pong"])
    with pytest.raises(UserError, match=r"SimPLe at 400k were .*--mixed"):
        comparison.collect(asked)
    found = comparison.collect(asked._replace(mixed=True))
    assert "gamer_mean" in comparison.text(found, "csv", "aggregates")
    write_run(runs / "runs/c/maze/0", game="maze", protocol="gymnasium")
    alone = comparison.collect(request(runs, games=["maze"]))
    with pytest.raises(UserError, match="--table=games"):
        comparison.text(alone, "csv", "aggregates")


def test_a_median_is_predicted_from_the_games_that_are_asked_for():
    asked = comparison.Request(baselines=["IQN"], games=["Pong"], subset="atari3")
    with pytest.raises(UserError, match="--subset=atari3: no agent has scores on Battle Zone"):
        comparison.text(comparison.collect(asked), "md", "predicted")
    games = ["BattleZone", "NameThisGame", "Phoenix", "Pong"]
    found = comparison.collect(asked._replace(games=games))
    assert "| IQN, published | 3 games | " in comparison.text(found, "md", "predicted")
    page = comparison.text(found, "html")
    assert "Predicted median" in page and "Predicted from Battle Zone, Name This Game and" in page
    assert "Predicted median" not in comparison.text(
        comparison.collect(asked._replace(games=["Pong"])), "html"
    )


def test_an_old_name_of_published_scores_still_finds_them():
    asked = comparison.Request(baselines=["Rainbow at 400k"], games=["RoadRunner"])
    [curve] = comparison.collect(asked).baselines
    assert curve.agent == "DER at 400k" and list(curve.values) == [9600.0]


def test_a_picture_for_a_paper_has_vectors(runs, tmp_path):
    found = comparison.collect(request(runs, games=["Pong"]))
    comparison.write(found, str(tmp_path / "a.svg"), "svg")
    text = (tmp_path / "a.svg").read_text()
    assert text.startswith("<svg") and "Pong" in text and "frames" in text


def test_archives_and_notes_beside_runs_are_no_score_files(runs):
    """`pack` writes its archive beside the run, and the README's pattern finds it."""
    for name in ("runs/a/Pong/0.tar.gz", "runs/a/Pong/notes.txt"):
        (runs / name).write_bytes(b"\x1f\x8b")
    asked = request(runs, games=["Pong"])
    found = comparison.collect(asked._replace(runs=[str(runs / "runs/*/*/*")]))
    assert len(found.runs) >= 3
    with pytest.raises(UserError, match="is not a score file"):
        comparison.collect(asked._replace(runs=[str(runs / "runs/a/Pong/0.tar.gz")]))


def test_the_report_of_before_stays_where_a_new_one_cannot_be_written(runs, tmp_path, monkeypatch):
    out = tmp_path / "r.html"
    out.write_text("old")
    found = comparison.collect(request(runs, games=["Pong"]))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="cannot be written"):
        comparison.write(found, str(out), "md")
    assert out.read_text() == "old"


def test_a_directory_whose_name_is_not_utf_8_is_shown(runs, tmp_path):
    bad = os.fsencode(tmp_path) + b"/bad\xff"
    os.makedirs(bad)
    shutil.copy(runs / "runs/a/Pong/0/scores.json", bad + b"/scores.json")
    asked = comparison.Request(runs=[f"{tmp_path}/bad*"], baselines=[])
    comparison.write(comparison.collect(asked), str(tmp_path / "r.html"), "html")
    assert "bad\\xff" in (tmp_path / "r.html").read_text()
