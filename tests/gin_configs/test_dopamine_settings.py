"""Every gin file of Dopamine's agents has the values of Dopamine's own file of that name.

`tests/data/dopamine/settings.json` is a copy of those values.
"""

import inspect
import json
from pathlib import Path

import gin
import pytest

from dreamer_tf.agents.dopamine_compat import JAX_AGENTS, spr_agent
from dreamer_tf.experiment import gin_files, launch  # noqa: F401 - registers all with gin
from tests.agents.dopamine_runs import ALL, LOW_DATA

DATA = Path(__file__).resolve().parents[1] / "data/dopamine/settings.json"
PUBLISHED = json.loads(DATA.read_text())["files"]

JaxFullRainbowAgent = JAX_AGENTS["full_rainbow"]

# The same setting under the name that it has here, with the value that it has here.
RENAMED = {
    "create_agent.agent_name": ("dreamer_tf.create_agent.agent_name", None),
    "atari_lib.create_atari_environment.game_name": ("AtariEnvironment.game_name", None),
    # Dopamine's sticky actions are those of Machado et al. (2018).
    "atari_lib.create_atari_environment.sticky_actions": ("AtariEnvironment.preset", "machado2018"),
}
# Dopamine's files for 100,000 agent steps have their own protocol, which is
# base/atari100k_protocol.gin here, and the buffer of SPR other names.
_SUBSEQUENCES = "dopamine.labs.atari_100k.replay_memory.subsequence_replay_buffer"
_BUFFERS = [
    f"{_SUBSEQUENCES}.{name}SubsequenceParallelEnvReplayBuffer"
    for name in ("Jax", "PrioritizedJax")
]
RENAMED_100K = RENAMED | {
    "atari_lib.create_atari_environment.sticky_actions": ("AtariEnvironment.preset", "atari100k"),
    "AtariPreprocessing.terminal_on_life_loss": ("AtariEnvironment.preset", "atari100k"),
    "MaxEpisodeEvalRunner.num_eval_episodes": ("DreamerRunner.evaluation_episodes", None),
    "dopamine.labs.atari_100k.spr_agent.SPRAgent.spr_weight": ("SPRAgent.spr_weight", None),
    "dopamine.labs.atari_100k.spr_agent.SPRAgent.jumps": ("SPRAgent.jumps", None),
    **{f"{name}.replay_capacity": ("ReplayBuffer.max_capacity", None) for name in _BUFFERS},
    **{f"{name}.batch_size": ("ReplayBuffer.batch_size", None) for name in _BUFFERS},
}
# Settings without a counterpart: `DreamerRunner` trains and evaluates, nothing checks arrays, and
# no agent has the buffer of Dopamine's TensorFlow agents, of which checkpoints hold another number.
ABSENT = (
    *("create_runner.schedule", "create_agent.debug_mode", "Checkpointer.keep_every"),
    *("OutOfGraphPrioritizedReplayBuffer.replay_capacity",),
    *("OutOfGraphPrioritizedReplayBuffer.batch_size",),
)
# References, which are the defaults of the classes: `test_references_are_defaults`.
REFERENCES = {
    "JaxFullRainbowAgent.epsilon_fn": ("epsilon_fn", "linearly_decaying_epsilon"),
    # Atari100kRainbowAgent and SPRAgent hand their own network on, so this one has no effect.
    "JaxFullRainbowAgent.network": ("network", "SPRNetwork"),
    "dopamine.labs.atari_100k.spr_agent.SPRAgent.epsilon_fn": (
        *("epsilon_fn", "linearly_decaying_epsilon"),
    ),
}
# On MinAtar. Dopamine's file has the buffer of its TensorFlow agents; the sizes are for ours.
RENAMED_MINATAR = {
    "create_agent.agent_name": ("dreamer_tf.create_agent.agent_name", None),
    "OutOfGraphPrioritizedReplayBuffer.replay_capacity": ("ReplayBuffer.max_capacity", None),
    "OutOfGraphPrioritizedReplayBuffer.batch_size": ("ReplayBuffer.batch_size", None),
}
# What the environment gives, the environment itself, another network (docs/dopamine.md), and the
# lengths, which are those of base/minatar_protocol.gin.
ABSENT_MINATAR = (
    *("JaxRainbowAgent.observation_shape", "JaxRainbowAgent.observation_dtype"),
    *("JaxRainbowAgent.network", "create_minatar_env.game_name"),
    *("TrainRunner.create_environment_fn", "create_runner.schedule", "create_agent.debug_mode"),
    *("Runner.num_iterations", "Runner.training_steps", "Runner.max_steps_per_episode"),
)
# Deliberate differences (docs/dopamine.md).
DIFFERENT = {"PrioritizedSamplingDistribution.max_capacity": 1_000_001}


