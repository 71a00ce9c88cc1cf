"""Sweeps on Ray that are stopped, killed and started again end with the runs of undisturbed ones.

The tests of `.ci/run` do each of it once. `make chaos-sweep` kills 20 times: training processes,
workers of Ray, a node, and the sweep itself.
"""

import json
import os
import random
import signal
import subprocess
import time

import pytest

from dreamer_tf.storage.checkpoints import CheckpointStore
from dreamer_tf.sweeps import states
from tests import several_workers
from tests.helpers import TINY
from tests.sweeps.processes import ask, logs, start, trainings, wait_for

ITERATIONS, TRAINING_STEPS, EPISODE = 3, 60, 20
BINDINGS = [
    f"--gin_bindings={binding}"
    for binding in (
        *TINY,
        f"Runner.num_iterations={ITERATIONS}",
        f"Runner.training_steps={TRAINING_STEPS}",
    )
]
SWEEP = ["--configs=atari.gin", "--name=chaos"]
SCRATCH = "--scratch=node"


def begun(directory):
    """Both trainings of a sweep of two, once they have come to their first step."""
    processes = trainings(directory)
    texts = [path.read_text().rpartition("\n# ")[2] for path in logs(directory)]
    return len(processes) == 2 and all("random start" in text for text in texts) and processes


def by_hand(directory):
    """The same runs, one after the other, with the flags that the sweep has written down."""
    (directory / "by_hand").mkdir()
    for path in logs(directory):
        [first, *_] = [line for line in path.read_text().splitlines() if line[:2] == "# "]
        subprocess.run(
            first.partition(": ")[2].replace(SCRATCH, ""),
            shell=True,
            check=True,
            cwd=directory / "by_hand",
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
        )


def assert_same_scores(directory, count, iterations=ITERATIONS):
    ours = sorted(directory.glob("runs/*/*/*/scores.json"))
    assert len(ours) == count
    for path in ours:
        other = directory / "by_hand" / path.relative_to(directory)
        assert path.read_bytes() == other.read_bytes(), path
        assert len(json.loads(path.read_text())) == 2 * iterations


def repeated(base_dir):
    """Agent steps of finished episodes that a run has made since its newest checkpoint."""
    store = CheckpointStore(base_dir / "checkpoints")
    numbers = store.numbers()
    saved = store.state(numbers[-1])["agent"]["agent_steps"] if numbers else 0
    rows = states.newest(base_dir)
    return max(0, rows[-1].step - saved) if rows else 0


@pytest.mark.ci
@pytest.mark.timeout(1200)
def test_a_run_that_always_fails_is_named_and_the_others_finish(tmp_path):
    (tmp_path / "crash.py").write_text(
        "import sys\nif '--seed=1' in sys.argv:\n    print('the disk is on fire')\n"
        "    raise SystemExit(3)\n"
    )
    flags = ["--seeds=0-1", "--import=crash", "--retries=1", "--cpus=2", *BINDINGS]
    process = start(tmp_path, *SWEEP, *flags, "--gin_bindings=Runner.num_iterations=1")
    assert process.wait(timeout=600) == 1
    text = (tmp_path / "sweep.log").read_text()
    assert "2 runs: 1 done, 1 failed" in text, text
    assert "/Pong/1: the disk is on fire" in text.partition("failed: ")[2]
    [_, failed] = logs(tmp_path)
    assert failed.read_text().count("the disk is on fire") == 2  # it was tried again once


@pytest.mark.ci
@pytest.mark.timeout(1800)
def test_stopped_and_killed_sweeps_end_with_the_same_runs(tmp_path):
    flags = ["--seeds=0-1", "--cpus=2", SCRATCH, *BINDINGS]
    process = start(tmp_path, *SWEEP, *flags)
    killed = wait_for(lambda: begun(tmp_path))
    # The same command at once says so, and changes nothing.
    second = ask(tmp_path, *SWEEP, *flags)
    assert second.returncode == 2 and "is running already" in second.stderr
    assert "running" in ask(tmp_path, "--status").stdout
    os.kill(killed[0][0], signal.SIGKILL)  # a training
    os.kill(killed[1][1], signal.SIGKILL)  # a worker of Ray
    wait_for(lambda: not {pid for pid, *_ in killed} & {pid for pid, *_ in trainings(tmp_path)})
    wait_for(lambda: len(trainings(tmp_path)) == 2)
    process.kill()  # the sweep itself
    process.wait()
    wait_for(lambda: not trainings(tmp_path))
    process = start(tmp_path, *SWEEP, *flags)
    assert process.wait(timeout=600) == 0, (tmp_path / "sweep.log").read_text()
    by_hand(tmp_path)
    assert_same_scores(tmp_path, 2)
    # Longer runs, and Ctrl-C: every run saves, and the same command goes on.
    longer = [*flags, f"--gin_bindings=Runner.num_iterations={ITERATIONS + 50}"]
    process = start(tmp_path, *SWEEP, *longer)
    wait_for(lambda: begun(tmp_path))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=300) == 75, (tmp_path / "sweep.log").read_text()
    assert not trainings(tmp_path)
    assert "2 runs: 2 saved" in (tmp_path / "sweep.log").read_text()
    assert all("Stopped and saved at" in path.read_text() for path in logs(tmp_path))
    process = start(tmp_path, *SWEEP, *longer)
    wait_for(lambda: begun(tmp_path))
    assert ask(tmp_path, "--stop").returncode == 0
    assert process.wait(timeout=300) == 75


