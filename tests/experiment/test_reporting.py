"""What a run reports: statistics, scores, looks at the model, the text of the progress bar."""

import json

import numpy as np
import pytest

from dreamer_tf.environments.interface import complete
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import reporting
from dreamer_tf.experiment.phases import no_progress
from dreamer_tf.experiment.reporting import DreamSettings, ProgressText, Reporter
from dreamer_tf.experiment.session import Session
from dreamer_tf.open_loop.prediction import Inspection, OpenLoop
from dreamer_tf.scores import score_files
from tests.helpers import ScriptedAgent, ScriptedEnvironment


class Named:
    def __init__(self, name):
        self.name = name

    def get_name(self):
        return self.name


class Dispatcher:
    """Keeps what the JSON lines and the console get: name, value and step."""

    def __init__(self):
        self._collectors = [Named("console"), Named("json_lines")]
        self.values, self.console, self.tensorboard = {}, {}, {}

    def write(self, statistics, collector_allowlist=()):
        found = {item.name: (item.value, item.step) for item in statistics}
        kept = {"json_lines": self.values, "console": self.console, "tensorboard": self.tensorboard}
        for name, values in kept.items():
            if not collector_allowlist or name in collector_allowlist:
                values |= found


def make_agent(steps=100):
    agent = ScriptedAgent(None, None, base_dir=None, seed=0)
    agent.agent_steps = steps
    return agent


def make_reporter(tmp_path, every=1):
    return Reporter(str(tmp_path), 3, DreamSettings(every, 6, 2), Session(str(tmp_path)))


def phases(train=(1.0, 3.0), evaluation=()):
    found = no_progress()
    found["train"]["returns"] += train
    found["eval"]["returns"] += evaluation
    return found


@pytest.mark.parametrize("length,context", [(5, 5), (5, 0), (1, 1)])
def test_a_prediction_needs_context_and_something_to_predict(length, context):
    with pytest.raises(UserError, match=r"DreamerRunner\.dream_context"):
        DreamSettings(1, length, context).check()
    DreamSettings(0, length, context).check()  # never looked at


def test_statistics_leave_out_a_phase_without_episodes(tmp_path):
    dispatcher = Dispatcher()
    make_reporter(tmp_path).write_statistics(dispatcher, 4, phases(), 500, 12.5, 2.0)
    assert dispatcher.values == {
        "Train/NumEpisodes": (2, 500),
        "Train/AverageReturns": (2.0, 500),
        "Train/AverageStepsPerSecond": (12.5, 500),
        "Train/SecondsInEnvironment": (2.0, 500),
    }


def test_the_console_counts_iterations_as_it_says(tmp_path):
    dispatcher = Dispatcher()
    make_reporter(tmp_path).write_statistics(dispatcher, 4, phases(), 500, 12.5, 2.0)
    assert dispatcher.console == {
        "Train/NumEpisodes": (2, 4),
        "Train/AverageReturns": (2.0, 4),
        "Train/AverageStepsPerSecond": (12.5, 4),
    }
    alone = Dispatcher()
    alone._collectors = [Named("console")]
    make_reporter(tmp_path).write_statistics(alone, 4, phases(), 500, 12.5, 2.0)
    assert alone.console == dispatcher.console


def test_numbers_of_info_are_averaged_where_they_are_known(tmp_path):
    """A checkpoint of anybody may hold other names, or none."""
    dispatcher, reporter = Dispatcher(), make_reporter(tmp_path)
    found = phases()
    found["train"]["infos"] = [{"a": 1.0}, {"a": 3.0, "b": 5.0}]
    found["eval"]["infos"] = []
    reporter.write_statistics(dispatcher, 0, found, 500, 12.5, 2.0)
    assert dispatcher.values["Train/Info_a"] == (2.0, 500)
    assert dispatcher.values["Train/Info_b"] == (5.0, 500)
    found["train"]["infos"].clear()
    found["train"]["lengths"] = [3]
    environment = complete(ScriptedEnvironment())
    reporter.write_episode(dispatcher, "train", found["train"], make_agent(), environment)
    assert "info" not in json.loads((tmp_path / "episodes.jsonl").read_text())