def value(name):
    """What is bound, or the default of a class that has one."""
    try:
        return gin.query_parameter(name)
    except ValueError:
        return gin.get_bindings(name.split(".")[0]).get(name.split(".")[1], "not bound")


def test_every_file_has_its_published_values():
    assert {name.removesuffix(".gin") for name in PUBLISHED} == {*ALL, "minatar_rainbow"}
    assert all(len(values) > 15 for values in PUBLISHED.values())


@pytest.mark.parametrize("name", ALL)
def test_the_values_are_dopamines(name):
    protocol = ["base/atari100k_protocol.gin"] if name in LOW_DATA else []
    gin_files.parse([f"dopamine/{name}.gin", *protocol])
    left_out = (*ABSENT, *REFERENCES)
    published = PUBLISHED[f"{name}.gin"]
    expected = {}
    for key in published.keys() - left_out:
        ours, other = (RENAMED_100K if name in LOW_DATA else RENAMED).get(key, (key, None))
        expected[ours] = DIFFERENT.get(key, published[key] if other is None else other)
    assert {key: value(key) for key in expected} == expected


def test_the_values_on_minatar_are_dopamines():
    gin_files.parse(["minatar_rainbow.gin"])
    published = PUBLISHED["minatar_rainbow.gin"]
    expected = {
        RENAMED_MINATAR.get(key, (key,))[0]: published[key]
        for key in published.keys() - ABSENT_MINATAR
    }
    assert len(expected) == 14
    assert {key: value(key) for key in expected} == expected
    # What the file adds are defaults of Dopamine's agent.
    added = ("epsilon_train", "epsilon_eval", "epsilon_decay_period", "optimizer")
    defaults = inspect.signature(JAX_AGENTS["jax_rainbow"]).parameters
    for key in added:
        assert value(f"JaxRainbowAgent.{key}") == defaults[key].default, key


@pytest.mark.parametrize("name", LOW_DATA)
def test_references_are_defaults(name):
    classes = (JaxFullRainbowAgent, spr_agent.SPRAgent)
    found = {key: text for key, text in PUBLISHED[f"{name}.gin"].items() if key in REFERENCES}
    assert found
    for key, text in found.items():
        parameter, default = REFERENCES[key]
        [kind] = [kind for kind in classes if kind.__name__ == key.split(".")[-2]]
        if parameter == "network":
            kind = spr_agent.SPRAgent
        assert text.endswith(f".{default}")
        assert inspect.signature(kind).parameters[parameter].default.__name__ == default


@pytest.mark.parametrize("name", ALL)
def test_what_a_file_adds_is_named_here(name):
    """What Dopamine's file leaves to a default may be said, but only with that default."""
    gin_files.parse([f"dopamine/{name}.gin"])
    ours = {
        key: value
        for key, value in gin_files.bindings().items()
        if key.startswith(("Jax", "Atari100k", "SPR", "create_optimizer", "ReplayBuffer"))
    }
    published = {key.rpartition("spr_agent.")[2] for key in PUBLISHED[f"{name}.gin"]}
    added = {key: value for key, value in ours.items() if key not in published}
    defaults = {
        "JaxDQNAgent.loss_type": "'mse'",
        "JaxFullRainbowAgent.distributional": "True",
        "JaxFullRainbowAgent.vmax": "10.0",
        "JaxImplicitQuantileAgent.quantile_embedding_dim": "64",
        "JaxImplicitQuantileAgent.double_dqn": "False",
        # Its constructor says 'prioritized', but its replay is always uniform.
        "JaxImplicitQuantileAgent.replay_scheme": "'uniform'",
        "JaxRainbowAgent.optimizer": "'adam'",
    }
    if name == "spr":  # its buffer has other names in Dopamine's file
        added = {key: value for key, value in added.items() if not key.startswith("ReplayBuffer")}
    assert added.items() <= defaults.items()
