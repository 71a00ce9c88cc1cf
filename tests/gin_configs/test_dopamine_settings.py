"""Every gin file of Dopamine's agents has the values of Dopamine's own file of that name.

`tests/data/dopamine/settings.json` is a copy of those values.
"""

import json
from pathlib import Path

import gin
import pytest

from dreamer_tf.experiment import gin_files, launch  # noqa: F401 - registers all with gin
from tests.agents.dopamine_runs import AGENTS

DATA = Path(__file__).resolve().parents[1] / "data/dopamine/settings.json"
PUBLISHED = json.loads(DATA.read_text())["files"]

# The same setting under the name that it has here, with the value that it has here.
RENAMED = {
    "create_agent.agent_name": ("dreamer_tf.create_agent.agent_name", None),
    "atari_lib.create_atari_environment.game_name": ("AtariEnvironment.game_name", None),
    # Dopamine's sticky actions are those of Machado et al. (2018).
    "atari_lib.create_atari_environment.sticky_actions": ("AtariEnvironment.preset", "machado2018"),
}
# Settings without a counterpart: `DreamerRunner` trains and evaluates, and nothing checks arrays.
ABSENT = ("create_runner.schedule", "create_agent.debug_mode")
# Deliberate differences (docs/dopamine.md).
DIFFERENT = {"PrioritizedSamplingDistribution.max_capacity": 1_000_001}


def value(name):
    """What is bound, or the default of a class that has one."""
    try:
        return gin.query_parameter(name)
    except ValueError:
        return gin.get_bindings(name.split(".")[0]).get(name.split(".")[1], "not bound")


def test_every_file_has_its_published_values():
    assert {name.removesuffix(".gin") for name in PUBLISHED} == set(AGENTS)
    assert all(len(values) > 15 for values in PUBLISHED.values())


@pytest.mark.parametrize("name", AGENTS)
def test_the_values_are_dopamines(name):
    gin_files.parse([f"dopamine/{name}.gin"])
    published = {key: value for key, value in PUBLISHED[f"{name}.gin"].items() if key not in ABSENT}
    expected = {}
    for key, setting in published.items():
        ours, other = RENAMED.get(key, (key, None))
        expected[ours] = DIFFERENT.get(key, setting if other is None else other)
    assert {key: value(key) for key in expected} == expected


@pytest.mark.parametrize("name", AGENTS)
def test_what_a_file_adds_is_named_here(name):
    """What Dopamine's file leaves to a default may be said, but only with that default."""
    gin_files.parse([f"dopamine/{name}.gin"])
    ours = {
        key: value
        for key, value in gin_files.bindings().items()
        if key.startswith(("Jax", "create_optimizer", "ReplayBuffer"))
    }
    added = {key: value for key, value in ours.items() if key not in PUBLISHED[f"{name}.gin"]}
    defaults = {
        "JaxDQNAgent.loss_type": "'mse'",
        "JaxFullRainbowAgent.distributional": "True",
        "JaxImplicitQuantileAgent.quantile_embedding_dim": "64",
        "JaxImplicitQuantileAgent.double_dqn": "False",
        # Its constructor says 'prioritized', but its replay is always uniform.
        "JaxImplicitQuantileAgent.replay_scheme": "'uniform'",
        "JaxRainbowAgent.optimizer": "'adam'",
    }
    assert added.items() <= defaults.items()
