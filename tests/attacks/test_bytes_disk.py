"""A disk that fills up within a step: nothing is half written, and reading kills no process."""

import contextlib
import errno
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from dreamer_tf.replay.ring import Field, Ring
from dreamer_tf.replay.streams import Segment
from dreamer_tf.storage import files
from dreamer_tf.storage.checkpoints import CheckpointStore
from tests.reliability.test_kill import start

FIELDS = {
    "large": Field(np.dtype(np.uint8), (4096,)),
    "flags": Field(np.dtype(np.uint8), (3,)),
}
STEP = 4099  # bytes


def make(directory, **settings):
    defaults = {"capacity": 200, "reserve": 56, "num_streams": 2, "chunk": 40 * STEP}
    return Ring(directory, FIELDS, **(defaults | settings))


def values(number):
    return {"large": np.full(4096, number, np.uint8), "flags": (1, 0, 0)}


def occupied(directory):
    return sum(path.stat().st_blocks * 512 for path in directory.iterdir())


def test_a_write_that_is_cut_short_is_completed(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(
        files.os, "pwrite", lambda file, data, offset: real(file, bytes(data)[:1000], offset)
    )
    ring = make(tmp_path)
    ring.write(0, 0, values(7))
    assert (ring.arrays["large"][0] == 7).all() and ring.read_heads().tolist() == [1, 0]
    ring.close()


def test_a_step_that_does_not_fit_is_an_error_and_does_not_count(tmp_path, monkeypatch):
    """The system writes what fits and reports success; only the next call fails."""
    ring = make(tmp_path)
    ring.write(0, 0, values(7))
    real, calls = os.pwrite, []

    def full(file, data, offset):
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, bytes(data)[:1000], offset)

    monkeypatch.setattr(files.os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        ring.write(0, 1, values(8))
    monkeypatch.undo()
    assert ring.read_heads().tolist() == [1, 0]
    with pytest.raises(ValueError, match="step 1 of stream 0 is not stored"):
        ring.read([[Segment(0, 0, 2, True)]])
    ring.close()


def test_a_write_of_nothing_is_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "pwrite", lambda *_: 0)
    with open(tmp_path / "file", "wb") as file, pytest.raises(OSError, match="No space left"):
        files.write_all(file.fileno(), b"step", 0)


def test_space_is_taken_in_chunks_ahead_and_not_at_the_start(tmp_path):
    ring = make(tmp_path)
    assert not list(tmp_path.iterdir())
    page = 4096 * len(FIELDS) * 2 * 2  # an incomplete page at each end of each part
    for step in range(60):
        for stream in range(2):
            ring.write(stream, step, values(step))
        written = 2 * (step + 1) * STEP
        ahead = 2 * (20 - step % 20 - 1) * STEP
        assert written + ahead <= occupied(tmp_path) <= written + 40 * STEP + page
    ring.close()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_without_reservation_zeros_take_the_space_and_steps_stay(tmp_path, monkeypatch, number):
    def unsupported(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "posix_fallocate", unsupported)
    ring = make(tmp_path)
    for step in range(30):
        ring.write(1, step, values(step + 1))
    assert occupied(tmp_path) >= 30 * STEP
    ring.close()
    ring = make(tmp_path)
    assert ring.read_heads().tolist() == [0, 30]
    ring.write(1, 30, values(31))
    assert ring.steps("large", 1, 0, 31)[:, 0].tolist() == list(range(1, 32))
    ring.close()


def test_holes_of_an_earlier_version_are_filled(tmp_path):
    """They were left where the disk was full, and reading them could kill the process."""
    ring = make(tmp_path)
    for step in range(40):
        ring.write(0, step, values(step))
    ring.close()
    for path in tmp_path.glob("[lf]*.bin"):
        size = path.stat().st_size
        os.truncate(path, 0)
        os.truncate(path, size)
    assert occupied(tmp_path) < 2 * 4096
    ring = make(tmp_path)
    ring.read_heads()
    assert occupied(tmp_path) >= 40 * STEP
    ring.close()


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system in memory."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        return subprocess.run(command, capture_output=True).returncode

    if os.geteuid() or mount("size=64k"):
        pytest.skip("file systems cannot be mounted here: it needs root")
    subprocess.run(["umount", str(place)], check=True)
    yield place, mount
    subprocess.run(["umount", str(place)], capture_output=True)


@pytest.mark.ci
def test_reading_on_a_full_disk_in_memory_does_not_kill_the_process(small_disk):
    """An image of several pages is cut short; reading the missing page is a SIGBUS, code -7."""
    place, mount = small_disk
    assert mount("size=1200k") == 0
    code = f"""
import pathlib
import numpy as np
from dreamer_tf.replay.ring import Field, Ring
from dreamer_tf.replay.streams import Segment
place = pathlib.Path({str(place)!r})
fields = {{
    "image": Field(np.dtype(np.uint8), (12288,)),
    "flags": Field(np.dtype(np.uint8), (3,)),
}}
ring = Ring(place / "replay", fields, capacity=60, reserve=4, num_streams=1)
ring._ahead = 2
(place / "filler").write_bytes(bytes(4096 * 192))
written = 0
try:
    while written < 60:
        ring.write(0, written, {{"image": np.full(12288, written), "flags": (1, 0, 0)}})
        written += 1
except OSError as error:
    assert error.errno == 28, error
assert written < 60
if written:
    found = ring.read([[Segment(0, 0, written, True)]])["image"][0]
    assert (found == np.arange(written)[:, None]).all()
(place / "filler").unlink()
ring.write(0, written, {{"image": np.full(12288, written), "flags": (1, 0, 0)}})
print("read", written)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0 and found.stdout.startswith("read"), found


@pytest.mark.ci
def test_a_disk_that_others_fill_while_a_run_trains(small_disk):
    """One sentence, the saved state is intact, and the run goes on when there is space."""
    place, mount = small_disk
    assert mount("size=9m") == 0
    short = ("Runner.training_steps=20", "DreamerRunner.dream_every=0")
    more = ("Runner.num_iterations=400", *short)
    process = start(place / "run", more=more)
    for line in process.stdout:
        if line.startswith("random start"):
            break
    store = CheckpointStore(place / "run/checkpoints")
    while not store.numbers():
        assert process.poll() is None
        time.sleep(0.1)
    with contextlib.suppress(OSError):
        (place / "filler").write_bytes(bytes(9_000_000))
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 2 and "No space left" in errors, errors
    assert "Traceback" not in errors
    (place / "filler").unlink()
    number, _ = store.load_latest()
    more = (f"Runner.num_iterations={number + 2}", *short)
    process = start(place / "run", more=more)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0 and "resumed  " in output, errors
