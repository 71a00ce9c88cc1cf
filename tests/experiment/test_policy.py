"""Stored policies in Python: loading, acting, evaluating, training."""

import copy
import importlib
import inspect
import pydoc
import re
import subprocess
import sys

import gin
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

import dreamer_tf
from dreamer_tf.environments.catch import Catch
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.experiment.policy import load_policy, train_agent
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.settings import isolation
from tests.helpers import TINY, ScriptedEnvironment


def make_run(directory, *bindings):
    gin_files.parse(["atari.gin"], [*TINY, *bindings])
    gin.bind_parameter(launch.FACTORY, None)
    runner = DreamerRunner(directory, ScriptedEnvironment)
    gin_files.record(directory, 0)
    runner.run_experiment()
    runner.close()
    return runner


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    gin.clear_config()
    directory = tmp_path_factory.mktemp("run")
    make_run(directory)
    return directory


def test_a_policy_has_the_weights_and_counters_of_the_checkpoint(stored):
    policy = load_policy(stored, environment=ScriptedEnvironment())
    assert (policy.checkpoint, policy.agent_steps) == (1, policy.agent.agent_steps)
    assert policy.agent_steps >= 40 and policy.agent.updates > 0
    assert policy.protocol == "scripted"


def test_the_same_seed_gives_the_same_episode(stored):
    found = []
    for _ in range(2):
        policy = load_policy(stored, seed=5, environment=ScriptedEnvironment())
        found.append([policy.run_episode(seed=1), policy.run_episode()])
    assert found[0] == found[1]
    assert [length for _, length in found[0]] == [5, 7]  # the script of the environment


def test_recorded_frames_end_at_their_limit(stored):
    frames: list[np.ndarray] = []
    policy = load_policy(stored, environment=ScriptedEnvironment())
    policy.run_episode(seed=1, frames=frames, max_frames=3)
    assert len(frames) == 3 and frames[0].shape == (16, 16, 3)


def test_an_episode_ends_at_the_limit_of_the_run(stored):
    policy = load_policy(stored, environment=ScriptedEnvironment([(500, "terminated")]))
    assert policy.run_episode(seed=1)[1] == 20  # Runner.max_steps_per_episode


def test_a_lost_life_ends_an_episode_for_the_policy_as_in_training(stored):
    policy = load_policy(stored, environment=ScriptedEnvironment([(9, "life")]))
    begun = []
    begin = policy.agent.begin_episode
    policy.agent.begin_episode = lambda observation: begun.append(True) or begin(observation)
    assert policy.run_episode(seed=1)[1] == 9
    assert len(begun) == 2


def test_a_policy_stores_and_learns_nothing(stored):
    policy = load_policy(stored, environment=ScriptedEnvironment())
    before = policy.agent.updates
    policy.run_episode(seed=1)
    assert policy.agent.eval_mode and policy.agent.updates == before
    assert policy.agent.agent_steps == policy.agent_steps


def test_the_replay_can_be_read(stored):
    replay = load_policy(stored, environment=ScriptedEnvironment()).open_replay()
    assert len(replay) > 40
    sequences = replay.whole_sequences(2, 4, np.random.default_rng(0))
    assert sequences.reward.shape == (2, 4)


def test_a_run_without_a_checkpoint_or_without_a_replay_is_named(tmp_path, stored):
    with pytest.raises(UserError, match="there is no run"):
        load_policy(tmp_path)
    gin_files.parse(["atari.gin"], TINY)
    gin_files.record(tmp_path, 0)
    with pytest.raises(UserError, match="has no checkpoint yet"):
        load_policy(tmp_path, environment=ScriptedEnvironment())


def test_a_run_with_an_environment_of_its_own_needs_it_again(stored):
    with pytest.raises(UserError, match="pass the same one"):
        load_policy(stored)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"actions": "Policy"}, "actions is 'Policy', but must be one of policy, random, replay"),
        ({"context": 0}, "context is 0, but must be 1 or more"),
        ({"length": -3}, "length is -3"),
        ({"actions": "replay", "sequences": 0}, "sequences is 0"),
    ],
)
def test_a_dream_of_nothing_is_refused(stored, tmp_path, arguments, words):
    policy = load_policy(stored, environment=ScriptedEnvironment())
    with pytest.raises(UserError, match=words):
        policy.dream(tmp_path / "dream.gif", **arguments)
    assert not (tmp_path / "dream.gif").exists()


