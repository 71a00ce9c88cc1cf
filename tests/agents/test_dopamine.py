"""Dopamine's JAX agents: hyperparameters, exact resume, truncation, errors, its own Runner."""

import json
import types

import gin
import gymnasium
import jax
import numpy as np
import optax
import pytest

from dreamer_tf.agents.dopamine_compat import JAX_AGENTS, run_experiment
from dreamer_tf.environments.interface import DopamineEnvironment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.experiment.policy import Policy
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.experiment.signals import Interrupted
from dreamer_tf.networks import replicas
from dreamer_tf.settings.bindings import check_values
from tests.agents.dopamine_runs import (
    AGENTS,
    ALL,
    LOW_DATA,
    Frames,
    assert_same,
    parse,
    run,
    stored,
)
from tests.helpers import bind

EPSILON = "linearly_decaying_epsilon"
OWN = {
    "JaxDQNAgent": {"_loss_type": "mse"},
    "JaxRainbowAgent": {"_num_atoms": 51},
    "JaxFullRainbowAgent": {
        "_num_atoms": 51,
        "_noisy": True,
        "_dueling": True,
        "_double_dqn": True,
        "_distributional": True,
        "_mse_loss": False,
    },
    "JaxQuantileAgent": {"_num_atoms": 200, "_kappa": 1.0},
    "JaxImplicitQuantileAgent": {
        "kappa": 1.0,
        "num_tau_samples": 64,
        "num_tau_prime_samples": 64,
        "num_quantile_samples": 32,
        "double_dqn": False,
    },
}


@pytest.mark.parametrize("name", AGENTS)
def test_hyperparameters_of_the_gin_file_reach_the_agent(name, tmp_path, monkeypatch):
    """What the agent has in the end, whatever class of Dopamine's reads the binding."""
    rates, adam = [], optax.adam
    monkeypatch.setattr(optax, "adam", lambda *a, **b: rates.append((a, b)) or adam(*a, **b))
    gin_files.parse([f"{name}.gin"])
    runner = launch.make_runner(str(tmp_path), 0)
    agent = runner.agent.dopamine
    kind, horizon, rate, epsilon, priorities = AGENTS[name]
    assert type(agent).__name__ == kind
    assert (agent.gamma, agent.update_horizon) == (0.99, horizon)
    assert agent.cumulative_gamma == pytest.approx(0.99**horizon)
    assert (agent.min_replay_history, agent.update_period) == (20_000, 4)
    assert (agent.target_update_period, agent.epsilon_decay_period) == (8_000, 250_000)
    assert (agent.epsilon_train, agent.epsilon_eval) == (0.01, 0.001)
    assert (agent.stack_size, agent.observation_shape) == (4, (84, 84))
    assert (agent._replay._max_capacity, agent._replay._batch_size) == (1_000_000, 32)
    assert (agent._replay_scheme == "prioritized") == priorities
    [(arguments, settings)] = rates
    assert (arguments, settings["eps"]) == ((rate,), epsilon)
    for attribute, value in OWN[kind].items():
        assert getattr(agent, attribute) == value, attribute
    if hasattr(agent, "_support"):
        assert (float(agent._support[0]), float(agent._support[-1])) == (-10.0, 10.0)
    assert runner._clip_rewards
    text = launch.describe(runner)
    assert "12,495,000 updates" in text and "the first 20,000 agent steps" in text


LENGTHS = ("num_iterations", "training_steps", "evaluation_steps")
LOW_DATA_OWN = {
    "der": {"min_replay_history": 1_600, "target_update_period": 2_000, "_num_atoms": 51},
    "drq": {"epsilon_train": 0.1, "epsilon_eval": 0.05, "_num_atoms": 1, "_distributional": False},
    "drq_eps": {"epsilon_train": 0.01, "epsilon_eval": 0.001, "epsilon_decay_period": 5_000},
    "otrainbow": {"min_replay_history": 20_000, "_num_updates_per_train_step": 8},
    "spr": {"_jumps": 5, "spr_weight": 5, "_num_updates_per_train_step": 2, "epsilon_train": 0.0},
}


@pytest.mark.parametrize("name", LOW_DATA)
def test_hyperparameters_of_an_agent_for_little_data_reach_it(name, tmp_path, monkeypatch):
    rates, adam = [], optax.adam
    monkeypatch.setattr(optax, "adam", lambda *a, **b: rates.append((a, b)) or adam(*a, **b))
    gin_files.parse([f"{name}.gin"])
    runner = launch.make_runner(str(tmp_path), 0)
    agent = runner.agent.dopamine
    kind, horizon, rate, epsilon, priorities = LOW_DATA[name]
    assert type(agent).__name__ == kind
    assert (agent.gamma, agent.update_horizon, agent.update_period) == (0.99, horizon, 1)
    assert (agent._replay._max_capacity, agent._replay._batch_size) == (1_000_000, 32)
    assert (agent._replay_scheme == "prioritized") == priorities
    [(arguments, settings)] = rates
    assert (arguments, settings["eps"]) == ((rate,), epsilon)
    for attribute, value in LOW_DATA_OWN[name].items():
        assert getattr(agent, attribute) == value, attribute
    assert agent._data_augmentation == (name in ("drq", "drq_eps", "spr"))
    assert (float(agent._support[0]), agent._support.shape) == (-10.0, (agent._num_atoms,))
    # Noisy networks explore, but SPR begins at random all the same.
    assert agent.epsilon_fn.__name__ == ("zero_epsilon" if name == "der" else EPSILON)
    updates = (100_000 - agent.min_replay_history) * agent._num_updates_per_train_step
    assert f"{updates:,} updates" in launch.describe(runner)


