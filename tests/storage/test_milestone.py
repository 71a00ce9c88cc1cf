"""The marker of a run that has completed a checkpoint."""

import pytest

from dreamer_tf.storage import milestone


def test_the_marker_stays(tmp_path):
    assert not milestone.is_reached(tmp_path)
    milestone.reach(tmp_path)
    before = (tmp_path / milestone.FILE).stat().st_mtime_ns
    milestone.reach(tmp_path)
    assert milestone.is_reached(tmp_path)
    assert (tmp_path / milestone.FILE).stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["checkpoints/ckpt-000001/manifest.json", "scores.json"])
def test_a_run_of_an_older_version_has_reached_it(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    assert milestone.is_reached(tmp_path)