def test_an_episode_is_a_row_at_once(tmp_path):
    dispatcher, reporter = Dispatcher(), make_reporter(tmp_path)
    environment = complete(ScriptedEnvironment())
    environment.frames_per_step = 4
    agent, found = make_agent(steps=12), phases(train=(1.5,), evaluation=(-2.0,))
    found["train"]["lengths"], found["eval"]["lengths"] = [12], [7]
    for mode in ("train", "eval"):
        reporter.write_episode(dispatcher, mode, found[mode], agent, environment)
    rows = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    for row in rows:
        assert row.pop("seconds") >= 0 and row.pop("time").endswith("+00:00")
    common = {"step": 12, "frames": 48, "updates": agent.updates}
    assert rows == [
        {"phase": "train", "return": 1.5, "length": 12} | common,
        {"phase": "eval", "return": -2.0, "length": 7} | common,
    ]
    assert dispatcher.values == dispatcher.console == {}
    assert dispatcher.tensorboard["Eval/EpisodeReturn"] == (-2.0, 12)
    assert dispatcher.tensorboard["Train/EpisodeLength"] == (12, 12)


def test_scores_count_frames_and_name_everything_that_matters(tmp_path):
    reporter = make_reporter(tmp_path)
    environment = complete(ScriptedEnvironment())
    environment.frames_per_step = 4
    reporter.write_scores(0, phases(evaluation=(7.0,)), make_agent(), environment, 27_000)
    reporter.write_scores(1, phases(), make_agent(200), environment, 27_000)
    stored = score_files.read(tmp_path / score_files.FILE)
    assert stored == reporter.scores
    assert [(s.phase, s.value, s.frames, s.episodes) for s in stored] == [
        ("train", 2.0, 400, 2),
        ("eval", 7.0, 400, 1),
        ("train", 2.0, 800, 2),
    ]
    assert {(s.agent, s.game, s.seed, s.protocol) for s in stored} == {
        ("Scripted", "Scripted", 3, "scripted")
    }


class Seeing(ScriptedAgent):
    """Its model is right while it sees, and off by 2 afterwards."""

    def inspect(self, length, context, seed):
        truth = {"vector": np.zeros((1, length, 3), np.float32)}
        prediction = {"vector": np.zeros((1, length, 3), np.float32)}
        prediction["vector"][:, context:] = 2.0
        return Inspection(OpenLoop(truth, prediction, context), {"kl": np.ones((1, length))})


def test_a_look_at_the_model_writes_errors_histograms_and_a_gif(tmp_path):
    agent, dispatcher = Seeing(None, None, base_dir=None, seed=0), Dispatcher()
    agent.agent_steps = 50
    make_reporter(tmp_path).look_at_the_model(dispatcher, 0, agent)
    assert dispatcher.values["Dream/vector_error_seen"] == (0.0, 50)
    assert dispatcher.values["Dream/vector_error_dreamt"] == (4.0, 50)
    assert {"Histogram/kl", "Dream/video"} <= set(dispatcher.values)
    assert (tmp_path / "dreams/iteration-000000.gif").read_bytes()[:3] == b"GIF"


def test_looks_come_every_few_iterations_and_only_with_a_model(tmp_path):
    agent, dispatcher = Seeing(None, None, base_dir=None, seed=0), Dispatcher()
    for iteration in range(4):
        make_reporter(tmp_path, every=2).look_at_the_model(dispatcher, iteration, agent)
        make_reporter(tmp_path, every=0).look_at_the_model(dispatcher, iteration, agent)
    names = sorted(path.name for path in (tmp_path / "dreams").iterdir())
    assert names == ["iteration-000001.gif", "iteration-000003.gif"]
    blind = Dispatcher()
    make_reporter(tmp_path).look_at_the_model(blind, 0, make_agent())
    assert blind.values == {}


def test_the_progress_text_shows_losses_in_training_only():
    agent = make_agent()
    agent.metrics = {"image_error": 1.23456, "kl": 0.5, "other": 9.0}
    found = phases()
    training = ProgressText("train", found["train"], agent, 4)(20)
    assert "return 3" in training and "image 1.235" in training and "kl 0.5" in training
    assert "updates/s" in training and "other" not in training
    evaluation = ProgressText("eval", found["eval"], agent, 4)(20)
    assert "return -" in evaluation and "image" not in evaluation and "updates" not in evaluation


def test_a_checkpoint_keeps_the_newest_iterations_of_the_legacy_logger(monkeypatch):
    """With the returns of millions of episodes it could not be read again."""
    logs = {f"iteration_{k}": {"length": [k] * 4, "return": [0.5] * 4} for k in range(5)}
    assert reporting.recent_logs(logs) == logs and list(reporting.recent_logs(logs)) == list(logs)
    monkeypatch.setattr(reporting, "_LOGGED", 17)
    assert list(reporting.recent_logs(logs)) == ["iteration_3", "iteration_4"]
    monkeypatch.setattr(reporting, "_LOGGED", 3)
    assert list(reporting.recent_logs(logs)) == ["iteration_4"]
