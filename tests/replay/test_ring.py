"""The files of the replay: sizes, slots, heads, and what is said if they do not fit."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.replay.ring import Field, Ring
from dreamer_tf.replay.streams import Segment
from tests.replay.replays import add_episode, make

FIELDS = {
    "small": Field(np.dtype(np.int32), ()),
    "large": Field(np.dtype(np.uint8), (600,)),
    "flags": Field(np.dtype(np.uint8), (3,)),
}


def make_ring(directory, **settings) -> Ring:
    defaults = {"capacity": 16, "reserve": 4, "num_streams": 2}
    return Ring(directory, FIELDS, **(defaults | settings))


def values(number):
    return {"small": number, "large": np.full(600, number % 256), "flags": (0, 0, 0)}


def test_every_stream_has_its_own_slots(tmp_path):
    ring = make_ring(tmp_path)
    assert ring.rows == 10
    for step in range(13):
        for stream in range(2):
            ring.write(stream, step, values(100 * stream + step))
    newest = [10, 11, 12, *range(3, 10)]
    assert ring.arrays["small"].tolist() == newest + [100 + step for step in newest]
    ring.close()


@pytest.mark.parametrize("key", ["small", "large"])
def test_segments_are_joined_and_wrap_around(tmp_path, key):
    ring = make_ring(tmp_path)
    for step in range(13):
        ring.write(1, step, values(step))
    plan = [
        [Segment(1, 7, 5, True), Segment(1, 4, 1, True)],  # slots 7, 8, 9, 0, 1 and 4
        [Segment(1, 5, 6, True)],
    ]
    found = ring.read(plan)[key].reshape(2, 6, -1)[..., 0]
    np.testing.assert_array_equal(found, [[7, 8, 9, 10, 11, 4], [5, 6, 7, 8, 9, 10]])
    ring.close()


def test_a_flag_of_a_stored_step_can_be_set(tmp_path):
    ring = make_ring(tmp_path)
    ring.write(1, 12, values(0))
    ring.set_flag(1, 12, 1)
    assert np.argwhere(ring.arrays["flags"]).tolist() == [[12, 1]]  # slot 10 + 12 % 10
    ring.close()


def test_heads_outlive_the_process_and_never_go_back(tmp_path):
    ring = make_ring(tmp_path)
    for step in (0, 1, 2, 0):  # a resumed run writes earlier steps again
        ring.write(1, step, values(step))
    assert ring.read_heads().tolist() == [0, 3]
    ring.close()
    ring = make_ring(tmp_path)
    assert ring.read_heads().tolist() == [0, 3]
    ring.write(1, 1, values(1))
    assert ring.read_heads().tolist() == [0, 3]
    ring.close()


def test_a_value_of_another_shape_is_named(tmp_path):
    ring = make_ring(tmp_path)
    with pytest.raises(ValueError, match=r"small has shape \(2,\), but must be \(\)"):
        ring.write(0, 0, {"small": [1, 2]})
    ring.close()


def test_too_little_disk_is_a_user_error_with_the_size(tmp_path, monkeypatch):
    usage = os.statvfs(tmp_path)
    free = usage.f_bavail * usage.f_frsize
    with pytest.raises(UserError, match=r"EpisodeReplay\.capacity") as error:
        make(tmp_path, capacity=int(free))  # 30 bytes and more a step
    assert "GB" in error.value.sentence and "--base_dir" in error.value.sentence
    assert not list(tmp_path.iterdir())


def test_too_little_address_space_is_a_user_error_with_the_size(tmp_path):
    """In a process of its own that may have half a GB more than it has; the files are sparse."""
    code = f"""
import resource
from tests.replay.replays import add_episode, make
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29,) * 2)
make({str(tmp_path)!r}, capacity=50_000_000)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert re.search(r"UserError: The replay maps 1\.\d GB .* \(ulimit -v\)", found.stderr)


def test_files_of_another_configuration_are_not_opened(tmp_path):
    replay = make(tmp_path)
    add_episode(replay, 1)
    replay.close()
    with pytest.raises(UserError, match="another configuration"):
        make(tmp_path, capacity=200)


def test_the_stated_bytes_are_those_on_disk(tmp_path):
    replay = make(tmp_path, capacity=100, reserve=20)
    add_episode(replay, 1)
    assert replay.bytes == 120 * (16 + 8 + 4 + 4 + 3)
    assert replay.bytes == sum(
        path.stat().st_size for path in tmp_path.iterdir() if path.name != "head.bin"
    )
    replay.close()
