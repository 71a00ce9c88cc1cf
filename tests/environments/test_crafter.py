"""Crafter speaks Gymnasium's language."""

import pytest

from dreamer_tf.environments import crafter as module
from dreamer_tf.environments.crafter import Crafter
from dreamer_tf.environments.gym import GymEnvironment
from dreamer_tf.errors import UserError
from tests.environments import packages


@pytest.fixture
def original(monkeypatch):
    packages.pretend(monkeypatch)


def test_dying_terminates_and_the_length_truncates(original):
    environment = GymEnvironment(Crafter(length=2))
    assert environment.action_space.n == 17
    assert environment.reset(seed=7)["image"][0, 0, 0] == 7
    assert environment.step(16)[2:4] == (True, False)
    environment.reset()
    assert environment.step(0)[2:4] == (False, False) and environment.step(0)[2:4] == (False, True)


def test_a_missing_package_is_named(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", fail)
    with pytest.raises(UserError, match=r"pip install 'dreamer_tf\[crafter\]'"):
        Crafter()