def test_the_environment_of_a_policy_has_the_limit_of_the_run(stored):
    """A loop until the end never ended where only the run ends episodes."""
    policy = load_policy(stored, environment=ScriptedEnvironment([(500, "terminated")]))
    environment = policy.gymnasium_environment()
    for _ in range(2):
        observation, _ = environment.reset(seed=1)
        ended, steps = False, 0
        while not ended:
            observation, _, terminated, truncated, _ = environment.step(policy(observation))
            ended, steps = terminated or truncated, steps + 1
        assert (steps, terminated, truncated) == (20, False, True)


class OtherActions(ScriptedEnvironment):
    """One action more."""

    def __init__(self):
        super().__init__()
        self.action_space = gymnasium.spaces.Discrete(self.action_space.n + 1)


def test_another_environment_is_no_damage(stored):
    with pytest.raises(UserError, match=r"do not fit .*actor.*use the environment and the gin"):
        load_policy(stored, environment=OtherActions())


def test_a_run_goes_on_in_its_environment_only(stored, tmp_path):
    """Two games were mixed in one replay, one model and one score file."""
    call = {"base_dir": tmp_path, "gin_files": "gym.gin", "gin_bindings": TINY}
    train_agent(Catch(), **call)
    with pytest.raises(UserError, match="in the environment 'Catch', not 'Other': use") as found:
        train_agent(type("Other", (Catch,), {})(), **call)
    assert str(found.value) == found.value.sentence  # without what gin appends


def test_a_run_without_an_update_is_no_success(tmp_path):
    with pytest.raises(UserError, match="The run ended without an update"):
        train_agent(
            Catch(),
            base_dir=tmp_path,
            gin_files="gym.gin",
            gin_bindings=[*TINY, "DreamerV2Agent.prefill_steps = 1000"],
        )


def test_training_from_python_returns_the_policy_and_resumes(tmp_path, capsys):
    """The same call continues the run."""
    call = {"base_dir": tmp_path, "gin_files": ["gym.gin"], "gin_bindings": TINY}
    first = train_agent(Catch(), **call)
    more = [*TINY, "Runner.num_iterations=2"]
    second = train_agent(Catch(), **(call | {"gin_bindings": more}))
    assert second.agent_steps > first.agent_steps >= 40
    assert "resumed" in capsys.readouterr().out
    # It takes what the environment returns, and returns what the environment takes.
    environment, given = Catch(), []
    observation, info = environment.reset(seed=1)
    assert environment.action_space.contains(second(observation, info))
    second.agent.begin_episode = lambda seen: given.append(seen) or 2
    for seen in (observation, second.environment.translated(observation, info)):
        second.reset()
        assert second(seen, info) == second.environment.wrapped_action(2)
    np.testing.assert_array_equal(given[0]["image"], given[1]["image"])


@gin.configurable
def of_the_notebook(value=0):
    return value


@pytest.fixture
def notebook():
    """A configuration of the caller that is locked, and what it must still be afterwards."""
    gin.parse_config(["import decimal", "of_the_notebook.value = 7", "RSSM.units = 77"])
    gin.finalize()
    Catch(), ScriptedEnvironment()  # the tests make them, too, and gin notes it
    before = {name: copy.copy(getattr(gin.config, name)) for name in isolation._STATE}
    yield
    after = {name: getattr(gin.config, name) for name in isolation._STATE}
    assert after == before and gin.config_is_locked()
    assert of_the_notebook() == 7 and "import decimal" in gin.config_str()
    gin.config._set_config_is_locked(False)


def test_the_callers_configuration_is_left_alone(notebook, tmp_path, stored):
    call = {"base_dir": tmp_path / "run", "gin_files": ["gym.gin"], "gin_bindings": TINY}
    assert train_agent(Catch(), **call).agent.learner.world_model.rssm.units == 12
    policy = load_policy(stored, environment=ScriptedEnvironment())
    policy.run_episode(seed=1)
    policy.open_replay()
    policy.dream(tmp_path / "dream.gif", actions="replay", context=2, length=2, sequences=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda directory: load_policy(directory),
        lambda directory: train_agent(Catch(), base_dir=directory, gin_files=["no.gin"]),
        lambda directory: train_agent(Catch(), base_dir=directory, gin_bindings=["RSSM.unit=1"]),
        lambda directory: train_agent(object(), base_dir=directory),
        lambda directory: train_agent(
            Catch(), base_dir=directory, gin_bindings=[*TINY, "Learner.policy_device='/GPU:99'"]
        ),
    ],
)
def test_the_callers_configuration_is_left_alone_by_an_error(notebook, tmp_path, call):
    with pytest.raises(UserError):
        call(tmp_path)