class Chaos:
    """Kills parts of a sweep on three raylets."""

    def __init__(self, directory, flags):
        from ray.cluster_utils import Cluster

        self.directory = directory
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]
        self.flags = [*flags, f"--address={self.cluster.address}"]
        self.sweep = start(directory, *self.flags)
        self.most_repeated = 0

    def victim(self):
        """A training that has begun, with its worker; None when the sweep has ended."""

        def found():
            if self.sweep.poll() is not None:
                return "ended"
            running = []
            for process in trainings(self.directory):
                log = [path for path in logs(self.directory) if process[3] in str(path)]
                if log and "random start" in log[0].read_text().rpartition("\n# ")[2]:
                    running.append(process)
            return running

        running = wait_for(found, 600)
        return None if running == "ended" else random.choice(running)

    def kill(self, kind):
        """Kills one part, and looks at what its runs lose; False where nothing was running."""
        before = trainings(self.directory)
        if kind == "node":
            node = self.nodes.pop(0)
            self.cluster.remove_node(node, allow_graceful=False)
            self.nodes.append(self.cluster.add_node(num_cpus=1))
        elif kind == "sweep":
            self.sweep.kill()
            self.sweep.wait()
            wait_for(lambda: not trainings(self.directory))
        else:
            if not before:
                return False
            process, worker, _, _ = random.choice(before)
            os.kill(process if kind == "training" else worker, signal.SIGKILL)
            wait_for(lambda: process not in {found[0] for found in trainings(self.directory)})
        for path in self.directory.glob("runs/*/*/*"):
            self.most_repeated = max(self.most_repeated, repeated(path))
        if kind == "sweep":
            self.sweep = start(self.directory, *self.flags)
        return True

    def close(self):
        self.sweep.kill()
        self.sweep.wait()
        self.cluster.shutdown()

    def survive(self, kinds):
        """Kills one part after the other while runs go on; returns what was not killed."""
        left = list(kinds)
        try:
            while left and self.victim() is not None:
                time.sleep(random.uniform(0.0, 10.0))  # before and after its first checkpoints
                if self.kill(left[-1]):
                    left.pop()
            output = self.directory / "sweep.log"
            assert self.sweep.wait(timeout=1800) == 0, output.read_text()
        finally:
            self.close()
        return left


@pytest.mark.chaos
@pytest.mark.timeout(7200)
def test_twenty_kills_on_three_raylets(tmp_path):
    """8 runs; every score file is that of the runs one after the other."""
    kinds = ["node", "sweep", "sweep", *["worker"] * 8, *["training"] * 9]
    random.shuffle(kinds)
    # As long as 20 kills need: a run that is done cannot be killed.
    longer = 4 * ITERATIONS
    flags = ["--games=Pong,Breakout", "--seeds=0-3", "--retries=20", *BINDINGS]
    flags.append(f"--gin_bindings=Runner.num_iterations={longer}")
    chaos = Chaos(tmp_path, [*SWEEP, *flags])
    left = chaos.survive(kinds)
    by_hand(tmp_path)
    assert_same_scores(tmp_path, 8, longer)
    assert not left, "the runs were over before the last kill"
    assert chaos.most_repeated <= TRAINING_STEPS + EPISODE
    print(
        f"8 runs on 3 raylets survived {len(kinds)} kills; a run and a kill repeated at most "
        f"{chaos.most_repeated} agent steps of finished episodes; an iteration has {TRAINING_STEPS}"
    )


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_runs_of_two_workers_on_three_raylets(tmp_path):
    """2 runs, one at a time on two of the three; every worker ends as one that nobody killed."""
    kinds = ["node", "worker", "training", "node", "worker", "training"]
    more = "Runner.num_iterations=20"
    bindings = [f"--gin_bindings={binding}" for binding in (*several_workers.SMALL, more)]
    flags = ["--configs=catch.gin", "--name=chaos", "--seeds=0-1", "--workers_per_run=2"]
    left = Chaos(tmp_path, [*flags, "--retries=20", *bindings]).survive(kinds)
    for seed in range(2):
        by_hand = tmp_path / f"by_hand-{seed}"
        with several_workers.train(tmp_path, more, base_dir=by_hand, seed=seed) as workers:
            several_workers.assert_done(workers)
        [found] = tmp_path.glob(f"runs/*/Catch/{seed}")
        assert several_workers.result(found) == several_workers.result(by_hand)
    assert not left, "the runs were over before the last kill"
