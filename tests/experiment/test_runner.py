"""DreamerRunner: the order of all calls, seeds, interruption, resuming, logs."""

import json
import os
import signal

import numpy as np
import pytest

from dreamer_tf.agents import registry as agents
from dreamer_tf.agents.dopamine_compat import run_experiment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment.guard import EnvironmentFailure
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.experiment.signals import Interrupted
from dreamer_tf.scores import score_files
from dreamer_tf.settings.bindings import check_values
from tests.helpers import ScriptedAgent, ScriptedEnvironment, bind


@pytest.fixture
def scripted(monkeypatch):
    """Runs a scripted agent; phases of 12 training steps and 5 evaluation steps."""
    monkeypatch.setitem(agents.AGENTS, "scripted", ScriptedAgent)
    bind(
        "dreamer_tf.create_agent.agent_name='scripted'",
        "Runner.num_iterations=1",
        "Runner.training_steps=12",
        "Runner.evaluation_steps=5",
        "Runner.max_steps_per_episode=100",
        "Runner.clip_rewards=False",
        "DreamerRunner.progress_bar=False",
        "CollectorDispatcher.collectors=('json_lines', 'tensorboard')",
    )


def make_runner(base_dir, script=((5, "terminated"), (7, "truncated")), seed=0):
    return DreamerRunner(base_dir, lambda: ScriptedEnvironment(script), seed=seed)


def episode(number, length, terminal, evaluation=False, first=0):
    """The tape of one episode; rewards are action + 0.5."""
    tape = [("begin", evaluation, (number, 0))]
    action = 0
    for step in range(1, length):
        tape.append(("step", action + 0.5, (number, step)))
        action = (first + len(tape)) % 3
    tape.append(("end", action + 0.5, terminal, (number, length)))
    return tape


def test_the_agent_gets_every_call_in_order(scripted, tmp_path):
    """Every call that the agent gets, in order, over a training and an evaluation phase."""
    runner = make_runner(tmp_path)
    runner.run_experiment()
    expected = episode(0, 5, True)
    expected += episode(1, 7, False, first=len(expected))
    expected += episode(0, 5, True, evaluation=True, first=len(expected))
    assert runner.agent.tape == expected


class LostLock:
    """A lock that another host takes after a number of checks; the process would end then."""

    def __init__(self, checks):
        self.left = checks

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def close(self):
        pass


@pytest.mark.parametrize(("checks", "calls"), [(0, 1), (3, 4), (17, 20)])
def test_a_lost_directory_is_noticed_before_a_step_is_stored(scripted, tmp_path, checks, calls):
    """17 checks are those of all steps; the next one comes before the checkpoint."""
    runner = make_runner(tmp_path)
    runner.lock = LostLock(checks)
    with pytest.raises(KeyboardInterrupt):
        runner.run_experiment()
    assert len(runner.agent.tape) == calls
    assert not runner.store.numbers()


def test_runner_time_limit_is_a_truncation(scripted, tmp_path):
    """Runner.max_steps_per_episode ends an episode without terminating it."""
    bind("Runner.max_steps_per_episode=4", "Runner.evaluation_steps=0")
    runner = make_runner(tmp_path, [(9, "terminated")])
    runner.run_experiment()
    ends = [call for call in runner.agent.tape if call[0] == "end"]
    assert [end[2:] for end in ends] == [(False, (number, 4)) for number in range(3)]


@pytest.mark.parametrize("steps", [0, 5])
def test_an_evaluation_may_count_episodes(scripted, tmp_path, steps):
    """Training counts agent steps in any case."""
    bind(f"Runner.evaluation_steps={steps}", "DreamerRunner.evaluation_episodes=3")
    runner = make_runner(tmp_path)
    runner.run_experiment()
    assert [(score.phase, score.episodes) for score in runner.scores] == [("train", 2), ("eval", 3)]


def test_lost_life_ends_an_episode_for_the_agent_only(scripted, tmp_path):
    bind("Runner.training_steps=1", "Runner.evaluation_steps=0")
    runner = make_runner(tmp_path, [(6, "life")])
    runner.run_experiment()
    kinds = [(call[0], call[-1]) for call in runner.agent.tape]
    assert kinds[3:6] == [("step", (0, 3)), ("end", (0, 4)), ("begin", (0, 4))]
    assert [call[2] for call in runner.agent.tape if call[0] == "end"] == [True, True]
    assert runner.scores[0].episodes == 1


def test_rewards_are_clipped_only_on_request(scripted, tmp_path):
    bind("Runner.clip_rewards=True", "Runner.evaluation_steps=0")
    runner = make_runner(tmp_path)
    runner.run_experiment()
    rewards = [call[1] for call in runner.agent.tape if call[0] in ("step", "end")]
    assert max(rewards) == 1.0
    assert runner.scores[0].value > 5.0  # the score is not clipped


