"""Devices, each setting in a process of its own: TensorFlow can be set up only once."""

import subprocess
import sys

import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import launch
from dreamer_tf.experiment.devices import configure_devices
from dreamer_tf.networks import replicas
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


def test_several_gpus_are_those_from_the_first_on(monkeypatch):
    """A machine with three GPUs, as far as TensorFlow's configuration goes."""
    devices = [tf.config.PhysicalDevice(f"/physical_device:GPU:{n}", "GPU") for n in range(3)]
    calls, strategies = [], []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices)
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda found, _: calls.append(found))
    experimental = tf.config.experimental
    monkeypatch.setattr(experimental, "set_memory_growth", lambda *_: None)
    monkeypatch.setattr(experimental, "get_device_details", lambda _: {"device_name": "A"})
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names: names)
    monkeypatch.setattr(replicas, "use", strategies.append)
    assert configure_devices(strategy="mirrored") == "3 GPUs from number 0 on, A, mirrored"
    assert configure_devices(gpu=1, strategy="mirrored") == "2 GPUs from number 1 on, A, mirrored"
    assert configure_devices(strategy="mirrored", devices=1) == "GPU 0, A"
    assert configure_devices(gpu=2) == "GPU 2, A"
    assert calls == [devices[1:], devices[:1], devices[2:]]
    # TensorFlow counts the visible ones from 0 on.
    assert strategies == [["/GPU:0", "/GPU:1", "/GPU:2"], ["/GPU:0", "/GPU:1"], None, None]
    with pytest.raises(UserError, match="devices is 3, but there are 2 GPUs here from number 1 on"):
        configure_devices(gpu=1, strategy="mirrored", devices=3)


def test_several_devices_need_a_strategy():
    with pytest.raises(UserError, match=r"devices is 2, but one device computes: set .*'mirrored'"):
        configure_devices(devices=2)


def test_logical_cpus_share_the_threads_and_can_be_asked_for_again():
    output = in_a_process(
        "settings = dict(gpu=None, cpu_threads=1, strategy='mirrored', devices=2)\n"
        "print(configure_devices(**settings))\n"
        "print(configure_devices(**settings))\n"
        "print(len(tf.config.list_logical_devices('CPU')))\n"
        "from dreamer_tf.networks import replicas\n"
        "print(replicas.current().num_replicas_in_sync)\n"
        "configure_devices(gpu=None)\n"  # as the next run of the process
        "print(replicas.current().num_replicas_in_sync)\n"
    )
    mirrored = "CPU, 1 threads, as 2 logical CPUs, mirrored"
    assert output[:5] == [mirrored, mirrored, "2", "2", "1"]
