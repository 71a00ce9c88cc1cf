"""Seconds of a page of `compare`: 55 games x 6 published agents, cold and with cached intervals.

python benchmarks/compare_page.py

Each page is made by a process of its own. Cold means that no interval is cached; the program's own
files have been read from disk before.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags
from common import report

FLAGS = flags.FLAGS
flags.DEFINE_integer("times", 3, "How often each is measured.", lower_bound=1)
flags.DEFINE_list("games", [], "As in compare; all by default.")

AGENTS = "DreamerV2,Rainbow,IQN,C51,DQN,DreamerV3"


def seconds(directory: str) -> float:
    """Seconds of one page; the intervals are cached in a directory."""
    page = os.path.join(directory, "page.html")
    command = [sys.executable, "-m", "dreamer_tf.compare", f"--baselines={AGENTS}", "--mixed"]
    started = time.perf_counter()
    subprocess.run(
        [*command, f"--games={','.join(FLAGS.games)}", f"--out={page}"],
        env=os.environ | {"XDG_CACHE_HOME": directory},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started


def main(_) -> None:
    """Measures, and prints one JSON line with medians."""
    cold, cached = [], []
    with tempfile.TemporaryDirectory() as directory:
        seconds(directory)  # reads the program's files
    for _ in range(FLAGS.times):
        with tempfile.TemporaryDirectory() as directory:
            cold.append(seconds(directory))
            cached.append(seconds(directory))
    report(
        benchmark="compare_page",
        cold_seconds=statistics.median(cold),
        cached_seconds=statistics.median(cached),
    )


if __name__ == "__main__":
    app.run(main)
