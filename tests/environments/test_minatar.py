"""MinAtar begins anew with a seed."""

import types

import gymnasium

from dreamer_tf.environments.minatar import FreshStart, is_minatar


class Game(gymnasium.Env):
    """What MinAtar's adapter is: it keeps the last action."""

    def __init__(self):
        self.game = types.SimpleNamespace(last_action=0)

    def reset(self, *, seed=None, options=None):
        return self.game.last_action, {}

    def step(self, action):
        self.game.last_action = action
        return action, 0.0, False, False, {}


def test_a_seed_forgets_the_last_action_and_other_resets_keep_it():
    environment = FreshStart(Game())
    environment.step(3)
    assert environment.reset()[0] == 3  # as in the package
    assert environment.reset(seed=1)[0] == 0 and environment.reset()[0] == 0


def test_only_its_own_environments_are_of_the_package():
    assert not is_minatar(Game())
    assert is_minatar(type("Other", (Game,), {"__module__": "minatar.gym"})())
