"""Numbers of `info` at the end of an episode: rows, means, several environments, resume, errors."""

import json

import gymnasium
import numpy as np
import pytest

import dreamer_tf
from dreamer_tf.agents import registry as agents
from dreamer_tf.environments.gym import create_gym_environment
from dreamer_tf.environments.interface import numbers_of
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.experiment.signals import Interrupted
from tests.helpers import TINY, ScriptedAgent, ScriptedEnvironment, bind


class Successful(ScriptedEnvironment):
    """Says how many steps were made, and that episodes which terminate are successes."""

    episode_info = ("is_success", "steps")

    def step(self, action):
        *rest, terminated, truncated, info = super().step(action)
        said = {"is_success": np.bool_(terminated), "steps": self.steps, "other": "text"}
        return *rest, terminated, truncated, info | said


@pytest.fixture
def scripted(monkeypatch):
    """Two iterations with twelve agent steps of training: an episode of 5 steps, one of 7."""
    monkeypatch.setitem(agents.AGENTS, "scripted", ScriptedAgent)
    lengths = ["Runner.training_steps=12", "Runner.evaluation_steps=5", "Runner.num_iterations=2"]
    gin_files.parse(["gym.gin"], [*TINY, *lengths, "Runner.max_steps_per_episode=50"])
    bind("dreamer_tf.create_agent.agent_name='scripted'")


def rows(directory):
    return [json.loads(line) for line in (directory / "episodes.jsonl").read_text().splitlines()]


def run(directory, environment=Successful):
    runner = DreamerRunner(directory, environment, seed=3)
    runner.run_experiment()
    runner.close()


@pytest.mark.parametrize("count", [1, 2])
def test_every_row_has_the_numbers_of_its_episode(count, scripted, tmp_path):
    if count > 1:  # the scripted agent acts in one
        bind("dreamer_tf.create_agent.agent_name='dreamer_v2'")
    bind(f"DreamerRunner.num_environments={count}")
    bind("create_vector_environment.asynchronous=False")
    run(tmp_path)
    found = rows(tmp_path)
    assert {row["length"] for row in found} == {5, 7}
    for row in found:
        success = float(row["length"] == 5)
        assert row["info"] == {"is_success": success, "steps": float(row["length"])}


def test_the_means_of_a_phase_are_logged_and_found(scripted, tmp_path):
    run(tmp_path)
    lines = (tmp_path / "metrics/json_lines/metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines if "Info" in line]
    assert [line["Train/Info_is_success"] for line in found] == [0.5, 0.5]
    assert [line["Train/Info_steps"] for line in found] == [6.0, 6.0]
    assert [line["Eval/Info_is_success"] for line in found] == [1.0, 1.0]


def test_the_means_of_a_resumed_phase_are_those_of_the_whole_phase(scripted, tmp_path):
    class Interrupting(Successful):
        def step(self, action):
            if self.episode == 1 and self.steps == 2 and not runner._interruptions:
                runner._stop.requested = True
            return super().step(action)

    runner = DreamerRunner(tmp_path, Interrupting, seed=3)
    with pytest.raises(Interrupted):
        runner.run_experiment()
    runner.close()
    assert [row["info"]["is_success"] for row in rows(tmp_path)] == [1.0]
    run(tmp_path)
    first = [row["info"]["steps"] for row in rows(tmp_path) if row["phase"] == "train"][:2]
    lines = (tmp_path / "metrics/json_lines/metrics.jsonl").read_text().splitlines()
    means = [json.loads(line)["Train/Info_steps"] for line in lines if "Train/Info_steps" in line]
    assert means[0] == np.mean(first)


def test_gymnasium_environments_name_them_by_gin(tmp_path):
    class Reaching(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        action_space = gymnasium.spaces.Discrete(2)
        episode_info = ("own",)

        def reset(self, *, seed=None, options=None):
            return np.zeros(2, np.float32), {}

        def step(self, action):
            return np.zeros(2, np.float32), 1.0, True, False, {"is_success": True, "own": 3}

    gin_files.parse(["gym.gin"], ["create_gym_environment.episode_info = ('is_success', 'own')"])
    environment = create_gym_environment(factory=Reaching)
    assert environment.episode_info == ("own", "is_success")
    environment.reset()
    assert numbers_of(environment.step(0)[-1], environment.episode_info) == (3.0, 1.0)


@pytest.mark.parametrize("value", ["text", None, [1.0, 2.0], float("nan"), "missing"])
def test_what_is_no_number_is_named(value, scripted, tmp_path):
    class Wrong(Successful):
        def step(self, action):
            *rest, info = super().step(action)
            info["steps"] = value
            if value == "missing":
                del info["steps"]
            return *rest, info

    with pytest.raises(UserError, match=r"no number named 'steps'.*all steps before it are saved"):
        run(tmp_path, Wrong)
    assert (tmp_path / "checkpoints/ckpt-000001").is_dir()


def test_load_metrics_has_the_numbers(scripted, tmp_path):
    runner = launch.make_runner(str(tmp_path), 3, Successful)
    runner.run_experiment()
    runner.close()
    table = dreamer_tf.load_metrics(tmp_path)
    assert table[table.metric == "Train/EpisodeInfo_steps"].value.tolist() == [5.0, 7.0] * 2
    assert table[table.metric == "Train/Info_steps"].value.tolist() == [6.0, 6.0]