def test_statistics_are_those_of_dopamine(scripted, tmp_path):
    """Dopamine's own Runner on the same script counts the same."""
    runner = make_runner(tmp_path / "ours")
    runner.run_experiment()
    ours = runner._logger.data["iteration_0"]

    class DopamineAgent(ScriptedAgent):
        def end_episode(self, reward, terminal=True):
            super().end_episode(reward, terminal, {"vector": np.zeros(3)})

        def bundle_and_checkpoint(self, *_):
            return None

    from dreamer_tf.environments.interface import DopamineEnvironment

    theirs = run_experiment.Runner(
        str(tmp_path / "theirs"),
        lambda _, environment, summary_writer: DopamineAgent(None, None, base_dir=None, seed=0),
        lambda: DopamineEnvironment(ScriptedEnvironment()),
    )
    theirs.run_experiment()
    theirs = theirs._logger.data["iteration_0"]
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        if name != "train_average_steps_per_second":
            assert ours[name] == values, name


def test_phases_are_seeded_from_run_seed_and_iteration(scripted, tmp_path):
    bind("Runner.num_iterations=2")
    runner = make_runner(tmp_path / "0", seed=1)
    runner.run_experiment()
    seeds = [seed for seed in runner.environment.seeds if seed is not None]
    assert len(seeds) == len(set(seeds)) == 4
    again = make_runner(tmp_path / "1", seed=1)
    again.run_experiment()
    assert [seed for seed in again.environment.seeds if seed is not None] == seeds


def test_logs_are_readable_by_dopamine(scripted, tmp_path):
    from dopamine.colab import utils

    bind("Runner.num_iterations=3")
    make_runner(tmp_path).run_experiment()
    frame = utils.read_experiment(str(tmp_path.parent), job_descriptor=tmp_path.name)
    assert len(frame) == 3
    assert frame["train_episode_returns"].notna().all()


