"""200,000 steps with a tiny model: the memory of the process does not grow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import TINY

STEPS, ITERATIONS = 200_000, 20
BINDINGS = (
    *TINY,
    "create_gym_environment.id='CartPole-v1'",
    f"Runner.num_iterations={ITERATIONS}",
    f"Runner.training_steps={STEPS // ITERATIONS}",
    "Runner.max_steps_per_episode=500",
    "DreamerV2Agent.train_ratio=32",
    "DreamerV2Agent.log_every=100",
    "EpisodeReplay.capacity=20_000",  # the ring is overwritten ten times
    "EpisodeReplay.reserve=12_000",
    "DreamerRunner.dream_length=12",
    "DreamerRunner.dream_context=3",
)


def resident(process):
    """Bytes of memory that are its own, and of mapped files; None of a process that has ended."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    if "RssAnon" not in values:
        return None
    return [int(values[key].split()[0]) * 1024 for key in ("RssAnon", "RssFile")]


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_memory_is_bounded(tmp_path):
    """At most 1% more at the end than after a quarter, when the ring is full.

    The smallest of some values counts, because an evaluation needs 20 MB for a moment.
    """
    command = [sys.executable, "-m", "dreamer_tf.train", "--gin_files=gym.gin", "--seed=0"]
    command += [f"--base_dir={tmp_path}", *(f"--gin_bindings={binding}" for binding in BINDINGS)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    scores, seen = tmp_path / "scores.json", {}
    while process.poll() is None:
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            iteration = json.loads(scores.read_text())[-1]["Iteration"] if scores.exists() else 0
            if iteration and iteration not in seen and (used := resident(process)):
                seen[iteration] = used
    assert process.returncode == 0
    found = np.array([seen[iteration] for iteration in sorted(seen)]) / 1e6
    frames = json.loads(scores.read_text())[-1]["Frames"]
    for name, column in zip(("own memory", "mapped files"), found.T, strict=True):
        print(f"{name} after each iteration, MB: {', '.join(f'{mb:.1f}' for mb in column)}")
    print(f"{frames:,} agent steps")
    assert frames >= STEPS and len(found) > ITERATIONS // 2
    total = found[len(found) // 4 :].sum(1)
    assert total[-5:].min() < 1.01 * total[:5].min()
