"""Several workers train one agent: they stay equal, stop together, and go on together."""

import json
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.experiment.group import Group
from dreamer_tf.experiment.phases import Ended, no_progress
from dreamer_tf.experiment.signals import Interrupted, StopRequest
from dreamer_tf.networks.workers import Workers as Members
from tests.commands.processes import assert_sentence, run
from tests.several_workers import SMALL, STRATEGY, Workers, assert_done, result, train

pytestmark = pytest.mark.timeout(900)
MORE = "Runner.num_iterations=6"
DREAM = ["--context=2", "--frames=3"]
ONE = [f"--gin_bindings={binding}" for binding in (*SMALL, "configure_devices.strategy=None")]


def in_training(base_dir):
    """Whether a run has a checkpoint, and works on what follows it."""
    path = Path(base_dir, "checkpoints", "ckpt-000001", "manifest.json")
    return path.exists() and path.stat().st_mtime < time.time() - 0.2


def test_a_run_of_two_workers_repeats_and_is_refused_to_another_number(tmp_path):
    with train(tmp_path) as workers:
        assert_done(workers)
        chief, _ = workers.outputs()
    assert "worker 0 of 2" in chief and "2, each with 2 of 4 sequences" in chief, chief
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    train_scores = [score for score in scores if score["Phase"] == "train"]
    assert [score["Frames"] for score in train_scores] == [84, 168]  # of both, whole episodes
    assert sum(score["Episodes"] for score in train_scores) * 7 == 168
    assert {score["Workers"] for score in scores} == {2}
    rows = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").open()]
    assert sum(row["length"] for row in rows if row["phase"] == "train") == 168
    assert not (tmp_path / "run" / "workers" / "1" / "episodes.jsonl").exists()
    alone = run(tmp_path, "train", "--base_dir=run", "--gin_files=catch.gin", *ONE)
    assert_sentence(alone, "a group of 2 workers", "there is 1 worker")
    policy = run(tmp_path, "dream", "--base_dir=run", "--actions=replay", "--out=dream.gif", *DREAM)
    assert policy.returncode == 0, policy.stderr
    with train(tmp_path, "DreamerV2Agent.overlap=False", base_dir="again") as workers:
        assert_done(workers)
    assert result(tmp_path / "again") == result(tmp_path / "run")


@pytest.mark.ci
def test_each_worker_may_have_several_environments(tmp_path):
    bindings = ("DreamerRunner.num_environments=2", "Learner.policy_device='/CPU:0'")
    for base_dir in ("run", "again"):
        with train(tmp_path, *bindings, base_dir=base_dir) as workers:
            assert_done(workers)
    rows = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").open()]
    lengths = [row["length"] for row in rows if row["phase"] == "train"]
    assert set(lengths) == {7} and sum(lengths) >= 160  # of both, whole episodes
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert max(score["Frames"] for score in scores) == sum(lengths)
    assert result(tmp_path / "again") == result(tmp_path / "run")


@pytest.mark.ci
def test_all_stop_when_one_is_asked_to(tmp_path):
    with train(tmp_path, MORE) as workers:
        workers.wait_for(lambda: in_training(tmp_path / "run"))
        workers.processes[1].send_signal(signal.SIGTERM)
        assert_done(workers, 75, 75)
        assert all("Stopped and saved at" in text for text in workers.outputs())
    with train(tmp_path, MORE) as workers:
        assert_done(workers)
        assert all("resumed         at" in text for text in workers.outputs()), workers.outputs()
    assert len(json.loads((tmp_path / "run" / "scores.json").read_text())) == 12


@pytest.mark.ci
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_group_and_the_restarted_one_ends_the_same(tmp_path, victim):
    with train(tmp_path, MORE, base_dir="whole") as workers:
        assert_done(workers)
    with train(tmp_path, MORE) as workers:
        workers.wait_for(lambda: in_training(tmp_path / "run"))
        workers.processes[victim].kill()
        started = time.monotonic()
        codes = workers.end()
        assert time.monotonic() - started < 60
        assert codes[victim] == -signal.SIGKILL and codes[1 - victim] == 75, workers.outputs()
        assert "Another worker is gone" in workers.outputs()[1 - victim]
    with train(tmp_path, MORE) as workers:
        assert_done(workers)
    assert result(tmp_path / "run") == result(tmp_path / "whole")


