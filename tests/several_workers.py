"""Starts several workers of one run, and what the tests do inside of them.

`python -m tests.several_workers <function> <arguments>` calls a function of this module in a
process that `TF_CONFIG` makes a worker.
"""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.helpers import TINY

ROOT = Path(__file__).resolve().parents[1]
STRATEGY = "configure_devices.strategy='multi_worker'"
# One update in every round of four steps of each worker.
SMALL = (
    *(*TINY, "EpisodeReplay.batch_size=4", "configure_devices.cpu_threads=1"),
    *("Runner.num_iterations=2", "Runner.training_steps=80", "Runner.evaluation_steps=14"),
)


def environments(count, **more):
    """Environment variables of each worker, on ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    cluster = {"worker": addresses}
    return [
        os.environ
        | more
        | {
            "TF_CONFIG": json.dumps(
                {"cluster": cluster, "task": {"type": "worker", "index": index}}
            )
        }
        for index in range(count)
    ]


class Workers:
    """Running workers. What they print is in files, so that nobody waits for a full pipe."""

    def __init__(self, directory, command, count=2, **more):
        self._outputs = []
        self.processes = []
        for index, environment in enumerate(environments(count, **more)):
            output = Path(directory, f"output-{time.monotonic_ns()}-{index}")
            self._outputs.append(output)
            with output.open("w") as file:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *command],
                        cwd=directory,
                        env=environment | {"PYTHONPATH": str(ROOT)},
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def outputs(self):
        """What each has printed, without TensorFlow's log."""
        return [
            "".join(
                line
                for line in path.read_text().splitlines(True)
                if line[1:6] != "0000 " and not line.startswith("WARNING: All log messages")
            )
            for path in self._outputs
        ]

    def end(self, timeout=300):
        """Exit codes, when all have ended."""
        until = time.monotonic() + timeout
        return [process.wait(max(0.1, until - time.monotonic())) for process in self.processes]

    def wait_for(self, condition, timeout=240):
        """Returns when a condition holds, while all workers are running."""
        until = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < until, self.outputs()
            assert all(process.poll() is None for process in self.processes), self.outputs()
            time.sleep(0.01)


def train(directory, *bindings, base_dir="run", count=2, gin_files="catch.gin", seed=0, **more):
    """Starts or resumes a tiny run."""
    flags = [f"--gin_bindings={binding}" for binding in (*SMALL, STRATEGY, *bindings)]
    flags += [f"--base_dir={base_dir}", f"--seed={seed}"]
    command = ["dreamer_tf.train", f"--gin_files={gin_files}", *flags]
    return Workers(directory, command, count, **more)


def assert_done(workers, *codes):
    """All workers end with these exit codes, 0 by default."""
    found = workers.end()
    assert found == list(codes or [0] * len(found)), workers.outputs()


def result(base_dir):
    """Weights, counters and replay of all workers, and the scores, as bytes."""
    base_dir = Path(base_dir)
    found = {"scores": (base_dir / "scores.json").read_bytes()}
    others = sorted((base_dir / "workers").iterdir())
    for index, directory in enumerate((base_dir, *others)):
        newest = max((directory / "checkpoints").glob("ckpt-*"))
        with np.load(newest / "arrays.npz") as arrays:
            found |= {f"{index}/{name}": arrays[name].tobytes() for name in arrays.files}
        state = json.loads((newest / "state.json").read_text())
        for part in (state["agent"], *state["runner"]["phases"].values()):
            part.pop("seconds")
        found[f"{index}/agent"] = state["agent"]
        found[f"{index}/replay"] = state["replay"]
    return found


def learn(updates):
    """Makes updates with data of each worker's own, and prints a hash of every variable."""
    from dreamer_tf.experiment.devices import configure_devices
    from dreamer_tf.networks import workers
    from tests.small_models import configure, make_learner, sequences

    configure_devices(gpu=None, cpu_threads=1, strategy="multi_worker")
    configure()
    learner = make_learner()
    index = workers.current().index
    for update in range(int(updates)):
        metrics = learner.update(sequences(size=2, seed=10 * update + index))
    assert learner.num_traces == 1 and np.isfinite(float(metrics["model_loss"]))
    digest = hashlib.sha256()
    for name, variable in sorted(learner.variables().items()):
        digest.update(name.encode() + variable.numpy().tobytes())
    print("made", learner.updates, digest.hexdigest())


def skip(bad):
    """Gives one worker a reward that is not a number, between two good updates."""
    from dreamer_tf.agents.updates import NonFiniteGuard
    from dreamer_tf.experiment.devices import configure_devices
    from dreamer_tf.networks import workers
    from tests.small_models import configure, make_learner, sequences

    configure_devices(gpu=None, cpu_threads=1, strategy="multi_worker")
    configure()
    index = workers.current().index
    learner, guard = make_learner(), NonFiniteGuard(f"diagnosis-{index}", 10)
    for update in range(3):
        batch = sequences(size=2, seed=10 * update + index)
        if update == 1 and index == int(bad):
            batch.reward[1] = np.nan
        metrics = {name: float(value) for name, value in learner.update(batch).items()}
        guard.check(learner.updates, batch, metrics)
        print("skipped", metrics["world_model_skipped_updates"], "in a row", guard.in_a_row)


if __name__ == "__main__":
    {known.__name__: known for known in (learn, skip)}[sys.argv[1]](*sys.argv[2:])
