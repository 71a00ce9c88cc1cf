"""Dopamine's JAX agents: hyper parameters, exact resume, truncation, errors, its own Runner."""

import json

import gin
import gymnasium
import jax
import numpy as np
import optax
import pytest
from dopamine.jax.replay_memory.accumulator import TransitionAccumulator
from dopamine.jax.replay_memory.elements import TransitionElement

from dreamer_tf.agents.dopamine_compat import JAX_AGENTS, run_experiment
from dreamer_tf.agents.registry import create_agent
from dreamer_tf.environments.interface import DopamineEnvironment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.experiment.policy import Policy
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.experiment.signals import Interrupted

# By gin file: Dopamine's class, n, learning rate, epsilon of Adam, prioritized replay or not.
AGENTS = {
    "dqn": ("JaxDQNAgent", 1, 6.25e-5, 1.5e-4, False),
    "c51": ("JaxRainbowAgent", 1, 2.5e-4, 3.125e-4, False),
    "rainbow": ("JaxRainbowAgent", 3, 6.25e-5, 1.5e-4, True),
    "full_rainbow": ("JaxFullRainbowAgent", 3, 6.25e-5, 1.5e-4, True),
    "quantile": ("JaxQuantileAgent", 1, 5e-5, 3.125e-4, False),
    "implicit_quantile": ("JaxImplicitQuantileAgent", 3, 5e-5, 3.125e-4, False),
}
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
SHORT = (
    "Runner.num_iterations=2",
    "Runner.training_steps=40",
    "Runner.evaluation_steps=1",
    "Runner.max_steps_per_episode=15",
    "DreamerRunner.progress_bar=False",
    "DopamineAgent.log_every=4",
    "ReplayBuffer.max_capacity=50",
    "ReplayBuffer.batch_size=4",
    "PrioritizedSamplingDistribution.max_capacity=51",
    "JaxImplicitQuantileAgent.num_tau_samples=4",
    "JaxImplicitQuantileAgent.num_tau_prime_samples=4",
    "JaxImplicitQuantileAgent.num_quantile_samples=4",
)


class Frames:
    """A gray square that moves with the actions; episodes of given lengths that end as said."""

    name = "Frames"
    protocol = "scripted"
    frames_per_step = 1
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, script=((6, True), (9, False)), size=20):
        self.observation_space = gymnasium.spaces.Dict(
            {"image": gymnasium.spaces.Box(0, 255, (size, size, 1), np.uint8)}
        )
        self.script, self.episode = script, -1

    def reset(self, seed=None):
        self.episode = self.episode + 1 if seed is None else 0
        self.steps = self.place = 0
        return self._observation()

    def step(self, action):
        self.steps += 1
        self.place = (self.place + int(action)) % 20
        length, terminates = self.script[self.episode % len(self.script)]
        last = self.steps == length
        return self._observation(), float(action), last and terminates, last and not terminates, {}

    def render(self):
        return np.zeros((16, 16, 3), np.uint8)

    def _observation(self):
        image = np.zeros(self.observation_space["image"].shape, np.uint8)
        image[self.place, self.steps % 20] = 200
        return {"image": image}


def parse(name, *bindings):
    agent = AGENTS[name][0]
    settings = "JaxDQNAgent" if agent == "JaxFullRainbowAgent" else agent
    early = [f"{settings}.min_replay_history=10", f"{settings}.target_update_period=8"]
    gin_files.parse([f"{name}.gin"], [*SHORT, *early, *bindings])


def run(base_dir, iterations, environment=Frames):
    gin.bind_parameter("Runner.num_iterations", iterations)
    runner = DreamerRunner(base_dir, environment, seed=3)
    runner.run_experiment()
    return runner


def stored(runner):
    """All arrays of the newest checkpoint, and the contents of the replay."""
    checkpoint = runner.store.load_latest()[1]
    memory = runner.agent.dopamine._replay._memory
    return checkpoint.arrays, {
        key: [np.asarray(leaf).tobytes() for leaf in jax.tree_util.tree_leaves(element)]
        for key, element in memory.items()
    }


@pytest.mark.parametrize("name", AGENTS)
def test_hyper_parameters_arrive(name, tmp_path, monkeypatch):
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


@pytest.mark.parametrize("name", AGENTS)
def test_the_protocol_is_that_of_dreamer(name):
    def protocol(file):
        gin.clear_config()
        gin_files.parse([file])
        parts = ("AtariEnvironment.", "Runner.", "DreamerRunner.")
        found = {key: value for key, value in gin_files.bindings().items() if key.startswith(parts)}
        assert len(found) > 8
        different = ("AtariEnvironment.image_sizes", "Runner.clip_rewards")  # docs/dopamine.md
        return {key: value for key, value in found.items() if key not in different}

    assert protocol(f"{name}.gin") == protocol("atari.gin")


# Those whose parts others have run with the slow tests.
SLOW = ("dqn", "c51", "quantile", "full_rainbow")
MARKED = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in AGENTS]


