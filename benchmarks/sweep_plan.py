"""Seconds of `sweep --dry_run` and `sweep --status` for 55 games x 5 seeds.

python benchmarks/sweep_plan.py

Half of the runs have directories, as complete runs leave them, without their arrays. Prints one
JSON line.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dreamer_tf.scores.score_files import Score
from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore
from dreamer_tf.sweeps import plan

FLAGS = ["--configs=atari.gin", "--games=@atari55", "--seeds=0-4"]
TIMES = 3


def fill(base_dir: str, iterations: int) -> None:
    """A checkpoint after so many iterations, with the scores of all of them."""
    scores = [
        Score(n, 1.0, "DreamerV2", phase, "Pong", 0, 10**6 * (n + 1), 5, "machado2018", "0" * 16)
        for n in range(iterations)
        for phase in ("train", "eval")
    ]
    replay = {"streams": [{"starts": list(range(2000))}], "checksums": ["0" * 64] * 1500}
    state = {
        "runner": {"iteration": iterations, "scores": scores},
        "agent": {"agent_steps": 250_000 * iterations},
        "replay": replay,
    }
    CheckpointStore(Path(base_dir, "checkpoints")).save(1, Checkpoint({}, state))


def seconds(directory: str, question: str) -> float:
    """Of one call, from the start of its process to its end."""
    command = [sys.executable, "-m", "dreamer_tf.sweep", *FLAGS, question]
    started = time.perf_counter()
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measures, and prints."""
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        runs = plan.make(plan.Request("atari.gin", ["@atari55"], "0-4"))
        for run in runs[::2]:
            os.makedirs(run.base_dir)
            fill(run.base_dir, run.iterations or 1)
        found = {
            question: [seconds(directory, f"--{question}") for _ in range(TIMES)]
            for question in ("dry_run", "status")
        }
    medians = {f"{name}_seconds": statistics.median(values) for name, values in found.items()}
    print(json.dumps({"runs": len(runs), "complete": len(runs[::2])} | medians))


if __name__ == "__main__":
    main()