@pytest.mark.parametrize("name", ALL)
def test_the_protocol_is_that_of_atari_gin(name):
    def protocol(file):
        gin.clear_config()
        gin_files.parse([file])
        parts = ("AtariEnvironment.", "Runner.", "DreamerRunner.")
        found = {key: value for key, value in gin_files.bindings().items() if key.startswith(parts)}
        assert len(found) > 8
        different = ["AtariEnvironment.image_sizes", "Runner.clip_rewards"]  # docs/dopamine.md
        if name in LOW_DATA:
            different += [f"Runner.{key}" for key in LENGTHS]
        return {key: value for key, value in found.items() if key not in different}

    assert protocol(f"{name}.gin") == protocol("atari.gin")


# The fast tests run three agents; these share all their parts with one of the two.
SLOW = ("dqn", "c51", "quantile", "full_rainbow", "der", "drq_eps", "otrainbow", "spr")
MARKED = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in ALL]


@pytest.mark.timeout(1800)  # SPR compiles for minutes
@pytest.mark.parametrize("name", MARKED)
def test_every_agent_runs_on_ale_and_resumes_exactly(name, tmp_path):
    """Two iterations at once, and one after the other in another runner: the same bits."""
    parse(name, f"Runner.training_steps={40 if name in LOW_DATA else 100}")
    factory = launch.make_environment
    whole = run(tmp_path / "whole", 2, factory)
    assert whole.agent.updates > 30 and whole.agent.agent_steps >= 80
    if ALL[name][-1]:  # priorities are those of losses, not all the same
        priorities = stored(whole)[0]["sampling/priorities"]
        assert len(np.unique(priorities[priorities > 0])) > 20
    assert [score.phase for score in whole.scores] == ["train", "eval"] * 2
    run(tmp_path / "parts", 1, factory)
    parts = run(tmp_path / "parts", 2, factory)
    assert_same(whole, parts)
    assert whole.scores == parts.scores
    lines = (tmp_path / "parts/metrics/json_lines/metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line) for line in lines if "Agent/loss" in line]
    # Logged in every fourth step; those for little data also learn in the steps between.
    between = 4 * parts.agent._updates_at_once if name in LOW_DATA else 1
    assert losses and 0 <= parts.agent.updates - losses[-1]["Agent/updates"] < between


def test_a_small_replay_with_the_tree_of_a_large_one_is_read_again(tmp_path):
    """Only ReplayBuffer.max_capacity was lowered, to save memory. Nothing could resume."""
    parse("rainbow", "PrioritizedSamplingDistribution.max_capacity=400_000")
    first = run(tmp_path, 1)
    size = (first.store.path(first.store.numbers()[-1]) / "arrays.npz").stat().st_size
    assert size > 6e6
    second = run(tmp_path, 2)
    assert second.agent.agent_steps > first.agent.agent_steps


@pytest.fixture
def small_dqn():
    parse("dqn", "JaxDQNAgent.stack_size=2")


def test_dopamines_own_runner_learns_the_same(small_dqn, tmp_path):
    """The agent under Dopamine's Runner ends with the weights that it has under ours.

    The environment is deterministic and terminates; evaluation follows training.
    """
    script = ((6, True), (9, True))
    ours = run(tmp_path / "ours", 1, lambda: Frames(script))

    class PlainEnvironment(DopamineEnvironment):
        def reset(self):
            return super().reset()["image"]

        def step(self, action):
            observation, *rest = super().step(action)
            return observation["image"], *rest

    made = []

    def make_agent(session, environment, summary_writer=None):
        made.append(JAX_AGENTS["jax_dqn"](num_actions=3, observation_shape=(20, 20), seed=3))
        return made[0]

    theirs = run_experiment.Runner(
        str(tmp_path / "theirs"), make_agent, lambda: PlainEnvironment(Frames(script))
    )
    theirs._run_one_iteration(0)
    assert made[0].training_steps == ours.agent.dopamine.training_steps
    assert ours.agent.updates > 5
    for first, second in zip(
        jax.tree_util.tree_leaves(made[0].online_params),
        jax.tree_util.tree_leaves(ours.agent.dopamine.online_params),
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)


def test_an_interrupted_episode_leaves_no_open_transitions(small_dqn, tmp_path):
    class Interrupting(Frames):
        def step(self, action):
            if runner.agent.agent_steps == 25:
                runner._stop.requested = True
            return super().step(action)

    runner = DreamerRunner(tmp_path, Interrupting, seed=3)
    with pytest.raises(Interrupted):
        runner.run_experiment()
    assert not runner.agent.dopamine._replay._transition_accumulator._trajectory
    resumed = run(tmp_path, 1)
    assert resumed.agent.agent_steps >= 40
    assert resumed.scores[0].phase == "train"


def test_a_loss_that_is_not_finite_stops_the_run(small_dqn, tmp_path):
    """Without saving: the checkpoint before it is the last."""
    run(tmp_path, 1)
    runner = DreamerRunner(tmp_path, Frames, seed=3)
    runner._num_iterations = 2
    params = jax.tree_util.tree_map(lambda x: x * np.nan, runner.agent.dopamine.online_params)
    runner.agent.dopamine.online_params = params
    words = r"loss of DQN \(Adam \+ MSE in JAX\) was not finite at agent step"
    with pytest.raises(UserError, match=words):
        runner.run_experiment()
    assert runner.store.numbers() == [1]


def test_evaluation_does_not_change_the_agent(small_dqn, tmp_path):
    gin.bind_parameter("Runner.num_iterations", 1)
    launch.make_runner(str(tmp_path), 3, Frames).run_experiment()
    policy = Policy(tmp_path, environment=Frames())
    before, updates = policy.agent.dopamine.online_params, policy.agent.updates
    assert policy.run_episode(seed=1)[1] == 6
    assert policy.agent.dopamine.online_params is before
    assert not policy.agent.dopamine._replay._memory and policy.agent.updates == updates > 0


def test_a_checkpoint_of_another_agent_is_refused(small_dqn, tmp_path):
    run(tmp_path, 1)
    gin.bind_parameter("dreamer_tf.create_agent.agent_name", "jax_rainbow")
    with pytest.raises(UserError, match="is of another network"):
        DreamerRunner(tmp_path, Frames, seed=3)


class TwoObservations(Frames):
    def __init__(self):
        super().__init__()
        self.observation_space["vector"] = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


class Colors(Frames):
    def __init__(self):
        super().__init__()
        self.observation_space["image"] = gymnasium.spaces.Box(0, 255, (20, 20, 3), np.uint8)


class Vectors(Frames):
    def __init__(self):
        super().__init__()
        self.observation_space = gymnasium.spaces.Dict(
            {"vector": gymnasium.spaces.Box(-1, 1, (3,), np.float32)}
        )


class Continuous(Frames):
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)


