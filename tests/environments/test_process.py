"""An environment in a child process: attributes, errors, and the end of the process."""

import numpy as np
import pytest

from dreamer_tf.environments.interface import Environment
from dreamer_tf.environments.process import ProcessEnvironment
from dreamer_tf.errors import UserError
from tests.helpers import ScriptedEnvironment


class Noted(ScriptedEnvironment):
    max_steps = 30
    notes = ("made for a test",)
    records = False


class Broken:
    def __init__(self):
        raise UserError("Broken.part is missing: add it.")


def test_the_parent_has_all_attributes_of_the_child():
    environment = ProcessEnvironment(f"{__name__}:Noted")
    assert isinstance(environment, Environment)
    assert (environment.name, environment.max_steps, environment.records) == ("Scripted", 30, False)
    assert environment.notes == ("made for a test",)
    environment.close()
    assert environment._process.returncode == 0


def test_steps_are_those_of_the_environment_itself():
    child, own = ProcessEnvironment("tests.helpers:ScriptedEnvironment"), ScriptedEnvironment()
    assert (child.max_steps, child.records) == (None, True)
    np.testing.assert_equal(child.reset(3), own.reset(3))
    np.testing.assert_equal(child.step(2), own.step(2))
    np.testing.assert_array_equal(child.render(), own.render())
    child.close()


def test_a_user_error_of_the_factory_keeps_its_sentence():
    with pytest.raises(UserError) as error:
        ProcessEnvironment(f"{__name__}:Broken")
    assert error.value.sentence == "Broken.part is missing: add it."


def test_a_dead_process_is_an_error_that_names_the_environment():
    environment = ProcessEnvironment("tests.helpers:ScriptedEnvironment")
    assert environment.name == "Scripted"
    environment._process.kill()
    with pytest.raises(RuntimeError, match=r"ScriptedEnvironment ended with exit code"):
        environment.reset()


def test_an_error_of_the_environment_reaches_the_parent():
    environment = ProcessEnvironment("tests.helpers:ScriptedEnvironment")
    environment.reset()
    with pytest.raises(RuntimeError, match="could not convert"):
        environment.step("left")
    environment.close()
