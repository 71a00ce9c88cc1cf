"""Crafter speaks Gymnasium's language."""

import types

import numpy as np
import pytest

from dreamer_tf.environments import crafter as module
from dreamer_tf.environments.crafter import Crafter
from dreamer_tf.environments.gym import GymEnvironment
from dreamer_tf.environments.interface import numbers_of
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


def test_achievements_are_numbers_of_the_episode(original):
    environment = GymEnvironment(Crafter())
    assert len(environment.episode_info) == 22
    environment.reset(seed=7)
    numbers = [numbers_of(environment.step(0)[-1], environment.episode_info) for _ in range(4)]
    unlocked = dict(zip(environment.episode_info, np.transpose(numbers), strict=True))
    # The first wood comes with the second step; more of it counts once.
    assert unlocked.pop("collect_wood").tolist() == [0.0, 1.0, 1.0, 1.0]
    assert not np.any(list(unlocked.values()))


def test_creatures_are_drawn_from_one_order_in_every_process(original, monkeypatch):
    """The package keeps them in sets, whose order is that of addresses in memory."""
    seen = []
    balance = "_balance_chunk"
    monkeypatch.setattr(
        packages.CrafterEnv, balance, lambda self, chunk, found: seen.append(found), raising=False
    )
    creatures = [types.SimpleNamespace(pos=np.array(place)) for place in ((3, 1), (1, 9), (1, 2))]
    world = Crafter()._environment
    for some in (creatures, creatures[::-1]):
        world._balance_chunk((0, 12, 0, 12), some)
    assert [[tuple(one.pos) for one in found] for found in seen] == [[(1, 2), (1, 9), (3, 1)]] * 2


def test_a_missing_package_is_named(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", fail)
    with pytest.raises(UserError, match=r"pip install 'dreamer_tf\[crafter\]'"):
        Crafter()
