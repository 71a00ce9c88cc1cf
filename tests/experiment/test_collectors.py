"""JSON lines, histograms and videos for Dopamine's CollectorDispatcher."""

import datetime
import json

import numpy as np
import tensorflow as tf

from dreamer_tf.agents.dopamine_compat import CollectorDispatcher, StatisticsInstance
from dreamer_tf.experiment.collectors import JsonLinesCollector, MediaCollector, plain
from tests.helpers import bind


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
