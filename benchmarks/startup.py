"""Seconds until the program answers: an import, the help, an error that needs no TensorFlow.

python benchmarks/startup.py

Each is a process of its own, and the first of them, which reads the files from disk, is not
counted.
"""

import statistics
import subprocess
import sys
import time

from absl import app, flags
from common import report

FLAGS = flags.FLAGS
flags.DEFINE_integer("times", 5, "How often each is measured.", lower_bound=1)

TRAIN = ["-m", "dreamer_tf.train"]
CALLS = {
    "import": ["-c", "import dreamer_tf"],
    "help": [*TRAIN, "--help"],
    "error": [*TRAIN, "--gin_files=no_such_file.gin"],
}


def seconds(arguments: list[str]) -> float:
    """Seconds of one process of Python."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True)
    return time.perf_counter() - started


def main(_) -> None:
    """Measures, and prints one JSON line with medians."""
    found = {}
    for name, arguments in CALLS.items():
        seconds(arguments)
        times = [seconds(arguments) for _ in range(FLAGS.times)]
        found[f"{name}_seconds"] = statistics.median(times)
    report(benchmark="startup", **found)


if __name__ == "__main__":
    app.run(main)
