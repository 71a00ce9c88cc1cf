"""`make learn`: the quick tasks, trained by the command, must reach their returns."""

import os
import subprocess
import sys
import time

import pytest

from dreamer_tf.scores import score_files


@pytest.mark.learn
@pytest.mark.timeout(5400)
@pytest.mark.parametrize(
    ("config", "target", "episodes", "frames"),
    [
        ("catch", 0.9, 100, 50_000),
        ("cartpole", 450.0, 20, 50_000),
        ("quickstart", 4_140.0, 5, 300_000),  # ten times random play (docs/learning.md)
    ],
)
def test_a_quick_task_reaches_its_return(tmp_path, config, target, episodes, frames):
    """The best mean return of an evaluation phase of so many episodes, within the frames.

    All of them are printed, with the time that the training took.
    """
    seed = os.environ.get("SEED", "0")
    base_dir = tmp_path / config
    command = [f"--gin_files={config}.gin", f"--base_dir={base_dir}", f"--seed={seed}"]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "dreamer_tf.train", *command], check=True)
    seconds = time.monotonic() - began
    scores = [
        score
        for score in score_files.read(base_dir / score_files.FILE)
        if score.phase == "eval" and score.episodes >= episodes and score.frames <= frames
    ]
    for score in scores:
        print(f"{config}, seed {seed}: {score.value:.2f} after {score.frames:,} frames")
    print(f"{config}, seed {seed}: {seconds / 60:.1f} minutes")
    assert scores and max(score.value for score in scores) >= target
