"""Disks that are full or read-only, as small file systems in memory (needs root)."""

import os
import subprocess

import pytest

from dreamer_tf.storage.checkpoints import CheckpointStore
from tests.reliability.test_kill import start

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]


@pytest.fixture
def small_disk(tmp_path):
    """Mounts file systems of given sizes in KiB."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True
        ).returncode

    if os.geteuid() or mount("size=64k"):
        pytest.skip("file systems cannot be mounted here: it needs root")
    subprocess.run(["umount", str(place)], check=True)
    yield place, mount
    subprocess.run(["umount", str(place)], capture_output=True)


def outcome(base_dir):
    process = start(base_dir, more=("Runner.num_iterations=12", "DreamerRunner.dream_every=0"))
    output, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors, errors
    return process.returncode, output, errors.strip().splitlines()[-1] if errors.strip() else ""


@pytest.mark.parametrize("kib", [60, 500, 700, 900, 1100, 1300])
def test_a_full_disk(small_disk, kib):
    """A sentence, exit code 2, what was saved is good, and more space is all it takes."""
    place, mount = small_disk
    assert mount(f"size={kib}k") == 0
    code, _, sentence = outcome(place / "run")
    assert code == 2 and ("No space left" in sentence or "replay needs" in sentence), sentence
    store = CheckpointStore(place / "run/checkpoints")
    saved = store.numbers()
    for number in saved:
        store.load(number)
    assert subprocess.run(["mount", "-o", "remount,size=9m", str(place)]).returncode == 0
    code, output, sentence = outcome(place / "run")
    assert code == 0, sentence
    assert ("resumed  " in output) == bool(saved)


def test_a_read_only_directory(small_disk):
    place, mount = small_disk
    assert mount("size=9m,ro") == 0
    code, _, sentence = outcome(place / "run")
    assert code == 2 and "Read-only file system" in sentence and "--base_dir" in sentence
