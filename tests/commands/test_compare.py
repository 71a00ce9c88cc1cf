"""`python -m dreamer_tf.compare` as users run it."""

import csv
import io
import re
import shutil

import numpy as np
import pytest

from dreamer_tf.scores import curves
from tests.commands.processes import run
from tests.scores.runs import write_run


def compare(directory, *arguments):
    return run(directory, "compare", *arguments)


def refused(result):
    assert result.returncode == 2 and "Traceback" not in result.stderr, result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_the_table_has_ours_and_the_published_scores(runs):
    arguments = ("--runs=runs/*/*/*", "--baselines=Rainbow,DQN")
    result = compare(runs, *arguments, "--format=csv")
    assert result.returncode == 0, result.stderr
    rows = {(row["game"], row["agent"]): row for row in csv.DictReader(io.StringIO(result.stdout))}
    ours = rows["pong", "DreamerV2, ours"]
    assert (float(ours["score"]), ours["runs"], ours["frames"]) == (5.0, "3", "2000")
    assert 2.0 <= float(ours["low"]) < 5.0 < float(ours["high"]) <= 9.0
    published = rows["pong", "Rainbow, published"]
    values = [curve.values[-1] for curve in curves.published(["Rainbow"], ["pong"])]
    assert float(published["score"]) == pytest.approx(np.mean(values)) and len(values) == 5
    assert (published["phase"], published["protocol"]) == ("train", "dopamine")
    text = compare(runs, *arguments).stdout
    assert "| pong | DreamerV2, ours | 5.00 |" in text and "alien" not in text
    only = compare(runs, *arguments, "--games=Breakout").stdout
    assert "breakout" in only and "pong" not in only


def test_what_was_written_counts_its_runs_in_words(runs):
    found = ("--runs=runs/a/Pong/0", "--games=Pong", "--baselines=SimPLe at 400k", "--mixed")
    assert compare(runs, *found, "--out=a.md").stdout == "a.md: 1 run, 1 published run\n"
    several = ("--runs=runs/a/Pong/*", "--games=Pong", "--baselines=")
    assert compare(runs, *several, "--out=b.md").stdout == "b.md: 3 runs, 0 published runs\n"


def test_every_error_is_one_sentence(runs):
    write_run(runs / "runs/b/Pong/0", protocol="nature2015", gin_hash="fedcba9876543210")
    sentence = refused(compare(runs, "--runs=runs/*/*/*"))
    assert "nature2015" in sentence and "machado2018" in sentence and "--mixed" in sentence
    mixed = compare(runs, "--runs=runs/*/*/*", "--mixed", "--baselines=")
    assert mixed.returncode == 0 and "machado2018" in mixed.stdout
    rows = [line for line in mixed.stdout.splitlines() if "| pong |" in line]
    assert len(rows) == 2 and "nature2015" in rows[1]  # side by side, not averaged
    write_run(runs / "other/Pong/0", protocol="atari100k", gin_hash="fedcba9876543210")
    sentence = refused(compare(runs, "--runs=runs/a/*/*", "--runs=other/*/*"))
    assert "atari100k" in sentence and "machado2018" in sentence and "--mixed" in sentence
    assert "there is no scores.json" in refused(compare(runs, "--runs=nowhere/*"))
    assert "Did you mean 'Rainbow'" in refused(compare(runs, "--baselines=Rainbw"))
    assert "add --out=report.html" in refused(compare(runs, "--format=html"))
    assert "end the name with one of" in refused(compare(runs, "--out=report.pdf"))
    assert "does not end as --format=csv" in refused(
        compare(runs, "--out=report.html", "--format=csv")
    )
    (runs / "folder.md").mkdir()
    assert "cannot be written" in refused(
        compare(runs, "--runs=runs/a/*/*", "--baselines=", "--out=folder.md")
    )
    (runs / "runs/b/Pong/0/scores.json").write_text('[{"Iteration": 1}]')
    assert "is not a score file" in refused(compare(runs, "--runs=runs/b/*/*"))


def test_protocols_are_not_mixed_in_an_aggregate(runs):
    """Games of one protocol and games of another have no common aggregate."""
    write_run(runs / "runs/b/Alien/0", game="Alien", protocol="nature2015")
    sentence = refused(compare(runs, "--runs=runs/*/*/*", "--baselines="))
    assert "alien" in sentence and "nature2015" in sentence and "--mixed" in sentence
    assert compare(runs, "--runs=runs/*/*/*", "--baselines=", "--games=Alien").returncode == 0
    write_run(runs / "runs/c/maze/0", game="maze", protocol="gymnasium")  # in no aggregate
    assert compare(runs, "--runs=runs/[ac]/*/*", "--baselines=").returncode == 0


def test_a_copy_is_no_second_run(runs):
    shutil.copytree(runs / "runs/a/Pong/0", runs / "copy/0")
    sentence = refused(compare(runs, "--runs=runs/*/*/*", "--runs=copy/*", "--baselines="))
    assert "are the same run" in sentence and "copy/0" in sentence


