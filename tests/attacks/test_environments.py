"""Environments that leave `step` by every way there is, hang, or cannot be made."""

import json
import os
import signal
import subprocess
import sys
import time

import gin
import numpy as np
import pytest

from dreamer_tf.agents import registry as agents
from dreamer_tf.environments.process import ProcessEnvironment
from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.environments.vector import create_vector_environment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files
from dreamer_tf.experiment.guard import EnvironmentFailure, EnvironmentGuard, construct
from dreamer_tf.experiment.policy import Policy
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.experiment.signals import StopRequest
from tests.commands.processes import SMALL, assert_sentence
from tests.helpers import TINY, ScriptedAgent, ScriptedEnvironment, bind

AT = 7  # the step that fails


def local_exception():
    class Local(Exception):
        """Cannot be pickled, because nobody can import it."""

    return Local("a class of its own")


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


WAYS = {
    "SystemExit": lambda: SystemExit(0),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "GeneratorExit": lambda: GeneratorExit(),
    "StopIteration": lambda: StopIteration(),
    "Local": local_exception,
    "Unprintable": lambda: Unprintable(),
}


@gin.configurable
class Attacker(ScriptedEnvironment):
    """Fails at its seventh step: raises, hangs, or delivers an impossible number."""

    def __init__(self, way=gin.REQUIRED, where="step"):
        super().__init__(((5, "terminated"), (7, "truncated")))
        self.way, self.where, self.taken = way, where, 0
        if where == "constructor":
            raise WAYS[way]()

    def reset(self, seed=None):
        if self.where == "reset" and self.taken >= AT:
            raise WAYS[self.way]()
        return super().reset(seed)

    def step(self, action):
        self.taken += 1
        observation, reward, *rest = super().step(action)
        if self.taken == AT and self.where == "step":
            if self.way == "hang":
                # One write: several processes share this stream.
                os.write(sys.stderr.fileno(), b"hanging\n")
                while True:
                    time.sleep(0.1)
            if self.way == "reward":
                return observation, 1e39, *rest
            if self.way == "observation":
                return {"vector": observation["vector"].astype(float) * 1e39}, reward, *rest
            raise WAYS[self.way]()
        return observation, reward, *rest


class StoringAgent(ScriptedAgent):
    """Saves what a policy wants to read."""

    def save(self, checkpoint):
        super().save(checkpoint)
        checkpoint.state["replay"] = {}


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setitem(agents.AGENTS, "scripted", ScriptedAgent)
    gin_files.parse(
        ["atari.gin"],
        [
            *TINY,
            "DreamerRunner.environment_restarts=0",
            "dreamer_tf.create_agent.agent_name='scripted'",
        ],
    )


def fails(runner):
    with pytest.raises(EnvironmentFailure) as failure:
        runner.run_experiment()
    assert runner.store.numbers() == [1]  # everything before the failure is saved
    sentence = failure.value.sentence
    assert "\n" not in sentence and f"saved in {runner.base_dir}" in sentence
    return sentence


@pytest.mark.parametrize("where,step", [("step", 7), ("reset", 13)])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_out_of_an_environment_is_its_failure(way, where, step, scripted, tmp_path):
    runner = DreamerRunner(tmp_path, lambda: Attacker(way, where))
    assert fails(runner).startswith(f"Scripted failed at agent step {step} ({way}")


@pytest.mark.parametrize("way", ["reward", "observation"])
def test_a_number_that_float32_cannot_hold_is_the_environments(way, scripted, tmp_path):
    """The agents compute in float32, where it would be infinite and blame the losses."""
    sentence = fails(DreamerRunner(tmp_path, lambda: Attacker(way)))
    assert "the reward is 1e+39" in sentence or "not finite" in sentence


def test_a_step_that_hangs_ends_at_its_timeout(scripted, tmp_path):
    runner = DreamerRunner(tmp_path, lambda: Attacker("hang"), step_timeout=0.1)
    assert "no answer in DreamerRunner.step_timeout = 0.1 seconds" in fails(runner)


@pytest.mark.parametrize("way", WAYS)
def test_a_constructor_that_fails_is_a_sentence(way, request):
    # As in the commands, where only code of the environment raises KeyboardInterrupt.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(UserError) as error:
        construct(lambda: Attacker(way, "constructor"))
    assert f"cannot be made ({way}" in error.value.sentence and FACTORY in error.value.sentence


def test_a_real_ctrl_c_in_python_stays_one():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        construct(lambda: Attacker("KeyboardInterrupt", "constructor"))


@pytest.mark.parametrize("way", ["SystemExit", "GeneratorExit", "Unprintable"])
def test_an_evaluation_fails_as_well(way, scripted, tmp_path, monkeypatch):
    monkeypatch.setitem(agents.AGENTS, "scripted", StoringAgent)
    DreamerRunner(tmp_path, ScriptedEnvironment).run_experiment()
    gin_files.record(tmp_path, 0)
    policy = Policy(tmp_path, environment=Attacker(way), trust_imports=True)
    with pytest.raises(EnvironmentFailure, match=f"Scripted failed \\({way}"):
        [policy.run_episode() for _ in range(3)]


