"""Mirrors of the metrics: what they get, how they fail, and that they never end a run."""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from dreamer_tf.agents.dopamine_compat import StatisticsInstance
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import mirrors

CONFIGURATION = StatisticsInstance("configuration", {"RSSM.units": "600"}, 0, "configuration")


class Recording(mirrors.Mirror):
    """A mirror that keeps what it gets, and fails when it is told to."""

    package = "json"
    fails_to: tuple[str, ...] = ()

    def __init__(self, base_dir):
        super().__init__(base_dir)
        self.calls = []

    def get_name(self):
        return "recording"

    def _call(self, name, *found):
        if name in self.fails_to:
            raise RuntimeError(f"{name} failed.\nSecond line")
        self.calls.append((name, *found))

    def _connect(self, facts, values):
        self._call("connect", facts.get("id"), values)

    def _send(self, statistics):
        self._call("send", [item.name for item in statistics])

    def _close(self):
        self._call("close")


def test_it_connects_once_with_the_configuration(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"id": "abc"}))
    mirror = Recording(str(tmp_path))
    assert mirror.calls == []  # making it must not cost or change anything
    mirror.write([CONFIGURATION])
    mirror.write([StatisticsInstance("loss", 1.0, 3)])
    mirror.close()
    mirror.close()
    assert mirror.calls == [
        ("connect", "abc", {"RSSM.units": 600}),
        ("send", []),
        ("send", ["loss"]),
        ("close",),
    ]


def test_one_that_cannot_be_opened_stops_the_run_before_it_begins(tmp_path):
    mirror = Recording(str(tmp_path))
    mirror.fails_to = ("connect",)
    with pytest.raises(UserError, match=r"'recording', which cannot be reached \(connect failed\)"):
        mirror.write([CONFIGURATION])


def test_one_that_fails_later_ends_no_run(tmp_path):
    mirror = Recording(str(tmp_path))
    mirror.write([CONFIGURATION])
    mirror.fails_to = ("send", "close")
    mirror.write([StatisticsInstance("loss", 1.0, 3)])
    mirror.fails_to = ()
    mirror.write([StatisticsInstance("loss", 1.0, 4)])
    mirror.close()
    assert mirror.calls[-1] == ("send", [])


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(mirrors.WandbCollector, "package", "no_such_package")
    with pytest.raises(UserError, match=r"pip install 'dreamer_tf\[wandb\]'"):
        mirrors.WandbCollector(str(tmp_path))


WRITE = """
import sys
import numpy as np
from dreamer_tf.agents.dopamine_compat import StatisticsInstance
from dreamer_tf.experiment import mirrors
collector = getattr(mirrors, sys.argv[1])(sys.argv[2])
steps = int(sys.argv[3])
collector.write([
    StatisticsInstance("configuration", "RSSM.units = 600", 0, "text"),
    StatisticsInstance("configuration", {"RSSM.units": "600", "A.b": "@f()"}, 0, "configuration"),
])
collector.write([
    StatisticsInstance("Agent/kl", np.float32(0.5), steps),
    StatisticsInstance("Agent/loss", float("nan"), steps),
    StatisticsInstance("Histogram/kl", np.arange(9.0), steps, "histogram"),
    StatisticsInstance("Dream/video", np.zeros((3, 8, 8, 3), np.uint8), steps, "video"),
])
collector.flush()
collector.close()
print("mirrored")
"""


def write(directory, collector, steps, **environment):
    run = directory / "runs/atari/Pong/3"
    run.mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_text(json.dumps({"id": "0123456789abcdef0123"}))
    result = subprocess.run(
        [sys.executable, "-c", WRITE, collector, str(run), str(steps)],
        cwd=directory,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0 and "mirrored" in result.stdout, result.stderr
    assert "gets nothing more" not in result.stderr
    # Nothing of a mirror lies in the run, which must not hold links.
    assert os.listdir(run) == ["run.json"]


def records(path):
    """What W&B has written: records in blocks of 32 kB, as LevelDB's logs have them."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        _, size, kind = struct.unpack_from("<IHB", data, place)
        if left < 7 or kind == 0:
            place += left
            continue
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


@pytest.mark.ci
@pytest.mark.timeout(600)
def test_weights_and_biases_works_offline(tmp_path):
    """Two processes of one run, as after an interruption."""
    for steps in (10, 20):
        write(tmp_path, "WandbCollector", steps, WANDB_MODE="offline", WANDB_DIR=str(tmp_path))
    history, started, configuration = {}, set(), {}
    for path in sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb")):
        for record in records(path):
            if record.WhichOneof("record_type") == "run":
                started.add((record.run.run_id, record.run.run_group))
                configuration |= {
                    "".join(item.nested_key) or item.key: json.loads(item.value_json)
                    for item in record.run.config.update
                }
            found = {
                "/".join(item.nested_key) or item.key: item.value_json
                for item in record.history.item
            }
            if "agent_steps" in found:
                history[json.loads(found["agent_steps"])] = found
    assert started == {("0123456789abcdef", "atari/Pong")}
    assert configuration["RSSM.units"] == 600 and configuration["A.b"] == "@f()"
    assert sorted(history) == [10, 20]
    for row in history.values():
        assert json.loads(row["Agent/kl"]) == 0.5
        for name, kind in (("Histogram/kl", "histogram"), ("Dream/video", "video-file")):
            assert kind in "".join(row[key] for key in row if key.startswith(name))


@pytest.mark.ci
@pytest.mark.timeout(600)
def test_mlflow_continues_the_same_run(tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file://{tmp_path}/store"
    for steps in (10, 20):
        write(tmp_path, "MlflowCollector", steps, MLFLOW_TRACKING_URI=uri)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("dreamer_tf")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params == {"RSSM.units": "600", "A.b": "@f()"}
    assert run.info.status == "FINISHED" and run.info.run_name == "atari/Pong/3"
    found = client.get_metric_history(run.info.run_id, "Agent/kl")
    assert [(item.step, item.value) for item in found] == [(10, 0.5), (20, 0.5)]
    (value,) = {
        str(item.value) for item in client.get_metric_history(run.info.run_id, "Agent/loss")
    }
    assert np.isnan(float(value))
    assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["configuration.gin"]
