"""JSON lines, histograms and videos for Dopamine's CollectorDispatcher."""

import datetime
import json

import gin
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.dopamine_compat import CollectorDispatcher, StatisticsInstance
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch, trust
from dreamer_tf.experiment.collectors import (
    Collector,
    JsonLinesCollector,
    MediaCollector,
    plain,
    register,
)
from tests.helpers import TINY, ScriptedEnvironment, bind


def lines(directory):
    """The lines without their times, which must be in UTC."""
    text = (directory / "metrics/json_lines/metrics.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        time = datetime.datetime.fromisoformat(line.pop("time"))
        age = datetime.datetime.now(datetime.timezone.utc) - time
        assert abs(age.total_seconds()) < 3600
    return found


def test_statistics_of_one_call_and_step_share_a_line(tmp_path):
    collector = JsonLinesCollector(str(tmp_path))
    collector.write(
        [
            StatisticsInstance("loss", np.float32(1.5), 10),
            StatisticsInstance("kl", 2, 10),
            StatisticsInstance("loss", 3.0, 20),
            StatisticsInstance("video", np.zeros((2, 4, 4, 3), np.uint8), 20, "video"),
        ]
    )
    assert lines(tmp_path) == [{"step": 10, "loss": 1.5, "kl": 2.0}, {"step": 20, "loss": 3.0}]
    collector.close()


def test_a_second_process_appends(tmp_path):
    for value in (1.0, 2.0):
        collector = JsonLinesCollector(str(tmp_path))
        collector.write([StatisticsInstance("loss", value, int(value))])
        collector.close()
    assert [line["loss"] for line in lines(tmp_path)] == [1.0, 2.0]


def test_histograms_and_videos_reach_tensorboard(tmp_path):
    collector = MediaCollector(str(tmp_path))
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    collector.write(
        [
            StatisticsInstance("values", np.arange(5.0), 7, "histogram"),
            StatisticsInstance("dream", frames, 7, "video"),
            StatisticsInstance("loss", 1.0, 7),
        ]
    )
    collector.flush()
    collector.close()
    [events] = (tmp_path / "metrics/tensorboard").glob("*.media")
    found = {}
    for record in tf.data.TFRecordDataset(str(events)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        found |= {value.tag: (event.step, value) for value in event.summary.value}
    assert set(found) == {"values", "dream"} and found["values"][0] == 7
    image = found["dream"][1].image
    assert (image.height, image.width) == (8, 8) and image.encoded_image_string[:3] == b"GIF"


def test_scalars_leave_no_python_numbers_in_tensorflow(tmp_path, monkeypatch):
    """It would keep each of them for ever: 6 GB in a run of 200M frames."""
    seen = []
    scalar = tf.summary.scalar
    monkeypatch.setattr(
        tf.summary,
        "scalar",
        lambda *given, step: (seen.append((*given, step)), scalar(*given, step)),
    )
    gin_files.parse(["atari.gin"], TINY)
    dispatcher = CollectorDispatcher(str(tmp_path))
    dispatcher.write([StatisticsInstance("a", 0.1, 7), StatisticsInstance("b", np.float32(3), 8)])
    dispatcher.flush()
    assert [(name, float(value), int(step)) for name, value, step in seen] == [
        ("a", 0.1, 7),
        ("b", 3.0, 8),
    ]
    assert all(isinstance(number, np.generic) for _, *numbers in seen for number in numbers)


def test_gin_selects_the_collectors_by_name(tmp_path):
    bind("CollectorDispatcher.collectors=('json_lines', 'media')")
    dispatcher = CollectorDispatcher(str(tmp_path))
    dispatcher.write([StatisticsInstance("loss", 1.0, 1)])
    dispatcher.close()
    assert lines(tmp_path) == [{"step": 1, "loss": 1.0}]


def test_tensorboard_gets_the_configuration_as_text_and_for_its_table(tmp_path):
    collector = MediaCollector(str(tmp_path))
    values = {"RSSM.units": "600", "WorldModel.kl_scale": "0.1", "RSSM.latent": "@Binary()"}
    collector.write(
        [
            StatisticsInstance("configuration", "RSSM.units = 600\n", 0, "text"),
            StatisticsInstance("configuration", values, 0, "configuration"),
            StatisticsInstance("loss", 1.0, 0),
        ]
    )
    collector.close()
    (path,) = (tmp_path / "metrics/tensorboard").iterdir()
    found = {
        value.tag: value
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert b"    RSSM.units = 600" in found["configuration"].tensor.string_val[0]
    content = found["_hparams_/session_start_info"].metadata.plugin_data.content
    for word in (b"RSSM.units", b"WorldModel.kl_scale", b"@Binary()"):
        assert word in content
    assert set(found) == {"configuration", "_hparams_/session_start_info"}


def test_values_are_numbers_where_the_text_is_one():
    texts = {"a": "1", "b": "0.5", "c": "True", "d": "'x'", "e": "@f()", "g": "(1, 2)", "h": "None"}
    assert plain(texts) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": "x",
        "e": "@f()",
        "g": "(1, 2)",
        "h": "None",
    }


@gin.configurable(module="tests.collectors")
class Mine(Collector):
    """A collector from outside."""

    made: list = []

    def __init__(self, base_dir, greeting="hello"):
        super().__init__(base_dir)
        self.greeting, self.found, self.closed = greeting, {}, False
        self.made.append(self)

    def get_name(self):
        return "mine"

    def write(self, statistics):
        self.found |= {item.name: item.value for item in statistics if self.check_type(item.type)}

    def close(self):
        self.closed = True


@gin.configurable(module="tests.collectors")
def no_collector(base_dir):
    return base_dir


@pytest.fixture
def made():
    Mine.made.clear()
    return Mine.made


@pytest.mark.parametrize("reference", ["@Mine", "@scope/Mine", "%mine"])
def test_a_collector_of_ones_own_gets_everything_by_gin(tmp_path, made, reference):
    settings = [f"CollectorDispatcher.collectors=('json_lines', {reference})"]
    scope = "scope/" if "scope" in reference else ""
    settings += ["mine=@Mine", f"{scope}Mine.greeting='hi'"]
    gin_files.parse(["atari_small.gin"], [*TINY, *settings])
    gin.bind_parameter(launch.FACTORY, None)
    runner = launch.make_runner(str(tmp_path), 0, ScriptedEnvironment)
    runner.run_experiment()
    runner.close()
    (mine,) = made
    assert mine.greeting == "hi" and mine.closed and (tmp_path / "metrics/mine").is_dir()
    rows = lines(tmp_path)
    written = {name: value for row in rows for name, value in row.items() if name != "step"}
    assert {"Train/AverageReturns", "Eval/AverageReturns", "Agent/kl_loss"} <= set(written)
    assert {name: float(mine.found[name]) for name in written} == pytest.approx(written)
    assert {"Train/EpisodeReturn", "Eval/EpisodeLength"} <= set(mine.found)
    # Whoever evaluates the run has chosen this code by importing it.
    trust.check((tmp_path / "config.gin").read_text(), "config.gin")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("'json_line',", r"has 'json_line', which does not exist\. Did you mean 'json_lines'"),
        ("@Mine(),", r"write a class as in @MyCollector, without \(\)"),
        ("@no_collector,", r"has a str, which is no collector"),
        ("@Mine, 3", r"has 3: write names"),
    ],
)
def test_what_is_no_collector_is_named(tmp_path, entries, words):
    gin_files.parse(["atari_small.gin"], [*TINY, f"CollectorDispatcher.collectors=({entries})"])
    gin.bind_parameter(launch.FACTORY, None)
    with pytest.raises(UserError, match=words):
        launch.make_runner(str(tmp_path), 0, ScriptedEnvironment)


def test_every_shipped_collector_is_known():
    bind("CollectorDispatcher.collectors=('console', 'tensorboard', 'json_lines', 'media')")
    register()