@pytest.mark.ci
@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["SystemExit", "Local"])
def test_workers_tell_every_way_out(way):
    """A class that cannot be pickled made the parent wait for ever."""
    bind(f"import {__name__}", f"{FACTORY} = @Attacker", f"Attacker.way = {way!r}")
    make = gin.query_parameter(FACTORY).scoped_configurable_fn
    vector = create_vector_environment(make, 1)
    vector.reset(seed=[0])
    with pytest.raises(RuntimeError, match=way):
        for _ in range(AT):
            vector.step(np.array([0]))
    vector.close(terminate=True)


@pytest.mark.ci
@pytest.mark.timeout(120)
def test_workers_that_hang_are_ended_at_the_timeout():
    bind(f"import {__name__}", f"{FACTORY} = @Attacker", "Attacker.way = 'hang'")
    make = gin.query_parameter(FACTORY).scoped_configurable_fn
    guard = EnvironmentGuard(make, 2, 0, StopRequest(), "runs/a", lambda: 0, step_timeout=1.0)
    guard.make()
    guard.make_vector()
    processes = guard.vector.processes
    guard.vector.reset(seed=[0, 1])
    with pytest.raises(EnvironmentFailure, match="no answer in DreamerRunner"):
        for _ in range(AT):
            guard.call(guard.vector.step, np.array([0, 0]))
    guard.close_vector()
    for process in processes:
        process.join(timeout=30)
        assert not process.is_alive()


def test_a_child_process_tells_every_way_out():
    for way in ("SystemExit", "Local"):
        child = ProcessEnvironment(f"{__name__}:Attacker", way=way)
        child.reset(0)
        with pytest.raises(RuntimeError, match=way):
            for _ in range(AT):
                child.step(0)
        child.close()


_PARENT = """
import sys, threading, time
from dreamer_tf.environments.process import ProcessEnvironment
from dreamer_tf.environments.vector import create_vector_environment
from dreamer_tf.experiment import runner
from tests.helpers import bind
import gin, numpy as np
import tests.attacks.test_environments

if __name__ == "__main__":
    child = ProcessEnvironment("tests.attacks.test_environments:Attacker", way="hang")
    bind("import tests.attacks.test_environments", "Attacker.way = 'hang'",
         "DreamerRunner.create_environment_fn = @Attacker")
    make = gin.query_parameter("DreamerRunner.create_environment_fn").scoped_configurable_fn
    vector = create_vector_environment(make, 2)
    children = [child._process.pid, *(process.pid for process in vector.processes)]
    vector.reset(seed=[0, 1])
    child.reset(0)
    def step():
        for _ in range(10):
            vector.step(np.array([0, 0]))
    threading.Thread(target=step, daemon=True).start()
    print(*children, flush=True)
    for _ in range(10):
        child.step(0)
"""


@pytest.mark.ci
@pytest.mark.timeout(120)
def test_busy_workers_die_with_a_parent_that_is_killed(tmp_path, request):
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    parent = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    request.addfinalizer(parent.kill)
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 3, parent.stderr.read()
    for _ in range(3):  # all of them hang
        while parent.stderr.readline() != "hanging\n":
            pass
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(_is_running(pid) for pid in children):
        time.sleep(0.1)
    assert not [pid for pid in children if _is_running(pid)]


def _is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def train(tmp_path, *bindings, base_dir="run", background=False):
    command = [sys.executable, "-m", "dreamer_tf.train", "--gin_files=gym.gin", *SMALL]
    command += [
        f"--import={__name__}",
        f"--base_dir={base_dir}",
        f"--gin_bindings={FACTORY} = @Attacker",
    ]
    command += ["--gin_bindings=DreamerRunner.environment_restarts = 0"]
    command += [f"--gin_bindings={binding}" for binding in bindings]
    settings = {
        "cwd": tmp_path,
        "env": os.environ | {"PYTHONPATH": os.getcwd()},
        "text": True,
    }
    if background:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)
    return subprocess.run(command, capture_output=True, timeout=200, **settings)


@pytest.mark.ci
@pytest.mark.timeout(300)
def test_sys_exit_in_a_step_is_no_success(tmp_path):
    """A cluster took exit code 0 for the end of the run."""
    result = train(tmp_path, "Attacker.way = 'SystemExit'")
    assert_sentence(result, "Scripted failed at agent step 7 (SystemExit: 0)", "saved in run")
    assert os.listdir(tmp_path / "run/checkpoints")
    bindings = ("Attacker.way = 'KeyboardInterrupt'", "Attacker.where = 'constructor'")
    result = train(tmp_path, *bindings, base_dir="other")
    assert_sentence(result, "cannot be made (KeyboardInterrupt)")


@pytest.mark.ci
@pytest.mark.timeout(300)
def test_the_first_signal_ends_a_step_that_hangs(tmp_path):
    process = train(tmp_path, "Attacker.way = 'hang'", background=True)
    while process.stderr.readline() != "hanging\n":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 75 and "Traceback" not in errors, errors
    assert "Stopped and saved at 6 agent steps" in output
    assert json.loads((tmp_path / "run/run.json").read_text())["seed"] == 0