@pytest.mark.parametrize("name", MARKED)
def test_every_agent_runs_on_ale_and_resumes_exactly(name, tmp_path):
    """Two iterations at once, and one after the other in another runner: the same bits."""
    parse(name, "Runner.training_steps=100")
    factory = launch.make_environment
    whole = run(tmp_path / "whole", 2, factory)
    assert whole.agent.updates > 30 and whole.agent.agent_steps >= 200
    if AGENTS[name][-1]:  # priorities are those of losses, not all the same
        priorities = stored(whole)[0]["sampling/priorities"]
        assert len(np.unique(priorities[priorities > 0])) > 20
    assert [score.phase for score in whole.scores] == ["train", "eval"] * 2
    run(tmp_path / "parts", 1, factory)
    parts = run(tmp_path / "parts", 2, factory)
    for first, second in zip(stored(whole), stored(parts), strict=True):
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_array_equal(first[key], second[key], err_msg=str(key))
    assert whole.scores == parts.scores
    lines = (tmp_path / "parts/metrics/json_lines/metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line) for line in lines if "Agent/loss" in line]
    assert losses and losses[-1]["Agent/updates"] == parts.agent.updates


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


def test_what_truncation_and_termination_leave_in_the_replay(small_dqn, tmp_path):
    """Nothing is bootstrapped across an end, and only a termination counts as one.

    Of Dopamine's replay it also shows what docs/dopamine.md says: the last reward of an episode
    is in no one-step transition, and the one before it carries the flag.
    """
    gin.bind_parameter("ReplayBuffer.max_capacity", 1000)
    run(tmp_path, 1)
    runner = DreamerRunner(tmp_path, Frames, seed=3)
    elements = [e.unpack() for e in runner.agent.dopamine._replay._memory.values()]

    def steps(stack):
        """The step that each image of a stack shows, by the column of its square."""
        return [int(image.any(0).argmax()) for image in np.moveaxis(stack, -1, 0)]

    ends = set()
    for element in elements:
        (_, before), (_, after) = steps(element.state), steps(element.next_state)
        assert after == before + 1  # within one episode
        if element.is_terminal:
            ends.add(after)
        assert before <= 7  # 9 steps, of which the last observation never arrives
    assert ends == {5}  # of the episodes of six steps; those of nine were truncated


@pytest.mark.parametrize("terminated", [True, False])
def test_ends_of_episodes_with_three_steps_returns(terminated):
    """What docs/dopamine.md says of n = 3, from Dopamine's accumulator alone: rewards 1 to 8."""
    accumulator = TransitionAccumulator(stack_size=4, update_horizon=3, gamma=1.0)
    stored = []
    for step in range(1, 9):
        last = step == 8
        image = np.full((2, 2), step - 1, np.uint8)
        element = TransitionElement(image, 0, float(step), last and terminated, last)
        stored += list(accumulator.accumulate(element))
    found = [(x.state[0, 0].tolist(), x.reward, bool(x.is_terminal)) for x in stored]
    if not terminated:  # no return across the end, and no flag
        assert found[-1] == ([1, 2, 3, 4], 5.0 + 6.0 + 7.0, False)
        assert not any(flag for _, _, flag in found)
        return
    flagged = [(stack[-1], reward) for stack, reward, flag in found if flag]
    assert flagged == [(4, 18.0)] * 4 + [(5, 21.0), (6, 15.0)]
    assert [stack for stack, _, _ in found[-2:]] == [[0, 0, 0, 5], [0, 0, 0, 6]]


def test_an_interrupted_episode_is_closed(small_dqn, tmp_path):
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


def elements(base_dir):
    return sorted((base_dir / "replay").iterdir())


def test_files_of_the_replay_go_when_no_checkpoint_needs_them(small_dqn, tmp_path):
    """45 steps an iteration, of which 39 make transitions; the buffer holds 50 of them."""
    gin.bind_parameter("DreamerRunner.checkpoints_kept", 1)
    run(tmp_path, 3)
    assert len(elements(tmp_path)) == 2
    (tmp_path / "replay/elements-000000000117-000000000150.npz").touch()  # killed before the save
    resumed = run(tmp_path, 4)
    assert len(resumed.agent.dopamine._replay._memory) == 50
    assert len(elements(tmp_path)) == 2
    gin.bind_parameter("DreamerRunner.checkpoints_kept", 3)
    run(tmp_path, 7)
    assert len(elements(tmp_path)) == 4  # the oldest of three needs two of them


def test_a_damaged_file_of_the_replay_is_passed_over(small_dqn, tmp_path, caplog):
    """The checkpoint that needs it is damaged, and the one before it is used."""
    whole = stored(run(tmp_path / "whole", 3))[0]
    run(tmp_path / "run", 2)
    newest = elements(tmp_path / "run")[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    again = stored(run(tmp_path / "run", 3))[0]
    assert "which it needs, is not what was written" in caplog.text
    for name, array in whole.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
    for path in elements(tmp_path / "run"):
        path.unlink()
    with pytest.raises(UserError, match=r"None of the 3 checkpoints .* can be read"):
        run(tmp_path / "run", 4)


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


def test_evaluation_leaves_the_agent_as_it_is(small_dqn, tmp_path):
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
    with pytest.raises(UserError, match="checkpoint is of another network"):
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
        ("dqn", Frames, ["JaxDQNAgent.optimizer='lion'"], "cannot make .*lion"),
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
        ("dqn", Frames, ["DreamerRunner.num_environments=2"], "DQN acts in one environment"),
    ],
)
def test_what_does_not_fit_is_named(name, environment, bindings, words, tmp_path):
    parse(name, *bindings)
    with pytest.raises(UserError, match=words):
        DreamerRunner(tmp_path, environment)


def test_an_unknown_agent_is_answered_with_the_nearest_name():
    gin.bind_parameter("dreamer_tf.create_agent.agent_name", "rainbow_full")
    with pytest.raises(UserError, match="full_rainbow"):
        create_agent(DopamineEnvironment(Frames()), None, 0)
