"""Seconds of a sweep next to the same runs started by hand, two at a time.

python benchmarks/sweep_overhead.py --runs=4 --steps=2000

Both take turns three times, with one thread a run, and each begins with empty directories. Prints
one JSON line with the ratio of the medians. Runs of minutes are needed: the start of Ray counts.
"""

import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("runs", 4, "Runs of one measurement.", lower_bound=2)
flags.DEFINE_integer("steps", 2_000, "Agent steps of a run.", lower_bound=1)
flags.DEFINE_integer("turns", 3, "How often both are measured.", lower_bound=1)

AT_ONCE = 2


def bindings() -> list[str]:
    """Of every run: Catch needs no game, and its episodes are short."""
    values = {
        "Runner.num_iterations": 1,
        "Runner.training_steps": FLAGS.steps,
        "DreamerRunner.progress_bar": False,
    }
    return [f"--gin_bindings={name}={value}" for name, value in values.items()]


def by_sweep(directory: str) -> float:
    """Seconds of the sweep, from its start to its end."""
    seeds = f"--seeds=0-{FLAGS.runs - 1}"
    command = [sys.executable, "-m", "dreamer_tf.sweep", "--configs=catch.gin", seeds]
    return _timed([*command, f"--cpus={AT_ONCE}", *bindings()], directory)


def by_hand(directory: str) -> float:
    """Seconds until the last of the runs has ended, two at a time."""
    command = [sys.executable, "-m", "dreamer_tf.train", "--gin_files=catch.gin", *bindings()]
    command.append("--gin_bindings=configure_devices.cpu_threads=1")
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        calls = [[*command, f"--seed={seed}"] for seed in range(FLAGS.runs)]
        list(pool.map(lambda call: _timed(call, directory), calls))
    return time.perf_counter() - started


def _timed(command: list[str], directory: str) -> float:
    started = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=directory, check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main(argv: list[str]) -> None:
    """Measures, and prints."""
    found: dict[str, list[float]] = {"sweep": [], "hand": []}
    for _ in range(FLAGS.turns):
        for name, measure in (("sweep", by_sweep), ("hand", by_hand)):
            with tempfile.TemporaryDirectory() as directory:
                found[name].append(measure(directory))
    sweep, hand = (statistics.median(found[name]) for name in ("sweep", "hand"))
    result = {"runs": FLAGS.runs, "steps": FLAGS.steps, "overhead": sweep / hand - 1}
    print(json.dumps(result | {f"{name}_seconds": values for name, values in found.items()}))


if __name__ == "__main__":
    app.run(main)
