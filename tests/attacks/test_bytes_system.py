"""What the operating system refuses is one sentence, from every command and at every place."""

import os
import resource
from pathlib import Path

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage.checkpoints import CheckpointStore
from tests.attacks.test_bytes_disk import small_disk  # noqa: F401 - a fixture
from tests.attacks.test_bytes_links import configure, scripted, train  # noqa: F401 - a fixture
from tests.commands.processes import assert_sentence, run
from tests.reliability.test_kill import BINDINGS

SHORT = ("Runner.training_steps=30", "DreamerRunner.dream_every=0")
TRAIN = ["--gin_files=atari.gin", *(f"--gin_bindings={binding}" for binding in (*BINDINGS, *SHORT))]


@pytest.mark.parametrize("name", ["checkpoints", "metrics", "metrics/json_lines", "logs"])
def test_a_file_where_a_directory_should_be(scripted, tmp_path, name):  # noqa: F811
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(UserError, match=r"--base_dir|could not be written") as error:
        train(tmp_path / "run")
    assert str(tmp_path / "run") in error.value.sentence


@pytest.mark.parametrize("name", ["lock", "run.json", "config.gin", "scores.json"])
def test_a_directory_where_a_file_should_be(scripted, tmp_path, name):  # noqa: F811
    (tmp_path / "run" / name).mkdir(parents=True)
    with pytest.raises(UserError, match=r"a directory|Is a directory") as error:
        train(tmp_path / "run")
    assert str(tmp_path / "run") in error.value.sentence


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of DreamerV2 with three checkpoints."""
    directory = tmp_path_factory.mktemp("trained")
    result = run(directory, "train", *TRAIN, "--base_dir=run")
    assert result.returncode == 0, result.stderr
    return directory


@pytest.mark.ci
def test_verify_reads_everything_and_finds_what_samples_may_miss(trained):
    result = run(trained, "train", *TRAIN, "--base_dir=run", "--verify")
    assert result.returncode == 0, result.stderr
    [line] = [line for line in result.stdout.splitlines() if line.startswith("verified")]
    steps = line.split()[3]
    assert f"the checkpoint, {steps} steps, {steps} of them compared with checksums" in line
    path = trained / "run/replay/reward.bin"
    good = path.read_bytes()
    path.write_bytes(b"\x01" + good[1:])
    result = run(trained, "train", *TRAIN, "--base_dir=run", "--verify")
    path.write_bytes(good)
    assert_sentence(result, "replay", "is damaged", "restore its files from a copy")


@pytest.mark.ci
def test_a_command_that_cannot_read_the_replay_says_which_file(trained):
    path = trained / "run/replay/reward.bin"
    path.rename(path.with_suffix(".away"))
    try:
        result = run(trained, "dream", "--base_dir=run", "--actions=replay", "--out=a.gif")
    finally:
        path.with_suffix(".away").rename(path)
    assert_sentence(result, "its replay cannot be read", "reward.bin")
    assert "None" not in result.stderr


@pytest.mark.ci
def test_a_limit_of_the_file_size(tmp_path):
    """The limit lets the logs pass and stops the checkpoint, or already the replay."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    result = run(tmp_path, "train", *TRAIN, "--base_dir=run", preexec_fn=limit)
    assert_sentence(result, "File too large", "ulimit -f")


@pytest.mark.ci
def test_a_file_system_without_inodes(small_disk):  # noqa: F811
    place, mount = small_disk
    assert mount("size=9m,nr_inodes=20") == 0
    result = run(place.parent, "train", *TRAIN, f"--base_dir={place}/run")
    assert_sentence(result, "No space left")


@pytest.mark.ci
@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed: it needs root")
def test_a_checkpoint_that_must_not_be_read(trained):
    """An older checkpoint is not taken in its place."""
    path = Path(trained, "run/checkpoints/ckpt-000003/arrays.npz")
    path.chmod(0)
    result = run(trained, "evaluate", "--base_dir=run", preexec_fn=drop_rights)
    path.chmod(0o644)
    assert_sentence(result, "arrays.npz: Permission denied")


def drop_rights():
    """Stays root, for the paths to Python, but without the right to read everything."""
    import ctypes

    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    os.setgroups([])


@pytest.mark.ci
def test_the_trained_run_is_whole(trained):
    """The tests above put everything back."""
    store = CheckpointStore(trained / "run/checkpoints")
    assert store.numbers() == [1, 2, 3] and store.load_latest()[0] == 3
