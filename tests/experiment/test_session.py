"""What a run records about its processes."""

import json
import os
import subprocess

import ml_dtypes  # noqa: F401 - its distribution calls itself ml_dtypes
import pytest

from dreamer_tf.experiment import session
from dreamer_tf.experiment.session import Session
from dreamer_tf.storage import identity


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(session.time, "monotonic", lambda: now[0])
    return now


def begin(directory, clock):
    found = Session(directory)
    identity.claim(directory, identity.facts(directory) | found.begin("a device"))
    return found


def record(directory):
    return json.loads((directory / "run.json").read_text())


def test_hours_add_up_over_processes_also_after_a_kill(tmp_path, clock):
    first = begin(tmp_path, clock)
    clock[0] += 3600
    first.saved()
    clock[0] += 1800  # killed half an hour after its checkpoint
    second = begin(tmp_path, clock)
    clock[0] += 7200
    assert second.seconds == 3 * 3600
    second.saved()
    second.end()
    found = record(tmp_path)
    assert found["hours"] == 3.0 and found["progress"] is True
    killed, ended = found["sessions"]
    assert (killed["seconds"], killed["ended"]) == (3600.0, None)
    assert ended["seconds"] == 7200.0 and ended["started"] <= ended["ended"]


def test_a_session_says_what_ran_where(tmp_path, clock):
    begin(tmp_path, clock)
    (found,) = record(tmp_path)["sessions"]
    assert found["process"] == os.getpid() and found["device"] == "a device" and found["host"]
    assert "pytest" in found["command"] or "-c" in found["command"]  # a worker of xdist
    assert found["packages"]["python"].count(".") == 2
    assert {"numpy", "dreamer-tf", "absl-py", "ml-dtypes"} <= set(found["packages"])


def test_many_sessions_keep_the_first_and_the_last(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(session, "KEPT", 3)
    for number in range(5):
        clock[0] = number * 10.0
        begin(tmp_path, clock)
        found = record(tmp_path)
        found["sessions"][-1]["device"] = str(number)
        identity.update(tmp_path, found)
    assert [item["device"] for item in record(tmp_path)["sessions"]] == ["0", "3", "4"]


@pytest.mark.parametrize("damage", [{"sessions": 3, "hours": "x"}, {"sessions": [1, None]}])
def test_a_damaged_record_begins_anew(tmp_path, clock, damage):
    identity.claim(tmp_path, damage)
    begin(tmp_path, clock)
    assert len(record(tmp_path)["sessions"]) == 1 and record(tmp_path)["hours"] == 0.0


def test_a_runner_without_a_record_works(tmp_path):
    found = Session(tmp_path)
    found.saved()
    found.end()
    assert not (tmp_path / "run.json").exists()


def git(directory, *arguments):
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, "-C", directory, *arguments], check=True, capture_output=True)


def test_commits_of_the_working_directory_are_recorded(tmp_path):
    assert all(found["directory"] != str(tmp_path) for found in session.repositories(str(tmp_path)))
    session.repositories.cache_clear()
    git(tmp_path, "init")
    (tmp_path / "code.py").write_text("a = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "output").write_text("not code\n")
    (tmp_path / "inner").mkdir()
    found = session.repositories(str(tmp_path / "inner"))[0]
    assert found["directory"] == str(tmp_path.resolve()) and found["dirty"] is False
    assert len(found["commit"]) == 40
    session.repositories.cache_clear()
    (tmp_path / "code.py").write_text("a = 2\n")
    assert session.repositories(str(tmp_path))[0]["dirty"] is True
    session.repositories.cache_clear()


def test_no_program_that_a_repository_names_is_run(tmp_path):
    """`git status` runs filters on changed files; a directory of a stranger can name any."""
    git(tmp_path, "init")
    (tmp_path / ".gitattributes").write_text("* filter=mine\n")
    (tmp_path / "code.py").write_text("a = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "config", "filter.mine.clean", f"touch {tmp_path}/was_run; cat")
    (tmp_path / "code.py").write_text("a = 2\n")
    session.repositories.cache_clear()
    [found, *_] = session.repositories(str(tmp_path))
    session.repositories.cache_clear()
    assert found["dirty"] is None and len(found["commit"]) == 40
    assert not (tmp_path / "was_run").exists()


def test_a_machine_without_git_records_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    session.repositories.cache_clear()
    assert session.repositories(str(tmp_path)) == ()
    session.repositories.cache_clear()


def test_the_times_are_in_utc():
    assert session.now().endswith("+00:00") and len(session.now()) == 29
