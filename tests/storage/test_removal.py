"""What is unfinished is removed; what was renamed stays."""

import pytest

from dreamer_tf.storage import removal


@pytest.mark.parametrize("kind", ["file", "directory", "nothing"])
def test_what_is_unfinished_is_removed_also_after_an_error(tmp_path, kind):
    path = tmp_path / "half"
    with pytest.raises(RuntimeError), removal.removing(path):
        if kind == "directory":
            (path / "inner").mkdir(parents=True)
        elif kind == "file":
            path.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_was_renamed_in_the_block_stays(tmp_path):
    with removal.removing(tmp_path / "half"):
        (tmp_path / "half").mkdir()
        (tmp_path / "half").rename(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_a_process_that_ends_at_once_removes_everything(tmp_path):
    with removal.removing(tmp_path / "a"), removal.removing(tmp_path / "b"):
        (tmp_path / "a").mkdir()
        (tmp_path / "b").write_text("half")
        removal.remove_all()
        assert list(tmp_path.iterdir()) == []
