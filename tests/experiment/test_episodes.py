"""Rows of episodes: what a resumed run keeps, and what is refused."""

import json
import os

import pytest

from dreamer_tf.experiment.episodes import Episode, EpisodeLog
from dreamer_tf.storage import log_files
from dreamer_tf.storage.files import NotRegular


def episode(step):
    return Episode("train", step, 4 * step, 1, 1.5, 5, 0.25)


def steps(directory):
    text = (directory / "episodes.jsonl").read_text()
    return [json.loads(line)["step"] for line in text.splitlines()]


def test_a_row_is_on_the_disk_before_the_next(tmp_path):
    log = EpisodeLog(tmp_path)
    for step in (10, 20):
        log.write(episode(step))
        assert steps(tmp_path)[-1] == step


def test_a_resumed_run_goes_on_where_its_checkpoint_was(tmp_path):
    log = EpisodeLog(tmp_path)
    log.write(episode(10))
    sizes = log_files.sizes(tmp_path)
    log.write(episode(20))
    log_files.cut_back(tmp_path, sizes)
    EpisodeLog(tmp_path).write(episode(21))
    assert steps(tmp_path) == [10, 21]
    log_files.cut_back(tmp_path, {})
    assert not (tmp_path / "episodes.jsonl").exists()


def test_a_link_is_not_followed(tmp_path):
    os.symlink(tmp_path / "elsewhere", tmp_path / "episodes.jsonl")
    with pytest.raises(NotRegular):
        EpisodeLog(tmp_path).write(episode(1))
    assert not (tmp_path / "elsewhere").exists()
