"""The ways for a CPU are used where there is no GPU."""

import pytest
import tensorflow as tf

from dreamer_tf.networks import placement


@pytest.mark.parametrize("gpus", [[], ["GPU:0"]])
def test_a_gpu_takes_the_ways_for_a_cpu_away(gpus, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus)
    assert placement.suits_cpu() == (not gpus)
