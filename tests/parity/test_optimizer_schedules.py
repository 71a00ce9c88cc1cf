"""Cases F and J: optimizer and schedules against the authors' implementation."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks import schedules
from dreamer_tf.networks.optimizer import Optimizer
from tests.parity.golden import STEP


@pytest.mark.parametrize(
    "case", ["clip100_wd1e6", "clip1_wd1e6", "clip100_wd1e2", "noclip_nowd", "largeeps"]
)
def test_optimizer(golden, case):
    data = golden("F_optimizer")
    initial = data.group("params/")
    variables = {name: keras.Variable(value, name=name) for name, value in initial.items()}
    setting = {key: float(data[f"{case}/{key}"]) for key in ("lr", "eps", "clip", "wd")}
    optimizer = Optimizer(
        list(variables.values()),
        name="test",
        learning_rate=setting["lr"],
        epsilon=setting["eps"],
        clip=setting["clip"],
        weight_decay=setting["wd"],
    )
    gradients = data.group("grads/")
    for update in range(len(data[f"{case}/grad_norm"])):
        result = optimizer.apply([tf.constant(gradients[name][update]) for name in variables])
        norm = data[f"{case}/grad_norm"][update]
        assert abs(float(result.grad_norm) - norm) < 2e-5 * norm
        for name, variable in variables.items():
            expected = data[f"{case}/params_after/{name}"][update]
            error = np.abs(variable.numpy() - expected).max() / setting["lr"]
            assert error < STEP, f"{name} after update {update + 1}: {error:.1e} learning rates"


def parse(string: str) -> schedules.Schedule:
    """The authors' notation for a schedule, as one of ours."""
    match = re.fullmatch(r"(\w+)\((.+)\)", string)
    if not match:
        return schedules.as_schedule(float(string), string)
    numbers = (float(value) for value in match[2].split(","))
    # Steps are whole numbers here.
    values = [int(value) if value.is_integer() else value for value in numbers]
    functions = {
        "linear": schedules.linear_schedule,
        "warmup": lambda steps, value: schedules.warmup_schedule(value=value, steps=steps),
        "exp": schedules.exponential_schedule,
        "horizon": schedules.horizon_schedule,
    }
    return functions[match[1]](*values)


def test_schedules(golden):
    data = golden("J_schedule")
    for string, expected in zip(data["strings"], data["values"], strict=True):
        schedule = parse(str(string))
        actual = [float(schedule(tf.constant(update, tf.int64))) for update in data["steps"]]
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=1e-9, err_msg=str(string))
