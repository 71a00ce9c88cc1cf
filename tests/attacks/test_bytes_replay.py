"""The files of the replay are those that the checkpoint refers to, or the run is refused."""

import json
import logging
import shutil

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from tests.replay.replays import add_episode, make

FIELDS = ["observation.image", "observation.number", "action", "reward", "flags"]


@pytest.fixture
def stored(tmp_path):
    """A replay of 60 steps, and its state in a checkpoint."""
    replay = make(tmp_path / "replay")
    for number in range(3):
        add_episode(replay, 20, number=number)
    replay.sample()
    state = json.loads(json.dumps(replay.state()))
    replay.flush()
    replay.close()
    return tmp_path / "replay", state


def overwrite(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def refused(directory, state, *words):
    with pytest.raises(UserError) as error:
        replay = make(directory)
        try:
            replay.restore(state)
        finally:
            replay.close()
    for word in (*words, "--base_dir", "copy"):
        assert word in error.value.sentence, error.value.sentence


@pytest.mark.parametrize("name", [*FIELDS, "head"])
def test_a_missing_file_is_refused_and_not_made_anew(stored, name):
    directory, state = stored
    (directory / f"{name}.bin").unlink()
    for _ in range(2):  # the first refusal must not make what the second start then accepts
        refused(directory, state, f"lacks {name} (.bin)")
    assert not (directory / f"{name}.bin").exists()


def test_a_missing_directory_is_refused_and_stays_empty(stored):
    directory, state = stored
    shutil.rmtree(directory)
    refused(directory, state, "lacks observation.image")
    assert not list(directory.iterdir())


@pytest.mark.parametrize("size", [0, 7, 10_000])
@pytest.mark.parametrize("name", FIELDS)
def test_a_file_of_another_size_is_refused(stored, name, size):
    directory, state = stored
    (directory / f"{name}.bin").write_bytes(bytes(size))
    refused(directory, state, f"{name}.bin has {size:,} bytes")


@pytest.mark.parametrize("heads", [b"", b"\x01", np.int64(-5).tobytes(), np.int64(59).tobytes()])
def test_an_impossible_head_is_refused(stored, heads):
    directory, state = stored
    (directory / "head.bin").write_bytes(heads)
    refused(directory, state)


@pytest.mark.parametrize("old", [False, True], ids=["with checksums", "of an earlier version"])
@pytest.mark.parametrize(
    ("name", "offset", "data", "words"),
    [
        ("reward", 4 * 31, np.float32(np.nan).tobytes(), "reward of stream 0 is not finite"),
        ("reward", 0, np.full(60, np.inf, np.float32).tobytes(), "reward of stream 0"),
        ("observation.number", 8 * 7, np.float32(np.nan).tobytes(), "observation.number"),
        ("action", 4 * 12, np.int32(5).tobytes(), "an action of stream 0 is unknown"),
        ("action", 4 * 12, np.int32(-1).tobytes(), "an action of stream 0 is unknown"),
        ("flags", 3 * 12, b"\x07\x00\x00", "flags of steps 0 to 59 of stream 0 are impossible"),
        ("flags", 3 * 12, b"\x00\x00\x01", "flags"),  # terminal, but not the last step
        ("flags", 3 * 12, b"\x01\x00\x00", "flags"),  # an episode that nobody began
        ("flags", 3 * 20, b"\x00\x00\x00", "flags"),  # an episode that did not begin
        ("flags", 0, bytes(3 * 60), "flags"),
    ],
)
def test_impossible_values_are_refused(stored, name, offset, data, words, old):
    directory, state = stored
    if old:
        del state["checksums"]
    overwrite(directory / f"{name}.bin", offset, data)
    refused(directory, state, words)


@pytest.mark.parametrize(("name", "size"), [("reward", 4), ("observation.image", 16)])
@pytest.mark.parametrize("step", [0, 30, 59])
def test_possible_values_that_were_not_written_are_refused(stored, name, size, step):
    directory, state = stored
    overwrite(directory / f"{name}.bin", size * step, b"\x01")
    refused(directory, state, "steps 0 to 59 of stream 0 differ")


def test_a_run_from_before_checksums_resumes_with_a_note(stored, caplog):
    directory, state = stored
    with_them = make(directory)
    with_them.restore(state)
    before = dict(state)
    del before["checksums"]
    without = make(directory)
    with caplog.at_level(logging.WARNING):
        without.restore(before)
    assert caplog.text.count("stored without checksums") == 1
    for _ in range(5):
        np.testing.assert_array_equal(with_them.sample().reward, without.sample().reward)
    add_episode(without, 25, number=9)
    state = without.state()
    assert without.verify() == "85 steps, 85 of them compared with checksums"
    without.close()
    with_them.close()
    again = make(directory)
    again.restore(state)
    again.close()


def test_checksums_of_another_state_are_refused(stored):
    directory, state = stored
    for wrong in ({"steps": 0, "streams": []}, {"steps": 10**400, "streams": []}, [], 7):
        refused(directory, state | {"checksums": wrong}, "describes the replay")


def test_a_new_run_makes_missing_files(stored):
    """Without a checkpoint nothing refers to them."""
    directory, _ = stored
    (directory / "reward.bin").unlink()
    replay = make(directory)
    add_episode(replay, 20)
    assert (directory / "reward.bin").exists() and replay.sample().reward.shape == (8, 10)
    replay.close()
