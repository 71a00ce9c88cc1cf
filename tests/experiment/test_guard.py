"""Environments that fail: what is told apart, restarted and cleaned up."""

import time

import numpy as np
import pytest

from dreamer_tf.experiment import guard as guard_module
from dreamer_tf.experiment.guard import EnvironmentFailure, EnvironmentGuard
from dreamer_tf.experiment.signals import Interrupted, StopRequest
from tests.helpers import ScriptedEnvironment, bind


class Closing(ScriptedEnvironment):
    closed = 0

    def close(self):
        Closing.closed += 1
        raise RuntimeError("it cannot even close")


def make_guard(create=ScriptedEnvironment, count=1, restarts=1):
    stop = StopRequest()
    guard = EnvironmentGuard(create, count, restarts, stop, "runs/a", lambda: 41)
    guard.make()
    return guard, stop


def fail():
    raise ValueError("no simulator")


def test_results_pass_and_time_is_counted():
    guard, _ = make_guard()
    assert guard.call(lambda a, b: a + b, 2, b=3) == 5
    assert guard.seconds > 0


def test_an_error_is_the_environments_and_says_where_it_happened():
    guard, _ = make_guard()
    with pytest.raises(EnvironmentFailure) as failure:
        guard.call(fail)
    text = str(failure.value)
    assert "Scripted failed at agent step 42 (ValueError: no simulator)" in text
    assert "saved in runs/a" in text


def test_a_stop_request_comes_before_the_next_call_and_before_its_errors():
    guard, stop = make_guard()
    called = []

    def stopped_by_the_signal():
        called.append(True)
        stop.asked = stop.requested = True
        fail()  # a signal to the process group reaches the environment too

    with pytest.raises(Interrupted):
        guard.call(stopped_by_the_signal)
    with pytest.raises(Interrupted):
        guard.call(stopped_by_the_signal)
    assert len(called) == 1


def test_restarts_are_counted_announced_and_end(capsys):
    guard, _ = make_guard(restarts=2)
    failure = EnvironmentFailure("it broke.")
    guard.use_restart(failure)
    assert "it broke. The environment is restarted (1 restart left)." in capsys.readouterr().err
    guard.use_restart(failure)
    assert "(0 restarts left)" in capsys.readouterr().err
    with pytest.raises(EnvironmentFailure, match="it broke"):
        guard.use_restart(failure)


def test_a_restart_replaces_the_environment_even_if_the_old_one_cannot_close():
    guard, _ = make_guard(Closing)
    before = guard.single
    guard.restart()
    assert Closing.closed == 1 and guard.single is not before


class HangingClose(ScriptedEnvironment):
    def close(self):
        while True:
            time.sleep(0.1)


@pytest.mark.timeout(60)
def test_a_restart_does_not_wait_for_an_environment_that_hangs_in_close(monkeypatch):
    monkeypatch.setattr("dreamer_tf.experiment.guard.GRACE", 0.1)
    guard, _ = make_guard(HangingClose)
    before = guard.single
    guard.restart()
    assert guard.single is not before


def test_an_environment_that_cannot_be_restarted_is_a_failure():
    attempts = iter([ScriptedEnvironment, fail])
    guard, _ = make_guard(lambda: next(attempts)())
    with pytest.raises(EnvironmentFailure, match="no simulator"):
        guard.restart()


def test_several_environments_are_made_and_closed_together():
    bind("create_vector_environment.asynchronous=False")
    guard, _ = make_guard(count=2)
    assert guard.vector is None
    guard.make_vector()
    assert guard.vector.num_envs == 2
    guard.close_vector()
    guard.close_vector()  # closing twice is harmless
    assert guard.vector is None
    single, _ = make_guard(count=1)
    single.make_vector()
    assert single.vector is None


def test_the_environment_is_closed_with_the_run_unless_somebody_else_has_made_it():
    guard, _ = make_guard(Closing)
    before = Closing.closed
    guard.close(keep_single=True)
    assert Closing.closed == before
    guard.close()
    assert Closing.closed == before + 1


class Answers(ScriptedEnvironment):
    """Returns what a test wants."""

    observation, info = None, {}

    def reset(self, seed=None):
        return super().reset(seed) if self.observation is None else self.observation

    def step(self, action):
        observation, *rest, _ = super().step(action)
        return self.observation or observation, *rest, self.info


@pytest.mark.parametrize(
    ("observation", "info", "words"),
    [
        ({"other": 1}, {}, "the observation 'vector' is missing"),
        ({"vector": np.zeros(2)}, {}, r"shape \(2,\), not \(3,\)"),
        (None, None, "its info is None, not a dict"),
    ],
)
def test_outside_of_a_training_answers_are_checked_too(observation, info, words):
    environment = Answers()
    assert guard_module.step(environment, 0)[1] == 0.5
    environment.observation, environment.info = observation, info
    with pytest.raises(EnvironmentFailure, match=words):
        guard_module.step(environment, 0)
    if observation is not None:
        with pytest.raises(EnvironmentFailure, match=words):
            guard_module.reset(environment, 0)
