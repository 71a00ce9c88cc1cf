"""What an update of several workers costs beyond its computation.

Two workers that share a batch on one core each, against as many processes of their own with the
same part of the batch:

    python benchmarks/distribute.py --batch=50 --length=50 --size=paper
"""

import json
import os
import subprocess
import sys
import time

import numpy as np
from absl import app, flags, logging
from common import report
from learners import make_learner, random_sequences

from dreamer_tf.experiment import cluster

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch", 50, "B, sequences of all workers together.")
flags.DEFINE_integer("length", 50, "T, steps of a sequence.")
flags.DEFINE_enum("size", "paper", ["paper", "small", "tiny"], "Which model.")
flags.DEFINE_integer("workers", 2, "Processes, each on a core of its own.")
flags.DEFINE_integer("updates", 10, "Updates that are timed, after the first two.")
flags.DEFINE_integer("core", None, "Set in the processes that are started: the core of this one.")


def main(_) -> None:
    if FLAGS.core is not None:
        print(json.dumps(_median()))
        return
    apart = _processes(together=False)
    together = _processes(together=True)
    report(
        benchmark="distribute",
        size=FLAGS.size,
        batch=FLAGS.batch,
        length=FLAGS.length,
        workers=FLAGS.workers,
        seconds_apart=apart,
        seconds_together=together,
        overhead=together / apart - 1,
    )


def _median() -> float:
    """Median seconds of an update, in one of the processes."""
    # There may be fewer cores than workers, for a try.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[FLAGS.core % len(cores)]})
    from dreamer_tf.experiment.devices import configure_devices

    logging.set_verbosity(logging.ERROR)
    together = cluster.VARIABLE in os.environ
    strategy = {"strategy": cluster.STRATEGY} if together else {}
    configure_devices(gpu=None, cpu_threads=1, **strategy)
    learner = make_learner(FLAGS.size, [])
    sequences = random_sequences(FLAGS.batch // FLAGS.workers, FLAGS.length)
    seconds = []
    for _ in range(FLAGS.updates + 2):
        started = time.perf_counter()
        float(learner.update(sequences)["model_loss"])
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[2:]))


def _processes(together: bool) -> float:
    """The mean of what all processes measure, which run at the same time."""
    count = FLAGS.workers
    addresses = [f"localhost:{cluster.free_port(index, count)}" for index in range(count)]
    started = []
    for index in range(count):
        environment = {key: value for key, value in os.environ.items() if key != cluster.VARIABLE}
        if together:
            worker = cluster.Cluster(addresses, index)
            environment[cluster.VARIABLE] = cluster.to_text(worker)
        command = [sys.executable, *sys.argv, f"--core={index}"]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit("A process failed; its error is above.")
    return float(np.mean([json.loads(output.splitlines()[-1]) for output in outputs]))


if __name__ == "__main__":
    app.run(main)