def test_what_was_asked_for_in_vain_is_named(runs):
    (runs / "runs/d/Pong/0").mkdir(parents=True)
    (runs / "runs/d/Pong/0/scores.json").write_text("[]\n")
    arguments = ("--runs=runs/*/*/*", "--baselines=DreamerV2 (Montezuma)", "--games=Pong,Breakot")
    text = compare(runs, *arguments).stdout
    assert "runs/d/Pong/0 has no returns of --phase=eval yet." in text
    assert "no score of --games=Breakot. Did you mean 'breakout'" in text
    assert "Nothing is published of DreamerV2 (Montezuma) on these games." in text
    sentence = refused(compare(runs, "--games=Breakot", "--baselines=IQN"))
    assert "Did you mean 'breakout'" in sentence and "published of IQN" in sentence


def test_agents_are_compared_at_equal_frames(runs):
    """Ours have 2,000 frames, the published first 1M; some scores exist at 400k only."""
    arguments = ("--runs=runs/a/Pong/*", "--baselines=DQN,SimPLe at 400k", "--mixed")
    text = compare(runs, *arguments, "--frames=1000").stdout
    assert "| pong | DreamerV2, ours | -20.00 |" in text and "| pong | DQN" not in text
    text = compare(runs, *arguments, "--frames=400000").stdout
    assert "3 of the runs ended before --frames=400000." in text
    assert "| pong | SimPLe at 400k, published | 5.20 |" in text
    assert "Nothing is published of DQN on these games up to --frames=400000." in text


def test_there_are_tables_of_aggregates_and_of_origins(runs):
    arguments = ("--runs=runs/a/*/*", "--baselines=DreamerV2,Rainbow", "--format=csv")
    result = compare(runs, *arguments, "--table=aggregates")
    rows = {row["agent"]: row for row in csv.DictReader(io.StringIO(result.stdout))}
    names = ["DreamerV2, ours", "DreamerV2, published", "Rainbow, published"]  # as asked for
    assert list(rows) == names
    for name in names[1:]:
        for column in ("gamer_mean", "clipped_record_mean", "IQM", "optimality_gap"):
            value, low, high = (float(rows[name][column + end]) for end in ("", " low", " high"))
            assert low <= value <= high
    assert rows["DreamerV2, ours"]["runs a game"] == "1 to 3"
    origins = compare(runs, *arguments, "--table=origins").stdout
    assert "5 a game, 2 games" in origins and "0123456789abcdef" in origins


def test_the_papers_tables_and_figures_have_names(runs):
    ours = "--runs=runs/a/*/*"
    result = compare(runs, "--paper=table1")
    assert result.returncode == 0, result.stderr
    expected = "| 2.15 | 42.26 | 0.44 | 0.28 | 55 | 8 | 1M to 199M | 2.15 / 42.26 / 0.44 / 0.28 |"
    assert f"| DreamerV2, published {expected}" in result.stdout
    rows = list(
        csv.DictReader(io.StringIO(compare(runs, "--paper=tableK1", ours, "--format=csv").stdout))
    )
    assert len(rows) == 55 and [r["DreamerV2, ours"] for r in rows if r["Task"] == "Pong"] == ["5"]
    result = compare(runs, "--paper=figureE1", "--games=Pong,Breakout", "--out=e1.png", ours)
    assert result.returncode == 0 and (runs / "e1.png").read_bytes()[:4] == b"\x89PNG"
    for flag in ("--table=wins", "--baselines=IQN"):
        assert "leave " + flag.split("=")[0] in refused(compare(runs, "--paper=table1", flag))
    assert "end --out with .md" in refused(compare(runs, "--paper=table2", "--out=a.png"))
    ignored = compare(runs, "--table=aggregates", "--out=a.png")
    assert "--table=aggregates is one of md and csv, but the format is png" in refused(ignored)


def test_wins_are_counted_for_any_two_agents(runs):
    text = compare(runs, "--baselines=DreamerV2,IQN,Rainbow", "--table=wins").stdout
    assert "| DreamerV2, published | IQN, published | 55 | 36 | 4 | 15 |" in text
    sentence = refused(compare(runs, "--baselines=IQN", "--table=wins"))
    assert "no two agents" in sentence and "--table=games" in sentence


def test_the_curves_are_written_as_a_picture(runs):
    result = compare(runs, "--runs=runs/*/*/*", "--baselines=", "--out=curves.png")
    assert result.returncode == 0, result.stderr
    assert (runs / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_runs_of_other_configurations_are_other_agents(runs):
    write_run(runs / "runs/b/Pong/0", end=-20.0, gin_hash="fedcba9876543210")
    patterns = ("--runs=runs/*/*/*", "--runs=runs/a/Pong/*")  # the second names them again
    text = compare(runs, *patterns, "--baselines=").stdout
    assert "| pong | DreamerV2 (a), ours | 5.00 |" in text
    assert re.search(r"pong \| DreamerV2 \(b\), ours \| -20\.00 \|  \|  \| 1 \|", text)


def test_tasks_of_the_control_suite_have_published_curves(tmp_path):
    """Published curves of a task stand next to ours, with their own protocol and frames."""
    write_run(
        tmp_path / "runs/0", game="cartpole_swingup", protocol="control_suite, proprio", end=500.0
    )
    text = compare(tmp_path, "--runs=runs/*", "--baselines=DreamerV2,Rainbow").stdout
    assert "| cartpoleswingup | DreamerV2, ours | 500.00 |" in text
    assert re.search(r"DreamerV2, published \| 8\d\d\.\d.* 5 \| .*control_suite, pixels \|", text)