def test_scores_and_json_lines(scripted, tmp_path):
    bind("Runner.num_iterations=2")
    runner = make_runner(tmp_path, seed=3)
    runner.run_experiment()
    scores = score_files.read(tmp_path / score_files.FILE)
    assert scores == runner.scores
    assert [(score.iteration, score.phase) for score in scores] == [
        (0, "train"),
        (0, "eval"),
        (1, "train"),
        (1, "eval"),
    ]
    assert [score.frames for score in scores] == [12, 12, 24, 24]
    assert {score.seed for score in scores} == {3} and {score.agent for score in scores} == {
        "Scripted"
    }
    records = json.loads((tmp_path / score_files.FILE).read_text())
    assert {"Iteration", "Value", "Agent", "Phase", "GinHash"} <= set(records[0])
    lines = (tmp_path / "metrics/json_lines/metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    # Agent steps, where Dopamine counts iterations.
    assert [row["step"] for row in rows if "Train/AverageReturns" in row] == [12, 24]
    assert [row["step"] for row in rows if "Train/SecondsInEnvironment" in row] == [12, 24]


def episode_rows(base_dir):
    """Phase, agent steps of training, length and return of each row."""
    rows = [json.loads(line) for line in (base_dir / "episodes.jsonl").read_text().splitlines()]
    return [(row["phase"], row["step"], row["length"], row["return"]) for row in rows]


def test_every_finished_episode_is_a_row(scripted, tmp_path):
    runner = make_runner(tmp_path)
    runner.run_experiment()
    rows = episode_rows(tmp_path)
    assert [row[:3] for row in rows] == [("train", 5, 5), ("train", 12, 7), ("eval", 12, 5)]
    scores = {score.phase: score.value for score in runner.scores}
    assert np.mean([row[3] for row in rows if row[0] == "train"]) == scores["train"]
    assert rows[-1][3] == scores["eval"]


def test_a_resumed_run_has_a_row_for_every_episode_once(scripted, tmp_path):
    with pytest.raises(Interrupted):
        DreamerRunner(tmp_path, Interrupting).run_experiment()
    assert [row[:3] for row in episode_rows(tmp_path)] == [("train", 5, 5)]
    log = tmp_path / "episodes.jsonl"
    with log.open("a") as file:  # as a process would that was killed after the checkpoint
        file.write(log.read_text())
    resumed = make_runner(tmp_path)
    resumed.run_experiment()
    rows = episode_rows(tmp_path)
    # The cut episode is none. Its 3 steps count, so the next one ends at 5 + 3 + 5.
    assert [row[:3] for row in rows] == [("train", 5, 5), ("train", 13, 5), ("eval", 13, 5)]
    assert np.mean([row[3] for row in rows[:2]]) == resumed.scores[0].value


def test_resume_after_an_iteration(scripted, tmp_path):
    make_runner(tmp_path).run_experiment()
    bind("Runner.num_iterations=3")
    runner = make_runner(tmp_path)
    assert runner._start_iteration == 1 and runner.agent.agent_steps == 12
    runner.run_experiment()
    assert [score.iteration for score in runner.scores] == [0, 0, 1, 1, 2, 2]
    assert set(runner._logger.data) == {"iteration_0", "iteration_1", "iteration_2"}
    assert make_runner(tmp_path).finished


class Interrupting(ScriptedEnvironment):
    """Sends a signal to its own process at a step of an episode."""

    at = (1, 3)  # number of the reset, step

    def step(self, action):
        result = super().step(action)
        if (len(self.seeds) - 1, self.steps) == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return result


class InEvaluation(Interrupting):
    at = (2, 2)


def interrupt_and_resume(base_dir, environment):
    """The runner that goes on after the environment has interrupted the first one."""
    with pytest.raises(Interrupted):
        DreamerRunner(base_dir, environment).run_experiment()
    return make_runner(base_dir)


def test_interrupt_saves_in_the_middle_of_a_phase(scripted, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    runner = DreamerRunner(tmp_path, Interrupting)
    with pytest.raises(Interrupted):
        runner.run_experiment()
    assert runner.agent.tape[-1] == ("cut",)
    assert signal.getsignal(signal.SIGINT) is before
    resumed = make_runner(tmp_path)
    # Episode 0 (5 steps) is finished, and 3 steps of episode 1 count.
    assert resumed._phases["train"]["steps"] == 8
    assert resumed._phases["train"]["lengths"] == [5]
    resumed.run_experiment()
    score = resumed.scores[0]
    assert (score.phase, score.episodes, score.frames) == ("train", 2, 13)
    assert runner.environment.seeds[0] != resumed.environment.seeds[0]


def test_interrupt_in_the_evaluation_keeps_the_training(scripted, tmp_path):
    resumed = interrupt_and_resume(tmp_path, InEvaluation)
    resumed.run_experiment()
    assert not any(call[0] == "begin" and call[1] is False for call in resumed.agent.tape)
    assert [score.frames for score in resumed.scores] == [12, 12]


def test_a_short_interrupted_evaluation_is_run_again(scripted, tmp_path):
    """Its steps do not count as a finished evaluation."""
    bind("Runner.evaluation_steps=1")

    resumed = interrupt_and_resume(tmp_path, InEvaluation)
    resumed.run_experiment()
    assert [score.phase for score in resumed.scores] == ["train", "eval"]


def test_a_phase_has_a_whole_episode(scripted, tmp_path):
    """Also where the episode that was cut had used up the budget of steps."""
    bind("Runner.training_steps=3")

    class Late(Interrupting):
        at = (0, 4)

    resumed = interrupt_and_resume(tmp_path, Late)
    assert resumed._phases["train"]["steps"] == 4
    resumed.run_experiment()
    assert [score.episodes for score in resumed.scores] == [1, 1]


def test_no_evaluation_gives_no_score(scripted, tmp_path):
    bind("Runner.evaluation_steps=0")
    runner = make_runner(tmp_path)
    runner.run_experiment()
    assert [score.phase for score in runner.scores] == ["train"]
    assert "Eval/" not in (tmp_path / "metrics/json_lines/metrics.jsonl").read_text()


def test_without_dopamines_old_logs(scripted, tmp_path):
    bind("Runner.use_legacy_logger=False")
    make_runner(tmp_path).run_experiment()
    assert not (tmp_path / "logs").exists()
    assert make_runner(tmp_path).finished


def test_a_failing_environment_is_named_and_all_before_it_is_saved(scripted, tmp_path):
    class Failing(ScriptedEnvironment):
        def step(self, action):
            if (self.episode, self.steps) == (1, 3):
                raise ValueError("the simulator broke")
            return super().step(action)

    runner = DreamerRunner(tmp_path, Failing)
    with pytest.raises(EnvironmentFailure, match=r"Scripted failed at agent step 9.*broke"):
        runner.run_experiment()
    assert runner.agent.tape[-1] == ("cut",)
    assert make_runner(tmp_path)._phases["train"]["steps"] == 8


def test_a_full_disk_is_named(scripted, tmp_path):
    runner = make_runner(tmp_path)

    def step(reward, observation):
        raise OSError(28, "No space left on device")

    runner.agent.step = step
    with pytest.raises(UserError, match=r"No space left on device.*no checkpoint yet"):
        runner.run_experiment()


def test_log_every_n_is_checked(scripted):
    bind("Runner.log_every_n=0")
    with pytest.raises(UserError, match=r"Runner\.log_every_n is 0"):
        check_values()


def test_endless_episodes_are_refused(scripted, tmp_path):
    bind("Runner.max_steps_per_episode=None")
    with pytest.raises(UserError, match=r"Runner\.max_steps_per_episode"):
        make_runner(tmp_path)
