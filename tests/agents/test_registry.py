"""Agents by their name in gin."""

import gin
import pytest

from dreamer_tf.agents import registry
from dreamer_tf.agents.registry import create_agent
from dreamer_tf.environments.interface import DopamineEnvironment
from dreamer_tf.errors import UserError
from tests.helpers import ScriptedAgent, ScriptedEnvironment


def test_the_named_agent_gets_the_spaces(monkeypatch):
    monkeypatch.setitem(registry.AGENTS, "scripted", ScriptedAgent)
    gin.bind_parameter("dreamer_tf.create_agent.agent_name", "scripted")
    agent = create_agent(DopamineEnvironment(ScriptedEnvironment()), None, 0)
    assert isinstance(agent, ScriptedAgent) and agent.num_environments == 1


@pytest.mark.parametrize("name,words", [("jax_dnq", "'jax_dqn'"), ("zzz", "dreamer_v2, jax_dqn")])
def test_an_unknown_name_is_answered_with_names_that_exist(name, words):
    gin.bind_parameter("dreamer_tf.create_agent.agent_name", name)
    with pytest.raises(UserError, match=words):
        create_agent(DopamineEnvironment(ScriptedEnvironment()), None, 0)


def test_a_class_that_is_no_agent_is_refused_before_it_is_made():
    """Its constructor failed first, and the message blamed a gin binding."""
    with pytest.raises(UserError, match=r"makes a dict, but must make an agent: derive.*Dopamine"):
        create_agent(DopamineEnvironment(ScriptedEnvironment()), None, 0, agent=dict)


def test_a_number_in_the_place_of_an_agent_is_told():
    gin.bind_parameter("dreamer_tf.create_agent.agent", 3)
    with pytest.raises(UserError, match=r"create_agent.agent is 3, but must be a function or cla"):
        create_agent(DopamineEnvironment(ScriptedEnvironment()), None, 0)
