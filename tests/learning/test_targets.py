"""`make learn`: the quick tasks, trained by the command, must reach their returns."""

import os
import subprocess
import sys
import time

import pytest

from dreamer_tf.scores import score_files
from tests.several_workers import STRATEGY, Workers

SEED = os.environ.get("SEED", "0")


@pytest.mark.learn
@pytest.mark.timeout(5400)
@pytest.mark.parametrize(
    ("config", "target", "episodes", "last"),
    [
        ("catch", 1.0, 100, 5),
        ("cartpole", 450.0, 20, 5),
        ("quickstart", 4_140.0, 5, 1),  # ten times random play (docs/results.md)
    ],
)
def test_a_quick_task_reaches_its_return_and_holds_it(tmp_path, config, target, episodes, last):
    """In each of the last evaluations, of so many episodes or more.

    All evaluations are printed, with the time that the training took.
    """
    base_dir = tmp_path / config
    command = [f"--gin_files={config}.gin", f"--base_dir={base_dir}", f"--seed={SEED}"]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "dreamer_tf.train", *command], check=True)
    found = evaluations(base_dir, config, began)
    assert len(found) > last
    for score in found[-last:]:
        assert score.episodes >= episodes and score.value >= target


@pytest.mark.learn
@pytest.mark.timeout(5400)
def test_two_workers_learn_catch_and_keep_it(tmp_path):
    """Every evaluation after 10,000 agent steps of both together has the maximum, 1."""
    bindings = (STRATEGY, "configure_devices.cpu_threads=1", "DreamerRunner.progress_bar=False")
    flags = [f"--gin_bindings={binding}" for binding in bindings]
    command = ["--gin_files=catch.gin", "--base_dir=catch", f"--seed={SEED}", *flags]
    began = time.monotonic()
    with Workers(tmp_path, ["dreamer_tf.train", *command]) as workers:
        assert workers.end(timeout=5000) == [0, 0], workers.outputs()
    found = evaluations(tmp_path / "catch", "catch with two workers", began)
    late = [score.value for score in found if score.frames > 10_000]
    assert late and min(late) == 1.0


def evaluations(base_dir, name, began):
    """The scores of the evaluations of a run, which are printed."""
    minutes = (time.monotonic() - began) / 60
    found = [
        score for score in score_files.read(base_dir / score_files.FILE) if score.phase == "eval"
    ]
    for score in found:
        print(f"{name}, seed {SEED}: {score.value:.2f} after {score.frames:,} frames")
    print(f"{name}, seed {SEED}: {minutes:.1f} minutes")
    return found
