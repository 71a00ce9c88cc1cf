"""A sweep from its start to its exit code, with a simple engine in the place of Ray."""

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage.lease import Lease
from dreamer_tf.sweeps import driver, home
from dreamer_tf.sweeps.engine import Resources
from dreamer_tf.sweeps.home import Outcome
from tests.sweeps.conftest import leave


class Simple:
    """Ends every job at once, as a script says."""

    def __init__(self, script):
        self.script = script
        self.jobs = []
        self.closed = False

    def run(self, jobs, retries, stopping, ended, watch):
        for job in jobs:
            if stopping():
                continue
            self.jobs.append(job)
            outcome = self.script(job)
            if not outcome.busy:
                os.makedirs(os.path.dirname(job.log), exist_ok=True)
                home.write_outcome(job.log, outcome)
            ended(job, outcome, outcome.code == 3)
            watch()

    def close(self):
        self.closed = True


def complete(job):
    leave(Path(job.base_dir), 2)
    return Outcome(0)


@pytest.fixture
def engine(monkeypatch):
    engines = []

    def make(script):
        monkeypatch.setattr(
            driver, "Engine", lambda resources: engines.append(Simple(script)) or engines[-1]
        )
        return engines

    return make


def test_a_sweep_ends_with_zero_when_every_run_is_done(sweep, engine, capsys):
    engines = engine(complete)
    assert driver.run(sweep, Resources(cpus_per_run=2.0), 2) == 0
    [used] = engines
    assert used.closed and [job.base_dir for job in used.jobs] == [
        run.base_dir for run in sweep.runs
    ]
    job = used.jobs[0]
    assert job.arguments[:2] == (
        "--gin_bindings=configure_devices.cpu_threads=2",
        "--base_dir=runs/atari_small/Pong/0",
    )
    assert (job.directory, job.threads) == (os.getcwd(), 2)
    assert "4 runs: 4 done" in capsys.readouterr().out


def test_the_same_command_does_only_what_is_missing(sweep, engine, capsys):
    for run in sweep.runs[:3]:
        leave(Path(run.base_dir), 2)
    engines = engine(complete)
    assert driver.run(sweep, Resources(), 2) == 0
    assert [job.base_dir for job in engines[0].jobs] == [sweep.runs[3].base_dir]
    assert driver.run(sweep, Resources(), 2) == 0
    assert len(engines) == 1  # there was nothing to do, so Ray was not started


def test_a_run_that_fails_is_named_and_the_others_finish(sweep, engine, capsys):
    def script(job):
        if job.base_dir.endswith("Pong/1"):
            return Outcome(2, "train.py: the configuration is wrong.")
        return complete(job)

    engine(script)
    assert driver.run(sweep, Resources(), 2) == driver.SOME_FAILED
    out = capsys.readouterr().out
    assert "4 runs: 3 done, 1 failed" in out
    assert "failed: runs/atari_small/Pong/1: train.py: the configuration is wrong." in out


def test_a_failure_is_tried_again_by_the_next_command(sweep, engine):
    engine(lambda job: Outcome(2, "wrong"))
    assert driver.run(sweep, Resources(), 2) == driver.SOME_FAILED
    engine(complete)
    assert driver.run(sweep, Resources(), 2) == 0


def test_a_run_that_is_started_again_has_not_failed(sweep, engine, capsys):
    engine(lambda job: Outcome(3, "it burns"))
    assert driver.run(sweep, Resources(), 2) == driver.AGAIN
    out = capsys.readouterr().out
    assert "it burns; it is started again" in out and "4 runs: 4 missing" in out


def test_a_run_of_somebody_else_leaves_something_to_do(sweep, engine, capsys):
    def script(job):
        busy = job.base_dir.endswith("Alien/0")
        return Outcome(75, "It is run by process 3 on a.", busy=True) if busy else complete(job)

    engine(script)
    assert driver.run(sweep, Resources(), 2) == driver.AGAIN
    out = capsys.readouterr().out
    assert "runs/atari_small/Alien/0: It is run by process 3" in out and "is left" in out


def test_the_first_signal_asks_every_run_to_save(sweep, engine, capsys):
    def script(job):
        os.kill(os.getpid(), signal.SIGINT)
        assert sweep.home.stop_file.exists()
        return Outcome(75)

    handler = signal.getsignal(signal.SIGINT)
    engines = engine(script)
    assert driver.run(sweep, Resources(), 2) == driver.AGAIN
    assert len(engines[0].jobs) == 1 and engines[0].closed
    assert signal.getsignal(signal.SIGINT) is handler
    engine(complete)
    assert driver.run(sweep, Resources(), 2) == 0
    assert not sweep.home.stop_file.exists()


def test_a_second_command_changes_nothing(sweep, engine):
    engines = engine(complete)
    with sweep.home.lock():
        with pytest.raises(UserError, match="is running already"):
            driver.run(sweep, Resources(), 2)
        assert not engines and not Path(sweep.runs[0].base_dir).exists()


def test_stop_asks_and_waits_until_nothing_runs(sweep, monkeypatch, capsys):
    assert driver.stop(sweep) == 0
    assert "is not running" in capsys.readouterr().out and not sweep.home.stop_file.exists()
    base_dir = Path(sweep.runs[0].base_dir)
    leave(base_dir, 1)
    sweep.home.directory.mkdir(parents=True)
    owner = Lease(base_dir)

    def sleep(seconds):
        assert sweep.home.stop_file.exists()
        owner.close()

    monkeypatch.setattr(driver.time, "sleep", sleep)
    assert driver.stop(sweep) == 0
    assert "4 runs: 1 saved, 3 missing" in capsys.readouterr().out


def test_stop_reaches_jobs_that_wait(sweep, capsys):
    """Nothing runs yet, and the command said so and did nothing. The jobs started later."""
    sweep.home.directory.mkdir(parents=True)
    (sweep.home.directory / "slurm.json").write_text(json.dumps({sweep.runs[0].base_dir: "77_0"}))
    assert driver.stop(sweep) == 0
    assert sweep.home.stop_file.exists()
    assert "jobs that wait will end" in capsys.readouterr().out


def test_status_and_plan_say_what_is_left(sweep, capsys):
    leave(Path(sweep.runs[0].base_dir), 1)
    assert driver.dry_run(sweep) == driver.status(sweep) == 0
    out = capsys.readouterr().out
    assert "70,000 agent steps are left" in out and "10,000 of 20,000" in out
    home_log = sweep.home.log(sweep.runs[1])
    os.makedirs(os.path.dirname(home_log))
    home.write_outcome(home_log, Outcome(2, "wrong"))
    assert driver.status(sweep) == driver.SOME_FAILED


def test_a_file_system_that_fails_for_a_moment_ends_nothing(sweep, engine, monkeypatch):
    looks = []

    def look(self, runs, real=driver.Watcher.look):
        looks.append(len(looks))
        if len(looks) == 2:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(self, runs)

    monkeypatch.setattr(driver, "_SHOW", 0.0)
    monkeypatch.setattr(driver.Watcher, "look", look)
    engine(complete)
    assert driver.run(sweep, Resources(), 2) == 0 and len(looks) > 3
