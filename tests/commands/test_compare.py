"""The comparison as users run it, and its page in a real browser."""

import csv
import io
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import curves, report, score_files

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def write_run(
    directory,
    agent="DreamerV2",
    game="Pong",
    seed=0,
    protocol="machado2018",
    end=2.0,
    gin_hash="0123456789abcdef",
):
    directory.mkdir(parents=True)
    scores = [
        score_files.Score(iteration, value, agent, phase, game, seed, frames, 3, protocol, gin_hash)
        for iteration, (frames, value) in enumerate(((1000, -20.0), (2000, end)))
        for phase in ("train", "eval")
    ]
    score_files.write(directory / score_files.FILE, scores)


def compare(directory, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "dreamer_tf.compare", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )


def refused(result):
    assert result.returncode == 2 and "Traceback" not in result.stderr, result.stderr
    return result.stderr.strip().splitlines()[-1]


@pytest.fixture
def runs(tmp_path):
    for seed, end in enumerate((2.0, 4.0, 9.0)):
        write_run(tmp_path / f"runs/a/Pong/{seed}", seed=seed, end=end)
    write_run(tmp_path / "runs/a/Breakout/0", game="Breakout", end=30.0)
    return tmp_path


def test_tables(runs):
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


def test_refused(runs):
    write_run(runs / "runs/b/Pong/0", protocol="nature2015", gin_hash="fedcba9876543210")
    sentence = refused(compare(runs, "--runs=runs/*/*/*"))
    assert "nature2015" in sentence and "machado2018" in sentence and "--mixed" in sentence
    mixed = compare(runs, "--runs=runs/*/*/*", "--mixed", "--baselines=")
    assert mixed.returncode == 0 and "machado2018" in mixed.stdout
    rows = [line for line in mixed.stdout.splitlines() if "| pong |" in line]
    assert len(rows) == 2 and "nature2015" in rows[1]  # side by side, not averaged
    assert "there is no scores.json" in refused(compare(runs, "--runs=nowhere/*"))
    assert "Did you mean 'Rainbow'" in refused(compare(runs, "--baselines=Rainbw"))
    assert "add --out=report.html" in refused(compare(runs, "--format=html"))
    assert "end it with one of" in refused(compare(runs, "--out=report.pdf"))
    assert "does not end as --format=csv" in refused(
        compare(runs, "--out=report.html", "--format=csv")
    )
    (runs / "folder.md").mkdir()
    assert "cannot be written" in refused(
        compare(runs, "--runs=runs/a/*/*", "--baselines=", "--out=folder.md")
    )
    (runs / "runs/b/Pong/0/scores.json").write_text('[{"Iteration": 1}]')
    assert "is not a score file" in refused(compare(runs, "--runs=runs/b/*/*"))


def test_protocols_of_an_aggregate(runs):
    """Games of one protocol and games of another have no common aggregate."""
    write_run(runs / "runs/b/Alien/0", game="Alien", protocol="nature2015")
    sentence = refused(compare(runs, "--runs=runs/*/*/*", "--baselines="))
    assert "alien" in sentence and "nature2015" in sentence and "--mixed" in sentence
    assert compare(runs, "--runs=runs/*/*/*", "--baselines=", "--games=Alien").returncode == 0
    write_run(runs / "runs/c/maze/0", game="maze", protocol="gymnasium")  # in no aggregate
    assert compare(runs, "--runs=runs/[ac]/*/*", "--baselines=").returncode == 0


@pytest.mark.parametrize(
    ("values", "frames", "complaint"),
    [((float("nan"), 1.0), (1000, 2000), "is nan"), ((1.0, 2.0), (2000, 2000), "do not ascend")],
)
def test_score_files_that_cannot_be_drawn(tmp_path, values, frames, complaint):
    scores = [
        score_files.Score(i, values[i], "A", "eval", "Pong", 0, frames[i], 3, "machado2018", "f")
        for i in range(2)
    ]
    score_files.write(tmp_path / "scores.json", scores)
    with pytest.raises(UserError, match=complaint):
        score_files.read(tmp_path / "scores.json")


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


def test_at_equal_frames(runs):
    """Ours have 2,000 frames, the published first 1M; some scores exist at 400k only."""
    arguments = ("--runs=runs/a/Pong/*", "--baselines=DQN,SimPLe at 400k")
    text = compare(runs, *arguments, "--frames=1000").stdout
    assert "| pong | DreamerV2, ours | -20.00 |" in text and "| pong | DQN" not in text
    text = compare(runs, *arguments, "--frames=400000").stdout
    assert "3 of the runs ended before --frames=400000." in text
    assert "| pong | SimPLe at 400k, published | 5.20 |" in text
    assert "Nothing is published of DQN on these games up to --frames=400000." in text


def test_tables_of_aggregates_and_origins(runs):
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


def test_configurations_are_on_the_page(runs):
    (runs / "runs/a/Pong/0/config.gin").write_text("RSSM.units = 7\n")
    write_run(runs / "runs/b/Pong/0", gin_hash="fedcba9876543210", seed=3)
    page = report.to_html(report.Report(curves.own([str(runs / "runs/*/*/*")]), []))
    assert "RSSM.units = 7" in page and "missing: its directory" in page