def test_without_a_cluster_a_sentence_says_what_to_set(tmp_path, monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    flags = [f"--gin_bindings={binding}" for binding in (*SMALL, STRATEGY)]
    found = run(tmp_path, "train", "--base_dir=run", "--gin_files=catch.gin", *flags)
    assert_sentence(found, "TF_CONFIG", "srun")


@pytest.mark.parametrize("updates", [30, pytest.param(1000, marks=pytest.mark.ci)])
def test_workers_stay_equal_bit_for_bit(tmp_path, updates):
    with Workers(tmp_path, ["tests.several_workers", "learn", str(updates)]) as workers:
        assert_done(workers)
        first, second = workers.outputs()
    assert first.startswith(f"made {updates} ") and first == second


def test_a_bad_part_of_the_batch_skips_the_update_of_all(tmp_path):
    with Workers(tmp_path, ["tests.several_workers", "skip", "1"]) as workers:
        assert_done(workers)
        for text in workers.outputs():
            assert [line for line in text.splitlines() if line.startswith("skipped")] == [
                "skipped 0.0 in a row 0",
                "skipped 1.0 in a row 1",
                "skipped 1.0 in a row 0",
            ]
    assert len(list(tmp_path.glob("diagnosis-1/*"))) == 1


class Table:
    """Where threads exchange rows, as processes do."""

    def __init__(self, count):
        self.barrier = threading.Barrier(count, timeout=20)
        self.rows = [None] * count

    def gather(self, index, row):
        self.rows[index] = row
        self.barrier.wait()
        rows = np.stack(self.rows)
        self.barrier.wait()
        return rows


class Actor:
    """One worker in a thread: an agent, a runner and their group. Meets after every second step."""

    def __init__(self, index, count, table, stops_at=None, fails_at=None):
        self.members = Members(index, count)
        self.members.gather = lambda row: table.gather(index, row)
        self.stop = StopRequest()
        self.group = Group(self.members, self.stop)
        self.group.join(self)
        self.phases = no_progress()
        self.log, self.totals, self.ended = [], [0], None
        self.stops_at, self.fails_at = stops_at, fails_at
        self.since = self.own = 0
        self.rng = random.Random(index)

    def join(self, exchange, workers):
        self.exchange = exchange

    def meet(self):
        since, self.since = self.since, 0
        steps, _ = self.exchange(since, True)
        self.totals.append(self.totals[-1] + steps)

    def step(self):
        """One step of the environment; a signal or a failure may come with it."""
        if self.stop.requested:
            raise Interrupted
        self.own += 1
        if self.own == self.stops_at:
            self.stop.asked = True
        if self.own == self.fails_at:
            raise ZeroDivisionError
        self.group.count(1)
        self.since += 1
        if self.own % 2 == 0:
            self.meet()

    def episodes(self, phase, steps):
        while phase["steps"] < steps:
            length = self.rng.randrange(1, 12)
            for _ in range(length):
                self.step()
            yield Ended(length, float(self.members.index), (length / 4, -1.0))

    def run(self):
        phase = self.phases["train"]
        self.group.begin(phase, True, self.log.append, names=("a", "b"))
        try:
            self.group.run(self.episodes(phase, 100))
        except (Interrupted, ZeroDivisionError) as error:
            self.group.leave()
            self.ended = type(error)


def act(count, **what):
    """Runs workers in threads to their end; `what` has settings of single workers."""
    table = Table(count)
    actors = [Actor(index, count, table, **what.get(f"of_{index}", {})) for index in range(count)]
    threads = [threading.Thread(target=actor.run) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not table.barrier.broken
    for actor in actors:
        assert actor.totals == actors[0].totals and actor.log == actors[0].log
        assert actor.phases["train"]["steps"] == actor.totals[-1]
        assert sum(other.own for other in actors) - actor.totals[-1] in (0, 1)
    return actors


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_phase_ends_for_all_with_the_episodes_of_all(count):
    actors = act(count)
    assert all(actor.ended is None for actor in actors)
    total = actors[0].totals[-1]
    assert 100 <= total < 100 + 12 * count and total == sum(actor.own for actor in actors)
    assert sum(ended.length for ended in actors[0].log) == total
    assert {ended.value for ended in actors[0].log} == set(range(count))
    assert all(ended.info == (ended.length / 4, -1.0) for ended in actors[0].log)


@pytest.mark.parametrize("own", [1, 2, 5, 20, 33])
@pytest.mark.parametrize("how", ["stops_at", "fails_at"])
def test_all_leave_when_one_is_asked_to_or_fails(own, how):
    actors = act(3, of_1={how: own})
    expected = ZeroDivisionError if how == "fails_at" else Interrupted
    assert [actor.ended for actor in actors] == [Interrupted, expected, Interrupted]
    assert all(actor.stop.requested for actor in actors) and actors[0].totals[-1] < 110


def test_a_signal_alone_stops_only_a_single_process():
    stops = [StopRequest() for _ in range(2)]
    for stop, members in zip(stops, (Members(), Members(0, 2)), strict=True):
        Group(members, stop)
        stop._handle(signal.SIGTERM, None)
        assert stop.asked
    assert [stop.requested for stop in stops] == [True, False]
