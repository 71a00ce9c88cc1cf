"""Several environments at once: accounting, pairing, equality with one environment, failures."""

import itertools
import json
import os

import gin
import numpy as np
import pytest

from dreamer_tf.agents import registry as agents
from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.environments.vector import create_vector_environment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files
from dreamer_tf.experiment.guard import EnvironmentFailure
from dreamer_tf.experiment.rollout import VectorRollout
from dreamer_tf.experiment.runner import DreamerRunner
from tests.helpers import TINY, ScriptedAgent, ScriptedEnvironment, bind

SCRIPT = ((5, "terminated"), (7, "truncated"), (30, "terminated"), (6, "life"))


class RecordingAgent:
    """Writes down what each environment delivered; acts with the number of the environment."""

    def __init__(self, environments):
        self.tapes = [[] for _ in range(environments)]
        self.is_first = []
        self.learned = 0

    def record(self, environment, observation, reward=0.0, **flags):
        found = "".join(key[3] for key in ("is_first", "is_last", "is_terminal") if flags.get(key))
        episode, step, _ = observation["vector"]
        self.tapes[environment].append((int(episode), int(step), float(reward), found))

    def learn(self):
        self.learned += 1

    def act(self, observation, is_first):
        self.is_first.append(list(is_first))
        return np.arange(len(self.tapes))


def rollout(scripts, min_steps, max_steps=100, clip=False):
    agent, steps = RecordingAgent(len(scripts)), []
    remaining = iter(scripts)
    vector = create_vector_environment(
        lambda: ScriptedEnvironment(next(remaining)), len(scripts), asynchronous=False
    )
    episodes = VectorRollout(vector, agent, max_steps, clip).episodes(
        range(len(scripts)),
        lambda: sum(steps) < min_steps,
        lambda function, *arguments, **settings: function(*arguments, **settings),
        steps.append,
    )
    return agent, [(ended.length, ended.value) for ended in episodes], steps


def test_every_episode_that_begins_is_counted_and_run_to_its_end():
    agent, episodes, steps = rollout([[(2, "terminated")], [(5, "truncated")]], 5)
    # Step 5 is over after the third step of both: the second episode of the first environment
    # ends, no third one begins, and the other environment runs alone.
    assert episodes == [(2, 1.0), (2, 1.0), (5, 7.5)]
    assert steps == [2, 2, 2, 2, 1]
    assert agent.learned == 5
    assert agent.tapes[0] == [
        (0, 0, 0.0, "f"),
        (0, 1, 0.5, ""),
        (0, 2, 0.5, "lt"),
        (1, 0, 0.0, "f"),
        (1, 1, 0.5, ""),
        (1, 2, 0.5, "lt"),
    ]
    assert agent.tapes[1] == [(0, 0, 0.0, "f")] + [(0, t, 1.5, "") for t in range(1, 5)] + [
        (0, 5, 1.5, "l")
    ]
    # The policy forgets at the start of an episode and nowhere else.
    assert [first[0] for first in agent.is_first[:4]] == [True, False, True, False]
    assert [first[1] for first in agent.is_first] == [True] + 4 * [False]


def test_time_limit_of_the_runner_truncates():
    agent, episodes, _ = rollout([[(9, "terminated")]], 6, max_steps=4)
    assert episodes == [(4, 2.0), (4, 2.0)]
    assert [entry[-1] for entry in agent.tapes[0]] == 2 * ["f", "", "", "", "l"]


def test_lost_life_ends_an_episode_for_the_agent_only():
    agent, episodes, _ = rollout([[(5, "life")]], 1)
    assert episodes == [(5, 2.5)]
    assert agent.tapes[0][3:5] == [(0, 3, 0.5, "lt"), (0, 3, 0.0, "f")]
    assert agent.is_first == [[True], [False], [False], [True], [False]]


def test_the_agent_sees_clipped_rewards_and_the_score_does_not():
    agent, episodes, _ = rollout([[(2, "terminated")], [(2, "terminated")]], 1, clip=True)
    assert [entry[2] for entry in agent.tapes[1]] == [0.0, 1.0, 1.0]
    assert episodes[1] == (2, 3.0)


def run(directory, *bindings, iterations=2, environments=1, force_vector=False, script=SCRIPT):
    """A run of the real agent in scripted environments, from wherever it stands."""
    gin.clear_config()
    gin_files.parse(
        ["atari.gin"],
        [*TINY, f"Runner.num_iterations={iterations}", "Runner.evaluation_steps=9", *bindings],
    )
    bind("create_vector_environment.asynchronous=False")
    made = itertools.count()

    def make():  # each begins elsewhere in the script
        begin = next(made) % len(script)
        return ScriptedEnvironment(script[begin:] + script[:begin])

    runner = DreamerRunner(directory, make, num_environments=environments)
    if force_vector:
        runner._guard.vector = create_vector_environment(lambda: ScriptedEnvironment(SCRIPT), 1)
    runner.run_experiment()
    return runner


