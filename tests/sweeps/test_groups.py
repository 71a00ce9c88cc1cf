"""A run of several workers in a sweep: where they are, and how the run ended."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import cluster
from dreamer_tf.sweeps import engine, groups, home, worker
from dreamer_tf.sweeps.engine import Resources
from dreamer_tf.sweeps.home import Outcome
from dreamer_tf.sweeps.worker import Job
from tests.commands.processes import assert_sentence
from tests.several_workers import SMALL, assert_done, result, train
from tests.sweeps.processes import ask, logs, start, trainings, wait_for

ADDRESSES = ("a:1", "b:2")
KILLED = Outcome(-9, "Killed by signal 9. x")
MISSED, BUSY = Outcome(75), Outcome(75, "Somebody has it.", busy=True)
LOST, WRONG, DONE = Outcome(75, "The node died."), Outcome(2, "--seed is wrong."), Outcome(0)


@pytest.fixture
def job(tmp_path):
    return Job("run", ("--seed=3",), "logs/a/0.log", str(tmp_path), "stop", 2)


@pytest.mark.parametrize(
    ("outcomes", "code", "sentence"),
    [
        ((DONE, DONE), 0, ""),
        ((DONE, MISSED), 75, ""),
        ((MISSED, KILLED), -9, "Worker 1: Killed by signal 9. x"),
        ((KILLED, MISSED), -9, "Killed by signal 9. x"),
        ((KILLED, MISSED, WRONG), 2, "Worker 2: --seed is wrong."),
        ((MISSED, LOST), 75, "Worker 1: The node died."),
        ((LOST, BUSY), 75, "Worker 1: Somebody has it."),
    ],
)
def test_a_run_ended_as_the_worker_that_explains_most(outcomes, code, sentence):
    found = groups.together(outcomes)
    assert (found.code, found.sentence) == (code, sentence)
    assert found.busy == (BUSY in outcomes)


def test_each_worker_knows_all_places_and_has_files_of_its_own(job):
    jobs = [groups.of_worker(job, index, ADDRESSES) for index in range(2)]
    for index, one in enumerate(jobs):
        found = cluster.find(dict(one.variables))
        assert (found.addresses, found.index) == (list(ADDRESSES), index)
        assert worker.command(one) == worker.command(job)
    assert [one.base_dir for one in jobs] == ["run", "run/workers/1"]
    assert [one.log for one in jobs] == [job.log, "logs/a/0.worker-1.log"]


def test_workers_of_one_node_take_different_ports(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", Ray())
    places = [groups.take_port(index, 3) for index in range(3)]
    assert len(set(places)) == 3 and all(place.startswith("10.0.0.1:") for place in places)
    assert [int(place.partition(":")[2]) % 3 for place in places] == [20_000 % 3, 0, 1]


class Ray:
    """The parts of Ray that are asked for the address of a node."""

    util = property(lambda self: self)

    def get_node_ip_address(self):
        return "10.0.0.1"


def test_the_others_are_ended_some_time_after_the_first_failure(job, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(groups.time, "monotonic", lambda: now[0])
    released = []
    attempt = groups.Attempt(job, ["a", "b", "c"], lambda: released.append(1))
    attempt.note("b", DONE)
    now[0] = 2 * groups.PATIENCE
    assert attempt.overdue() == []  # nothing has failed
    attempt.note("a", MISSED)
    assert attempt.overdue() == [] and attempt.outcome() is None
    now[0] = 4 * groups.PATIENCE
    assert attempt.overdue() == ["c"] and attempt.overdue() == []
    attempt.note("c", LOST)
    assert attempt.outcome().sentence == "Worker 2: The node died." and released


def test_the_outcome_of_the_run_is_written_over_that_of_its_chief(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(job.log).parent.mkdir(parents=True)
    home.write_outcome(job.log, MISSED)
    attempt = groups.Attempt(job, ["a", "b"], lambda: None)
    attempt.note("a", MISSED)
    attempt.note("b", KILLED)
    attempt.outcome()
    assert json.loads(Path(home.outcome_file(job.log)).read_text())["code"] == -9


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workers_per_run=0"], ["workers_per_run", "0"]),
        (["--workers_per_run=2", "--slurm=--time=1:00:00"], ["--workers_per_run", "srun"]),
    ],
)
def test_what_a_group_cannot_have_is_said(tmp_path, flags, words):
    assert_sentence(ask(tmp_path, "--configs=catch.gin", *flags), *words)


@pytest.mark.ci
@pytest.mark.timeout(1200)
def test_a_group_whose_worker_is_killed_goes_on_and_ends_as_by_hand(tmp_path):
    with pytest.raises(UserError, match=r"--cpus_per_run=2 with --workers_per_run=2, .* has 2 CPU"):
        engine.Engine(Resources(cpus=2, cpus_per_run=2, workers_per_run=2))
    more = "Runner.num_iterations=4"
    bindings = [f"--gin_bindings={binding}" for binding in (*SMALL, more)]
    flags = ["--configs=catch.gin", "--name=chaos", "--cpus=2", "--workers_per_run=2"]
    process = start(tmp_path, *flags, "--scratch=node", *bindings)

    def saved():
        base = next(iter(tmp_path.glob("runs/*/Catch/0")), None)
        return base and (base / "checkpoints/ckpt-000001/manifest.json").exists() and base

    base_dir = wait_for(saved)
    victim = [found for found in trainings(tmp_path) if worker_of(found[0]) == 1]
    os.kill(victim[0][0], signal.SIGKILL)
    assert process.wait(timeout=600) == 0, (tmp_path / "sweep.log").read_text()
    text = (tmp_path / "sweep.log").read_text()
    assert "Worker 1: Killed by signal 9" in text and "it is started again" in text, text
    chief, other = logs(tmp_path)
    assert "worker 0 of 2" in chief.read_text() and "worker 1 of 2" in other.read_text()
    with train(tmp_path, more, base_dir="by_hand") as workers:
        assert_done(workers)
    assert result(base_dir) == result(tmp_path / "by_hand")


def worker_of(process):
    """The number of a training process in its group."""
    variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    [found] = [line for line in variables if line.startswith(b"TF_CONFIG=")]
    return json.loads(found.partition(b"=")[2])["task"]["index"]