@pytest.mark.parametrize(
    ("name", "environment", "bindings", "words"),
    [
        ("dqn", TwoObservations, [], "see one observation"),
        ("dqn", Colors, [], "AtariEnvironment.grayscale = True"),
        ("rainbow", Continuous, [], "Rainbow chooses among discrete actions"),
        ("full_rainbow", Frames, [], r"expects observations \(84, 84\)"),
        ("dqn", Frames, ["JaxDQNAgent.optimizer='lion'"], "must be 'adam'"),
        ("dqn", Vectors, [], "JaxDQNAgent.network = @ClassicControlDQNNetwork"),
        ("dqn", Frames, ["ReplayBuffer.batch_size=0"], r"ReplayBuffer\.batch_size is 0"),
        ("c51", Frames, ["JaxRainbowAgent.replay_scheme='priority'"], "'uniform' or 'prioritized'"),
        (
            "implicit_quantile",
            Frames,
            ["JaxImplicitQuantileAgent.replay_scheme='prioritized'"],
            "must be 'uniform'",
        ),
        (
            "rainbow",
            Frames,
            ["ReplayBuffer.max_capacity=64", "PrioritizedSamplingDistribution.max_capacity=64"],
            "max_capacity is too small: set it to 65",
        ),
        ("dqn", Frames, ["DopamineAgent.log_every=0"], r"DopamineAgent\.log_every is 0"),
        ("dqn", Frames, ["DreamerRunner.num_environments=2"], "DQN .*acts in one environment"),
    ],
)
def test_what_does_not_fit_the_agent_is_named(name, environment, bindings, words, tmp_path):
    parse(name)
    bind(*bindings)
    with pytest.raises(UserError, match=words):
        check_values()
        DreamerRunner(tmp_path, environment)


def test_several_devices_are_refused(monkeypatch, tmp_path):
    """Dopamine's agents would silently learn on one of them."""
    parse("rainbow")
    several = types.SimpleNamespace(num_replicas_in_sync=2)
    monkeypatch.setattr(replicas, "current", lambda: several)
    with pytest.raises(UserError, match=r"configure_devices\.strategy splits .* leave it out"):
        DreamerRunner(tmp_path, Frames)
