"""Whatever a file of a run directory holds, reading it ends in a result or in a clean error."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files
from dreamer_tf.scores import score_files
from dreamer_tf.storage.checkpoints import (
    Checkpoint,
    CheckpointStore,
    DamagedCheckpoint,
)
from dreamer_tf.storage.files import fingerprint
from tests.reliability.fuzzing import small_replay

CASES = settings(max_examples=300, deadline=None)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
SCORE = score_files.Score(1, 2.0, "A", "eval", "Pong", 0, 400, 3, "machado2018", "ff").record()


@CASES
@given(st.binary(max_size=300))
def test_score_file_of_any_bytes(data):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "scores.json")
        path.write_bytes(data)
        try:
            assert isinstance(score_files.read(path), list)
        except UserError as error:
            assert "is not a score file" in error.sentence


@CASES
@given(st.dictionaries(st.sampled_from(sorted(SCORE)), VALUES))
def test_score_file_of_any_values(changed):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "scores.json")
        path.write_text(json.dumps([SCORE | changed]))
        try:
            [score] = score_files.read(path)
            assert isinstance(score.value, float) and isinstance(score.iteration, int)
        except UserError as error:
            assert "is not a score file" in error.sentence


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = CheckpointStore(tmp_path_factory.mktemp("checkpoints"))
    store.save(1, Checkpoint({"w": np.arange(3.0)}, {"agent": {"steps": 1}}))
    return store


@pytest.mark.parametrize("name", ["manifest.json", "state.json", "arrays.npz"])
def test_checkpoint_of_any_bytes(store, name):
    path = store.path(1) / name
    good = path.read_bytes()

    @CASES
    @given(st.binary(max_size=300) | st.builds(lambda n: good[:n], st.integers(0, len(good) - 1)))
    def read(data):
        path.write_bytes(data)
        with pytest.raises(DamagedCheckpoint):
            store.load(1)

    read()
    path.write_bytes(good)
    np.testing.assert_array_equal(store.load(1).arrays["w"], np.arange(3.0))


@pytest.mark.parametrize("name", ["state.json", "arrays.npz"])
def test_checkpoint_with_a_matching_manifest(store, name):
    """Somebody who can write the file can write its checksum too."""
    path, manifest = store.path(1) / name, store.path(1) / "manifest.json"
    good = path.read_bytes(), manifest.read_bytes()

    @CASES
    @given(st.binary(max_size=300))
    def read(data):
        path.write_bytes(data)
        facts = json.loads(good[1])
        facts["files"][name] = fingerprint(path)
        manifest.write_text(json.dumps(facts))
        with contextlib.suppress(DamagedCheckpoint):
            store.load(1)

    read()
    path.write_bytes(good[0])
    manifest.write_bytes(good[1])


@CASES
@given(VALUES | st.fixed_dictionaries({"seed": VALUES, "bindings": VALUES}))
def test_run_file_of_any_values(value):
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, gin_files.RUN_FILE).write_text(json.dumps(value))
        Path(directory, "checkpoints/ckpt-000001").mkdir(parents=True)
        with contextlib.suppress(UserError):
            gin_files.check(directory, 0)


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    replay = small_replay(tmp_path_factory.mktemp("replay"))
    replay.sample()
    return replay


@CASES
@given(st.data())
def test_replay_index_of_any_values(replay, data):
    """A state that does not fit is refused, or gives batches of the right shape."""
    good = replay.state()
    key = data.draw(st.sampled_from(sorted(good)))
    changed = good | {key: data.draw(VALUES)}
    try:
        replay.restore(changed)
        assert replay.sample().reward.shape == (2, 4)
    except UserError as error:
        assert "replay" in error.sentence
    finally:
        replay.restore(good)


def fuzz(inputs, directory):
    """Runs `fuzzing.py`, in a process because it watches every write of its process for ever."""
    command = [sys.executable, "-m", "tests.reliability.fuzzing", f"--inputs={inputs}"]
    seed = int.from_bytes(os.urandom(4), "little")
    done = subprocess.run(
        [*command, f"--seed={seed}", f"--directory={directory}"], capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert not found["findings"], "\n".join([f"seed {seed}", *found["findings"]])
    assert done.returncode == 0
    return found["counts"]


@pytest.mark.ci
def test_no_parser_is_led_astray_by_some_thousand_inputs(tmp_path):
    """Every parser must both accept and refuse, or its inputs would be too dull or too wild."""
    counts = fuzz(7000, tmp_path)
    parsers = {name.partition(":")[0] for name in counts}
    assert len(parsers) == 7
    for name in parsers:
        # One of a hundred run files is accepted, so of a thousand at times only a few.
        assert counts[f"{name}: result"] > 0 and counts[f"{name}: clean error"] > 100, counts


@pytest.mark.chaos
@pytest.mark.timeout(4 * 3600)
def test_no_parser_is_led_astray_by_a_million_inputs(tmp_path):
    counts = fuzz(1_000_000, tmp_path)
    print(json.dumps(counts, indent=1, sort_keys=True))
