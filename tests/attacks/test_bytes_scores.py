"""Score files of anybody: a sentence or a table, and nothing but the files of the run is read."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import comparison, score_files, tables
from tests.scores.runs import write_run

RECORD = score_files.Score(0, 1.5, "A", "eval", "Pong", 0, 400, 3, "machado2018", "ff").record()


def records(**changed):
    return json.dumps([RECORD | changed])


@pytest.mark.parametrize(
    "text",
    [
        records(Value=float("inf")),
        records(Value=float("-inf")),
        records(Value=float("nan")),
        records(Value=1e300),
        records(Value=0).replace('"Value": 0', f'"Value": {"9" * 400}'),
        records(Value=0).replace('"Value": 0', f'"Value": {"9" * 5000}'),
        records(Frames=10**400),
        records(Frames=float("inf")),
        records(Seed=-1),
        records(Iteration=True),
        records(Agent="x" * 10_000),
        records(Agent=["x"]),
        records(Agent="\ud800"),
        records(Phase="both"),
        "[" * 100_000,
        '[{"Value":' * 50_000,
        "[" * 100_000 + "]" * 100_000,
        "{}",
        "7",
        "",
    ],
)
def test_a_file_that_holds_no_scores_is_a_sentence(tmp_path, text):
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(UserError, match="is not a score file") as error:
        score_files.read(tmp_path / "scores.json")
    assert len(error.value.sentence) < 1000


@pytest.mark.parametrize(
    "data", [b"\xff\xfe[", b"\x80", b"[\x00]", '[{"Agent": "é"}]'.encode("latin-1")]
)
def test_bytes_that_are_no_text_are_a_sentence(tmp_path, data):
    (tmp_path / "scores.json").write_bytes(data)
    with pytest.raises(UserError, match="is not a score file"):
        score_files.read(tmp_path / "scores.json")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "zero", "link", "large"])
def test_only_a_regular_file_of_the_run_is_read(tmp_path, kind):
    path = tmp_path / "run/scores.json"
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        path.touch()
        os.truncate(path, 2**41)
    else:
        (tmp_path / "secret").write_text(records())
        path.symlink_to("/dev/zero" if kind == "zero" else tmp_path / "secret")
    with pytest.raises(UserError, match="is not a score file"):
        score_files.read(path)
    with pytest.raises(UserError, match=r"is not a score file|there is no scores\.json"):
        comparison.collect(comparison.Request(runs=[str(tmp_path / "run")], baselines=[]))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "zero", "link", "large", "bytes"])
def test_the_page_shows_no_configuration_from_elsewhere(tmp_path, kind):
    """/etc/shadow was on the page."""
    write_run(tmp_path / "run")
    (tmp_path / "secret").write_text("root:$6$secret")
    path = tmp_path / "run/config.gin"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "bytes":
        path.write_bytes(b"\xff = 3")
    elif kind == "large":
        path.touch()
        os.truncate(path, 2**41)
    else:
        path.symlink_to("/dev/zero" if kind == "zero" else tmp_path / "secret")
    found = comparison.collect(comparison.Request(runs=[str(tmp_path / "run")], baselines=[]))
    page = comparison.text(found, "html")
    assert "$6$secret" not in page
    assert ("missing: its directory" in page) == (kind != "bytes")


def test_the_directory_of_a_run_may_be_a_link(tmp_path):
    write_run(tmp_path / "real")
    (tmp_path / "run").symlink_to(tmp_path / "real")
    assert comparison.collect(comparison.Request(runs=[str(tmp_path / "run")], baselines=[])).runs


@pytest.mark.parametrize("agent", ["=1+1", "@SUM(A1)", "+1", "-1", "=cmd|' /C calc'!A0", "\t=1+1"])
def test_no_cell_of_a_table_is_a_formula(tmp_path, agent):
    write_run(tmp_path / "run", agent=agent, end=-5.0)
    found = comparison.collect(comparison.Request(runs=[str(tmp_path / "run")], baselines=[]))
    for table in ("games", "origins"):
        rows = list(csv.DictReader(io.StringIO(comparison.text(found, "csv", table))))
        cells = [cell for row in rows for cell in row.values()]
        assert not [cell for cell in cells if cell[:1] in ("=", "@", "+", "\t", "\r")]
        assert any(agent.strip() in cell for cell in cells)
    [row] = csv.DictReader(io.StringIO(comparison.text(found, "csv", "games")))
    assert any(value == "-5.0" for value in row.values())  # a number stays one


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<script>", "\\<script\\>"),
        ("[x](http://e)", "\\[x\\](http://e)"),
        ("`*x*`\\", "\\`\\*x\\*\\`\\\\"),
        ("a\nb", "a\\\\nb"),
        ("\x1b[2J\x07", "\\\\x1b\\[2J\\\\x07"),
        ("\u202egnp.exe", "\\\\u202egnp.exe"),
        ("up_n_down", "up_n_down"),
    ],
)
def test_markdown_and_a_terminal_show_text_as_it_is(text, shown):
    assert tables.in_markdown(text) == shown
    table = tables.to_markdown([{"agent": text, "score": -1.5}])
    assert table.splitlines()[2] == f"| {shown} | -1.50 |" and table.count("\n") == 3


@pytest.mark.ci
def test_errors_do_not_write_to_the_terminal(tmp_path):
    """Neither escapes in a path nor those in a file reach it."""
    run = tmp_path / "run\x1b[31m"
    run.mkdir()
    (run / "scores.json").write_text(records(Phase="\x1b]0;title\x07"))
    found = subprocess.run(
        [sys.executable, "-m", "dreamer_tf.compare", f"--runs={run}"],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2 and "is not a score file" in found.stderr, found.stderr
    assert "\x1b" not in found.stderr + found.stdout and "Traceback" not in found.stderr