def test_a_locked_configuration_does_not_stop_the_import(tmp_path):
    code = (
        "import gin; gin.finalize()\nimport dreamer_tf\ntry: dreamer_tf.load_policy('no')\n"
        "except Exception as error: print(type(error).__name__, gin.config_is_locked())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert result.stdout == "UserError True\n", result.stderr


def test_policies_of_different_configurations_act_in_turn(tmp_path, stored):
    other = tmp_path / "other"
    make_run(other, "RSSM.units=9", "Runner.max_steps_per_episode=6", "MLP.units=5")
    alone = [
        load_policy(run, environment=ScriptedEnvironment([(9, "terminated")])).run_episode(seed=1)
        for run in (stored, other)
    ]
    policies = [
        load_policy(run, environment=ScriptedEnvironment([(9, "terminated")]))
        for run in (stored, other)
    ]
    assert [policy.run_episode(seed=1) for policy in policies] == alone
    assert [length for _, length in alone] == [9, 6]  # each has its own limit
    units = [policy.agent.learner.world_model.rssm.units for policy in policies]
    assert units == [12, 9]
    for policy in (*policies, *policies):
        assert len(policy.open_replay()) > 40
        assert policy(ScriptedEnvironment().reset(seed=1)) in range(3)


def test_a_run_is_the_same_after_another_one_in_the_process(tmp_path):
    found = []
    for name, settings in {
        "a": [],
        "b": ["RSSM.units=9", "world_model/Optimizer.learning_rate=1e-2"],
        "c": [],
    }.items():
        policy = train_agent(
            ScriptedEnvironment(),
            base_dir=tmp_path / name,
            gin_files=["atari_small.gin"],
            gin_bindings=[*TINY, *settings],
        )
        variables = policy.agent.learner.variables()
        found.append({name: value.numpy() for name, value in variables.items()})
    first, other, again = found
    assert set(first) == set(again)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(other[name].shape != first[name].shape for name in first)


def test_help_names_what_is_public():
    named = re.findall(r"`(dreamer_tf[.\w]+)`", dreamer_tf.__doc__)
    assert len(named) >= 6
    functions = set(dreamer_tf.__all__) - {"__version__"}
    assert functions == set(re.findall(r"^\* `([a-z_]+)`", dreamer_tf.__doc__, re.MULTILINE))
    for name in functions:
        assert inspect.getdoc(getattr(dreamer_tf, name)), name
    text = pydoc.plain(pydoc.render_doc(dreamer_tf))
    assert all(name in text for name in named)
    assert all(f"{name}(" in text for name in functions)  # with arguments and docstrings
    assert set(dreamer_tf.__all__) <= set(dir(dreamer_tf))
    for name in named:
        module, _, member = name.rpartition(".")
        if not member[0].isupper():
            importlib.import_module(name)
        else:
            assert hasattr(importlib.import_module(module), member), name


def test_several_environments_need_a_function_that_makes_them(tmp_path):
    bindings = [*TINY, "DreamerRunner.num_environments=2"]
    with pytest.raises(UserError, match="was given one environment"):
        train_agent(Catch(), base_dir=tmp_path, gin_bindings=bindings)


def test_the_package_offers_both_without_importing_tensorflow_first():
    assert dreamer_tf.load_policy is load_policy and dreamer_tf.train_agent is train_agent
    with pytest.raises(AttributeError, match="no attribute 'load_policies'"):
        dreamer_tf.load_policies  # noqa: B018


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")]
)
def test_a_configuration_that_no_memory_holds_is_a_sentence(stored, monkeypatch, error):
    """A stranger's config.gin may ask for a network of 120 GB."""

    def fail(*arguments):
        raise error

    monkeypatch.setattr("dreamer_tf.experiment.policy.create_agent", fail)
    with pytest.raises(UserError, match="do not fit into memory: take a machine with more"):
        load_policy(stored, environment=Catch())
