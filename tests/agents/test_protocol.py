"""The interface of agents: what must be written, and what does nothing by default."""

import numpy as np
import pytest

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.agents.registry import AGENTS
from dreamer_tf.errors import UserError
from tests.helpers import ScriptedAgent


def make(**settings):
    return ScriptedAgent(None, None, base_dir=None, seed=0, **settings)


def test_an_agent_without_the_required_methods_cannot_be_made():
    class Half(Agent):
        label = "Half"

        def begin_episode(self, observation):
            return 0

    with pytest.raises(TypeError, match="abstract"):
        Half()


def test_hooks_do_nothing_by_default():
    agent = make()
    agent.saved(set())
    agent.check_iteration(10**9)
    agent.close()
    assert agent.inspect(50, 5, 0) is None


def test_an_agent_of_one_environment_refuses_several():
    with pytest.raises(UserError, match="Scripted acts in one environment only"):
        make(num_environments=2)
    for method in ("learn", "act", "record"):
        arguments = {"learn": (), "act": ({}, np.ones(1, bool)), "record": (0, {})}[method]
        with pytest.raises(NotImplementedError, match="one environment"):
            getattr(make(), method)(*arguments)


def test_every_registered_agent_is_an_agent():
    for name, factory in AGENTS.items():
        assert issubclass(getattr(factory, "func", factory), Agent), name
