"""Faults of dopamine-rl that are worked around."""

import subprocess
import sys

import gin
import pytest

from dreamer_tf.agents.dopamine_compat import JAX_AGENTS, make_jax_agent
from tests.agents.dopamine_runs import parse


def make(name, **settings):
    return make_jax_agent(JAX_AGENTS[name], num_actions=3, **settings)


def test_rainbow_uses_the_priorities_that_gin_asks_for():
    """Dopamine's own constructor loses them."""
    parse("rainbow")
    settings = {"observation_shape": (20, 20)}
    assert JAX_AGENTS["jax_rainbow"](num_actions=3, **settings)._replay_scheme == "uniform"
    assert make("jax_rainbow", **settings)._replay_scheme == "prioritized"


def test_a_scheme_that_the_agent_cannot_use_is_an_error():
    parse("implicit_quantile")
    gin.bind_parameter("JaxImplicitQuantileAgent.replay_scheme", "prioritized")
    with pytest.raises(ValueError, match="must be 'uniform'"):
        make("jax_implicit_quantile", observation_shape=(20, 20))


def test_importing_dopamine_leaves_no_stand_in_behind():
    """A package `baselines` of the user's is not hidden, and standard error stays clean."""
    code = (
        "import sys; import dreamer_tf.agents.dopamine_compat; "
        "print([name for name in sys.modules if name.startswith('baselines.')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout.strip() == "[]", result.stderr
    assert "Gymnasium" not in result.stderr
