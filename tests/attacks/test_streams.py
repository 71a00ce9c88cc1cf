"""Signals at every time, streams that lead nowhere, places that are none."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import weakref

import numpy as np
import pytest

from dreamer_tf.agents import registry as agents
from dreamer_tf.agents.updates import NonFiniteGuard, UpdateThread
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from tests.agents.test_updates import CountingLearner
from tests.commands.processes import SMALL, assert_sentence, run
from tests.helpers import TINY, ScriptedAgent, ScriptedEnvironment

MAIN = """
import sys, time
from dreamer_tf.experiment import command_line

def main(argv):
    print("ready", flush=True)
    time.sleep(100)

command_line.run(main, resumable={resumable})
"""


@pytest.mark.parametrize(
    "number,resumable,code",
    [
        (signal.SIGINT, True, 130),
        (signal.SIGTERM, True, 75),
        (signal.SIGHUP, True, 75),
        (signal.SIGINT, False, 130),
        (signal.SIGTERM, False, 143),
    ],
)
def test_a_signal_outside_of_training_is_a_sentence(number, resumable, code):
    process = start(MAIN.format(resumable=resumable))
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert errors.strip().startswith(f"Stopped by {number.name}; nothing is lost.")
    assert ("same command again" in errors) == resumable


def test_a_hangup_is_ignored_under_nohup():
    process = start(MAIN.format(resumable=True), signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 75


LISTENING = """
import time
from dreamer_tf.experiment.signals import StopRequest
stop = StopRequest()
with stop.listening():
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.05)
print("saved", flush=True)
"""


def test_a_hangup_saves_like_sigterm_even_if_the_terminal_is_gone():
    process = start(LISTENING)
    process.stderr.close()  # the message of the handler cannot be written
    process.send_signal(signal.SIGHUP)
    assert process.stdout.read() == "saved\n" and process.wait(timeout=30) == 0


def test_a_hangup_stays_ignored_while_training():
    process = start(LISTENING, signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.3)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert output == "saved\n" and "Saving at the next agent step" in errors


def start(code, ignored=None):
    """Starts a program that says when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ignored and (lambda: signal.signal(ignored, signal.SIG_IGN)),
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_base_directory_that_is_deleted_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(agents.AGENTS, "scripted", ScriptedAgent)
    gin_files.parse(["gym.gin"], [*TINY, "dreamer_tf.create_agent.agent_name='scripted'"])
    base_dir = tmp_path / "run"

    class Deleting(ScriptedEnvironment):
        def step(self, action):
            shutil.rmtree(base_dir, ignore_errors=True)
            return super().step(action)

    runner = launch.make_runner(str(base_dir), 0, Deleting)
    with pytest.raises(UserError, match=r"base directory .*run was deleted"):
        runner.run_experiment()
    runner.close()
    assert not base_dir.exists()


@pytest.mark.parametrize("overlap", [True, False])
def test_many_due_updates_need_few_batches_at_once(overlap):
    """A train ratio of 1e-6 asked for a million batches in memory."""
    drawn, most, order = [], 0, []

    class Learner(CountingLearner):
        def update(self, batch):
            order.append(int(batch[0]))
            return super().update(batch)

    def sample():
        nonlocal most
        batch = np.full(1, len(drawn))
        drawn.append(weakref.ref(batch))
        most = max(most, sum(reference() is not None for reference in drawn))
        return batch

    learner = Learner()
    guard = NonFiniteGuard(None, 10)
    updates = UpdateThread(learner, guard, overlap, {"update": 0.0, "waiting": 0.0})
    updates.begin(100, sample)
    assert learner.policy == 0  # until all of them are finished
    assert len(drawn) == 100  # all from the replay as it is now
    found = updates.finish()
    assert [int(metrics["model_loss"]) for metrics in found] == list(range(1, 101))
    assert order == list(range(100)) and learner.policy == 100 and updates.finish() == []
    gc.collect()
    assert most <= 10
    updates.close()


SLOW = """
import sys, time
import gin

@gin.configurable
def slow_environment():
    wait()

def wait():
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(100)
"""


@pytest.mark.ci
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "during,number,code", [("import", signal.SIGINT, 130), ("constructor", signal.SIGTERM, 75)]
)
def test_a_signal_before_the_training_is_a_sentence(during, number, code, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW + ("wait()\n" if during == "import" else ""))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dreamer_tf.train", "--gin_files=gym.gin", "--import=slow"),
            "--gin_bindings=DreamerRunner.create_environment_fn = @slow_environment",
            "--base_dir=run",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.stderr.readline() != "waiting\n":
        assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in errors
    assert f"Stopped by {number.name}; nothing is lost." in errors


@pytest.mark.ci
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "redirection", ["2> /dev/full | head -n 1", "<&- >&- 2>&-"], ids=["left", "closed"]
)
def test_a_training_that_nobody_reads_is_complete(redirection, tmp_path):
    """In a locale that has no umlauts, with a directory that has some."""
    command = [sys.executable, "-m", "dreamer_tf.train", "--gin_files=gym.gin", *SMALL]
    command += ["--base_dir=läufe", "--gin_bindings=DreamerRunner.progress_bar=True"]
    quoted = " ".join(f"'{word}'" for word in command)
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {quoted} {redirection}"],
        cwd=tmp_path,
        capture_output=True,
        timeout=250,
        env=os.environ | locale,
    )
    assert result.returncode == 0, result.stderr
    base_dir = tmp_path / "läufe"
    assert (base_dir / "checkpoints/ckpt-000001/manifest.json").exists()
    assert (base_dir / "lock").read_bytes() == b""
    for path in (base_dir / "config.gin", base_dir / "run.json", base_dir / "scores.json"):
        assert b"base directory" not in path.read_bytes()


@pytest.mark.ci
def test_places_that_are_none_are_a_sentence(tmp_path):
    result = run(tmp_path, "train", "--gin_files=gym.gin", "--base_dir=gs://bucket/run")
    assert_sentence(result, "--base_dir=gs://bucket/run is a URL")
    assert_sentence(run(tmp_path, "compare", "--runs=file:///runs/*"), "--runs=file:///runs/*")
    assert not os.listdir(tmp_path)