def assert_same_runs(ours, theirs, directories):
    from tests.small_models import everything

    left, right = everything(ours), everything(theirs)
    assert ours.agent.updates == theirs.agent.updates > 5
    assert ours.scores == theirs.scores
    for name, value in left.arrays.items():
        np.testing.assert_array_equal(value, right.arrays[name], err_msg=name)
    for state in (left.state, right.state):
        del state["agent"]["seconds"]
    assert left.state == right.state
    for path in (directories[0] / "replay").iterdir():
        assert path.read_bytes() == (directories[1] / "replay" / path.name).read_bytes()
    episodes = [episode_rows(directory) for directory in directories]
    assert episodes[0] == episodes[1] and len(episodes[0]) > 3


def episode_rows(directory):
    """Rows of finished episodes, without what depends on the clock."""
    rows = [json.loads(line) for line in (directory / "episodes.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "time")} for row in rows]


def test_a_vector_of_one_is_the_same_run(tmp_path):
    """Weights, scores and replay are those of Dopamine's own loop, bit for bit."""
    plain = run(tmp_path / "plain")
    vector = run(tmp_path / "vector", force_vector=True)
    assert_same_runs(plain, vector, (tmp_path / "plain", tmp_path / "vector"))


def test_overlap_does_not_change_a_number(tmp_path):
    """Two updates at every step of three environments, with and without a thread."""
    runs = []
    for name, overlap in (("on", True), ("off", False)):
        settings = (f"DreamerV2Agent.overlap={overlap}", "DreamerV2Agent.train_ratio=1.5")
        runs.append(run(tmp_path / name, *settings, environments=3))
        assert (runs[-1].agent._updates.overlaps) == overlap
    assert_same_runs(*runs, (tmp_path / "on", tmp_path / "off"))


def test_resume_with_several_environments_is_bit_identical(tmp_path):
    whole = run(tmp_path / "whole", environments=3)
    run(tmp_path / "parts", environments=3, iterations=1)
    parts = run(tmp_path / "parts", environments=3)
    assert_same_runs(whole, parts, (tmp_path / "whole", tmp_path / "parts"))
    streams = whole.agent.replay.state()["streams"]
    assert len(streams) == 3 and len({stream["count"] for stream in streams}) > 1


def test_an_evaluation_of_several_environments_has_its_episodes(tmp_path):
    """Those that are running meanwhile are finished and counted, too."""
    runner = run(tmp_path, "DreamerRunner.evaluation_episodes=5", environments=3)
    counts = [score.episodes for score in runner.scores if score.phase == "eval"]
    assert len(counts) == 2 and all(5 <= count <= 7 for count in counts)


def test_streams_hold_what_their_environment_delivered(tmp_path):
    """Every stream of the replay is a plain sequence of that environment's episodes."""
    settings = "DreamerV2Agent.random_policy=True"
    runner = run(tmp_path, settings, environments=3, script=SCRIPT[:3])
    replay = runner.agent.replay
    for stream in range(3):
        count = replay._streams[stream].count
        rows = slice(stream * replay._ring.rows, stream * replay._ring.rows + count)
        steps = replay._ring.arrays["observation.vector"][rows, 1]
        action, reward = replay._ring.arrays["action"][rows], replay._ring.arrays["reward"][rows]
        is_first = replay._ring.arrays["flags"][rows, 0].astype(bool)
        np.testing.assert_array_equal(steps == 0, is_first)
        np.testing.assert_array_equal(np.diff(steps)[~is_first[1:]], 1)
        np.testing.assert_array_equal(reward[~is_first], action[~is_first] + 0.5)
        assert len(set(action)) == 3 and is_first.sum() > 1


def test_updates_per_step_of_several_environments(tmp_path):
    runner = run(tmp_path, "DreamerV2Agent.train_ratio=2", environments=3)
    agent = runner.agent
    expected = sum(step % 2 == 0 for step in range(16, agent.agent_steps + 1))
    assert agent.updates == expected


class Failing(ScriptedEnvironment):
    def step(self, action):
        if self.steps == 3:
            raise ValueError("the simulator broke")
        return super().step(action)


@pytest.mark.parametrize("asynchronous", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_failing_environment_is_named(tmp_path, asynchronous):
    gin_files.parse(["atari.gin"], [*TINY, "DreamerRunner.environment_restarts=0"])
    bind(f"create_vector_environment.asynchronous={asynchronous}")
    gin.bind_parameter(FACTORY, None)
    runner = DreamerRunner(tmp_path, Failing, num_environments=2)
    with pytest.raises(EnvironmentFailure, match=r"Scripted failed at agent step 7 .*broke"):
        runner.run_experiment()
    assert len(runner.agent.replay) == 8


class Dying(ScriptedEnvironment):
    """Its process ends in the middle of an episode, the first time."""

    def __init__(self):
        super().__init__()
        self.path = os.environ["DYING_WORKER"]

    def step(self, action):
        if self.steps == 3:
            try:
                os.rmdir(self.path)
            except FileNotFoundError:
                pass
            else:
                os._exit(9)
        return super().step(action)


def test_a_dead_worker_is_a_failure_of_the_environment(tmp_path, monkeypatch, capsys):
    """It is restarted with the others, and the run continues."""
    monkeypatch.setenv("DYING_WORKER", str(tmp_path / "once"))
    (tmp_path / "once").mkdir()
    gin_files.parse(["atari.gin"], [*TINY, "DreamerRunner.environment_restarts=1"])
    gin.bind_parameter(FACTORY, None)
    runner = DreamerRunner(tmp_path / "run", Dying, num_environments=2)
    runner.run_experiment()
    assert runner.finished and runner._interruptions == 1
    printed = capsys.readouterr().err
    assert "Scripted failed at agent step 7" in printed and "(0 restarts left)" in printed


def test_an_environment_that_fails_to_reset_is_named(tmp_path):
    class NoReset(ScriptedEnvironment):
        def reset(self, seed=None):
            raise ValueError("no simulator")

    gin_files.parse(["atari.gin"], [*TINY, "DreamerRunner.environment_restarts=0"])
    with pytest.raises(EnvironmentFailure, match=r"Scripted failed at agent step 1 .*no simul"):
        DreamerRunner(tmp_path, NoReset).run_experiment()


@pytest.mark.parametrize("environments", [1, 2])
def test_a_failed_environment_is_restarted(tmp_path, environments, capsys):
    """The broken episode is kept as truncated, everything else goes on, two failures later."""
    failures = iter([True, True])

    class Fragile(ScriptedEnvironment):
        def step(self, action):
            if (self.episode, self.steps) == (1, 3) and next(failures, False):
                raise ValueError("the simulator broke")
            return super().step(action)

    gin_files.parse(["atari.gin"], [*TINY, "DreamerRunner.environment_restarts=2"])
    bind("create_vector_environment.asynchronous=False")
    runner = DreamerRunner(tmp_path, Fragile, num_environments=environments)
    runner.run_experiment()
    assert runner.finished and runner._interruptions == 2
    printed = capsys.readouterr().err
    assert printed.count("the simulator broke") == 2 and "restarted (0 restarts left)" in printed
    stored, count = runner.agent.replay._ring.arrays, len(runner.agent.replay) // environments
    is_first, is_last, is_terminal = stored["flags"][:count].astype(bool).T
    # Every episode has an end before the next one begins; broken ones have no terminal step.
    np.testing.assert_array_equal(is_last[:-1], is_first[1:])
    steps = stored["observation.vector"][:count, 1]
    cut = is_last & (steps == 3)
    assert cut.sum() >= 1 and not is_terminal[cut].any()


@pytest.mark.parametrize("environments", [1, 2])
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"reward": float("nan")}, "the reward is nan"),
        ({"vector": np.array([1, np.inf, 1], np.float32)}, "'vector' has numbers that are not"),
        ({"vector": np.zeros(4, np.float32)}, r"'vector' has shape \(4,\), not \(3,\)"),
    ],
)
def test_what_an_environment_delivers_is_checked(tmp_path, environments, wrong, sentence):
    class Wrong(ScriptedEnvironment):
        def step(self, action):
            observation, reward, *rest = super().step(action)
            if self.steps == 3:
                reward = wrong.get("reward", reward)
                observation["vector"] = wrong.get("vector", observation["vector"])
            return observation, reward, *rest

    gin_files.parse(["atari.gin"], [*TINY, "DreamerRunner.environment_restarts=0"])
    bind("create_vector_environment.asynchronous=False")
    runner = DreamerRunner(tmp_path, Wrong, num_environments=environments)
    with pytest.raises(EnvironmentFailure, match=f"Scripted failed at agent step .*{sentence}"):
        runner.run_experiment()


def test_zero_environments_and_agents_of_one_environment_are_named(tmp_path, monkeypatch):
    gin_files.parse(["atari.gin"], TINY)
    with pytest.raises(UserError, match=r"DreamerRunner\.num_environments is 0"):
        DreamerRunner(tmp_path, ScriptedEnvironment, num_environments=0)
    monkeypatch.setitem(agents.AGENTS, "scripted", ScriptedAgent)
    bind("dreamer_tf.create_agent.agent_name='scripted'")
    with pytest.raises(UserError, match="acts in one environment only"):
        DreamerRunner(tmp_path, ScriptedEnvironment, num_environments=2)