def test_picture(runs):
    result = compare(runs, "--runs=runs/*/*/*", "--baselines=", "--out=curves.png")
    assert result.returncode == 0, result.stderr
    assert (runs / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_a_curve_that_ended_early_is_not_drawn_on():
    def curve(run, frames, values):
        spots = np.array(frames, float)
        return curves.Curve("A", "pong", run, "eval", "p", "here", spots, np.array(values, float))

    long, short = curve("0", [1, 2, 3, 4], [1, 1, 1, 1]), curve("1", [1, 2], [5, 5])
    third = curve("2", [1, 2, 3, 4], [3, 3, 3, 3])
    drawn = report.curve_points([long, short, third])
    points = {p["frames"]: p for p in drawn if "return" in p}
    assert points[2.0]["return"] == 3.0 and points[2.0]["runs"] == 3
    assert points[4.0]["return"] == 2.0 and points[4.0]["runs"] == 2
    assert [p["single"] for p in drawn if p.get("run") == "1"] == [5.0, 5.0]


def test_runs_of_other_configurations_are_other_agents(runs):
    write_run(runs / "runs/b/Pong/0", end=-20.0, gin_hash="fedcba9876543210")
    patterns = ("--runs=runs/*/*/*", "--runs=runs/a/Pong/*")  # the second names them again
    text = compare(runs, *patterns, "--baselines=").stdout
    assert "| pong | DreamerV2 012345, ours | 5.00 |" in text
    assert re.search(r"pong \| DreamerV2 fedcba, ours \| -20\.00 \|  \|  \| 1 \|", text)


def test_runs_that_ended_early_are_no_last_scores():
    """Of 11 published runs on Breakout, three ended after 2M frames with 1 to 4 points."""
    found = report.Report([], curves.published(["DreamerV2"], ["breakout"]))
    [row] = report.game_rows(found)
    assert (row["runs"], row["ended early"]) == (5, 6) and row["score"] > 400


def test_missing_scores_are_named(runs):
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["IQN"], ["pong"])
    )
    assert report.missing(report.game_rows(found)) == ["IQN, published on breakout"]
    assert "IQN, published on breakout" in report.to_html(found)


def test_improvement_and_profiles_are_over_the_common_games(runs):
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["DQN"], ["pong", "breakout"])
    )
    [row] = report.improvement_rows(found)
    assert row["better than"] == "DQN, published" and 0.0 <= row["probability"] <= 1.0
    # Ours: 2 of 21 on Pong and 30 on Breakout; the published DQN is better on both.
    assert row["probability"] < 0.5
    points = report.profile_points(found)
    assert {point["agent"] for point in points} == set(found.agents)
    page = report.to_html(found)
    assert "Probability of improvement" in page and "Performance profiles" in page


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
    for point in report.profile_points(found):
        assert ("low" in point) == point["agent"].startswith("DQN")


def test_control_suite(tmp_path):
    """Published curves of a task stand next to ours, with their own protocol and frames."""
    write_run(
        tmp_path / "runs/0", game="cartpole_swingup", protocol="control_suite, proprio", end=500.0
    )
    text = compare(tmp_path, "--runs=runs/*", "--baselines=DreamerV2,Rainbow").stdout
    assert "| cartpoleswingup | DreamerV2, ours | 500.00 |" in text
    assert re.search(r"DreamerV2, published \| 8\d\d\.\d.* 5 \| .*control_suite, pixels \|", text)
    assert not [curve for curve in curves.published(["DreamerV2"]) if "swingup" in curve.game]


def browser():
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@pytest.mark.skipif(browser() is None, reason=f"none of {', '.join(BROWSERS)} is installed")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--runs=runs/*/*/*",),
        pytest.param(("--baselines=Rainbow,DreamerV2",), marks=pytest.mark.slow),  # 55 games
    ],
)
def test_the_page_in_a_browser(runs, arguments):
    """It opens without a network and without an error, and draws every chart."""
    result = compare(runs, *arguments, "--out=report.html")
    assert result.returncode == 0, result.stderr
    page = (runs / "report.html").read_text()
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)
    shown = subprocess.run(
        [
            browser(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={runs / 'profile'}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"file://{runs / 'report.html'}",
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "CONSOLE" not in shown.stderr, shown.stderr[-2000:]
    charts = re.findall(r'<div id="chart\d+"[^>]*>(.*?)</div>', shown.stdout, re.S)
    assert len(charts) >= 2 and all("<svg" in chart for chart in charts)
    assert "Where the numbers come from" in shown.stdout


def test_words_of_a_score_file_cannot_become_code(tmp_path):
    write_run(tmp_path / "runs/0", agent="</script><script>alert(1)</script>")
    page = report.to_html(report.Report(curves.own([str(tmp_path / "runs/0")]), []))
    assert "<script>alert(1)" not in page
