"""Paths on this machine, and none that look like it."""

import math
from pathlib import Path

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch, places


@pytest.mark.parametrize("url", ["gs://bucket/run", "file:///tmp/run", "s3://a"])
def test_a_url_is_no_path(url):
    with pytest.raises(UserError, match=f"base_dir={url} is a URL"):
        places.check_local("base_dir", url)
    with pytest.raises(UserError, match="only paths on this machine"):
        launch.make_runner(url, 0)
    with pytest.raises(UserError, match="is a URL"):
        gin_files.parse_recorded(url)


def test_paths_and_bindings_are_none():
    for value in ("runs/a", "a:b", "gs:/a", "/tmp/x://y", Path("a"), 3, None, True):
        places.check_local("base_dir", value)
    places.check_flags({"gin_bindings": ["A.b = 'gs://c'"], "runs": ["runs/*"], "seed": 0})


def test_every_item_of_a_flag_is_checked():
    with pytest.raises(UserError, match="--runs=gs://b is a URL"):
        places.check_flags({"runs": ["runs/a", "gs://b"]})


def test_a_working_directory_that_was_deleted_is_told(tmp_path, monkeypatch):
    place = tmp_path / "gone"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    with pytest.raises(UserError, match="working directory does not exist any more"):
        places.check_flags({})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_flag_that_is_no_number_is_told(value):
    with pytest.raises(UserError, match=r"--cpus_per_run=.* is no number that can be used"):
        places.check_flags({"cpus_per_run": value})
