"""GIF files: what is written can be read, and a bad path is named before the work."""

import imageio.v3
import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.open_loop import gif


def test_frames_survive_in_order(tmp_path):
    frames = [np.full((8, 6, 3), shade, np.uint8) for shade in (0, 128, 255)]
    path = str(tmp_path / "a.gif")
    gif.write_gif(path, frames)
    read = imageio.v3.imread(path)
    assert read.shape == (3, 8, 6, 3)
    assert read[:, 0, 0, 0].tolist() == [0, 128, 255]


def test_the_path_is_checked_before_the_work(tmp_path):
    gif.check_path(str(tmp_path / "a.gif"))
    with pytest.raises(UserError, match=r"ends with \.gif"):
        gif.check_path(str(tmp_path / "a.mp4"))
    with pytest.raises(UserError, match="does not exist"):
        gif.check_path(str(tmp_path / "missing" / "a.gif"))
