"""Devices, each setting in a process of its own: TensorFlow can be set up only once."""

import subprocess
import sys

import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import launch
from dreamer_tf.experiment.devices import configure_devices
from tests.helpers import bind

_START = """
import os
os.environ.pop("XLA_PYTHON_CLIENT_PREALLOCATE", None)
import dreamer_tf.experiment.launch  # nothing of it may start TensorFlow
import dreamer_tf.experiment.policy
import tensorflow as tf
from dreamer_tf.experiment.devices import configure_devices
"""


def in_a_process(code):
    result = subprocess.run(
        [sys.executable, "-c", _START + code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.split("\n")


def test_threads_and_determinism():
    output = in_a_process(
        "print(configure_devices(gpu=None, cpu_threads=1, deterministic=True))\n"
        "print(tf.config.threading.get_intra_op_parallelism_threads())\n"
        "try:\n    tf.random.normal([1])\n"
        "except RuntimeError as error:\n    print('seed' in str(error))\n"
        "print(tf.config.get_visible_devices('GPU'))\n"
        "print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'])\n"
    )
    assert output[:5] == ["CPU, 1 threads", "1", "True", "[]", "false"]


def test_settings_after_tensorflow_has_started_are_refused_by_name():
    output = in_a_process(
        "tf.zeros(1)\n"
        "from dreamer_tf.errors import UserError\n"
        "try:\n    configure_devices(cpu_threads=1)\n"
        "except UserError as error:\n    print(error.sentence)\n"
    )
    assert output[0].startswith("configure_devices comes too late")


def test_the_gpu_that_is_asked_for(monkeypatch):
    """A machine with two GPUs, as far as TensorFlow's configuration goes."""
    devices = [tf.config.PhysicalDevice(f"/physical_device:GPU:{n}", "GPU") for n in range(2)]
    calls = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices)
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda found, kind: calls.append(("visible", found))
    )
    for name in ("set_memory_growth", "get_device_details"):
        monkeypatch.setattr(
            tf.config.experimental,
            name,
            lambda *arguments, name=name: calls.append((name, *arguments)) or {},
        )
    monkeypatch.setattr(
        tf.config,
        "set_logical_device_configuration",
        lambda device, found: calls.append(("limit", device, found[0].memory_limit)),
    )
    assert configure_devices(gpu=1).startswith("GPU 1")
    assert ("visible", devices[1:]) in calls
    assert ("set_memory_growth", devices[1], True) in calls
    configure_devices(memory_limit_mb=100)
    assert ("limit", devices[0], 100) in calls
    calls.clear()
    assert configure_devices(gpu=None).startswith("CPU")
    assert calls == [("visible", [])]
    with pytest.raises(UserError, match=r"configure_devices\.gpu is 2, but there are 2 GPUs"):
        configure_devices(gpu=2)


def test_a_run_uses_the_configured_device(monkeypatch, tmp_path):
    def refuse(**_):
        raise UserError("asked")

    monkeypatch.setattr(launch, "configure_devices", refuse)
    bind("DreamerRunner.progress_bar = False")
    with pytest.raises(UserError, match="asked"):
        launch.make_runner(str(tmp_path / "run"), 0)
