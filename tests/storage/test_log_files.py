"""Logs are cut back to what a checkpoint knows; other files stay."""

import pytest

from dreamer_tf.storage import log_files

LOGS = (
    "metrics/json_lines/metrics.jsonl",
    "metrics/console/console.log",
    "dreams/iteration-0.gif",
    "episodes.jsonl",
)
OTHERS = (
    *("dreams/mine.gif", "notes.txt"),
    *("metrics/tensorboard/profile", "metrics/json_lines/plot.py"),
)


@pytest.fixture
def base_dir(tmp_path):
    for name in (*LOGS, *OTHERS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before\n")
    return tmp_path


def test_the_sizes_are_those_of_the_logs(base_dir):
    assert log_files.sizes(base_dir) == dict.fromkeys(LOGS, 7)


def test_what_was_logged_after_the_checkpoint_is_removed(base_dir):
    stored = log_files.sizes(base_dir)
    for name in (*LOGS, *OTHERS):
        with open(base_dir / name, "a") as file:
            file.write("after\n")
    (base_dir / "dreams/iteration-1.gif").write_text("after")
    log_files.cut_back(base_dir, stored)
    assert not (base_dir / "dreams/iteration-1.gif").exists()
    assert {(base_dir / name).read_text() for name in LOGS} == {"before\n"}
    assert {(base_dir / name).read_text() for name in OTHERS} == {"before\nafter\n"}


def test_without_a_checkpoint_every_log_is_removed(base_dir):
    log_files.cut_back(base_dir, {})
    assert log_files.sizes(base_dir) == {}
    assert all((base_dir / name).exists() for name in OTHERS)


def test_a_log_that_is_shorter_than_stored_stays_as_it_is(base_dir):
    log_files.cut_back(base_dir, dict.fromkeys(LOGS, 100))
    assert log_files.sizes(base_dir) == dict.fromkeys(LOGS, 7)
