"""Schedules at the numbers of their definition; the authors' notation is tested in parity."""

import gin
import pytest
import tensorflow as tf

from dreamer_tf.networks import schedules
from tests.helpers import bind


def at(schedule, update):
    value = schedule(tf.constant(update, tf.int64))
    assert value.dtype == tf.float32 and value.shape == ()
    return float(value)


def test_a_number_is_constant():
    schedule = schedules.as_schedule(0.3)
    assert at(schedule, 0) == at(schedule, 10**6) == pytest.approx(0.3)


def test_linear_stops_at_its_end():
    schedule = schedules.linear_schedule(initial=2.0, final=1.0, steps=10)
    assert [at(schedule, update) for update in (0, 5, 10, 99)] == [2.0, 1.5, 1.0, 1.0]


def test_warmup_begins_with_zero():
    schedule = schedules.warmup_schedule(value=4.0, steps=8)
    assert [at(schedule, update) for update in (0, 2, 8, 9)] == [0.0, 1.0, 4.0, 4.0]


def test_exponential_halves_the_distance():
    schedule = schedules.exponential_schedule(initial=9.0, final=1.0, halflife=100)
    assert [at(schedule, update) for update in (0, 100, 200)] == [9.0, 5.0, 3.0]


def test_horizon_becomes_a_discount():
    schedule = schedules.horizon_schedule(initial=10.0, final=100.0, steps=10)
    found = [at(schedule, update) for update in (0, 5, 10, 20)]
    assert found == pytest.approx([0.9, 1 - 1 / 55, 0.99, 0.99])


def test_gin_can_bind_a_schedule_to_any_value():
    bind(
        "a/linear_schedule.initial=1.0", "a/linear_schedule.final=0.0", "a/linear_schedule.steps=10"
    )
    with gin.config_scope("a"):
        schedule = schedules.linear_schedule()
    assert at(schedules.as_schedule(schedule), 5) == 0.5


def test_only_numbers_are_known_to_be_constant():
    schedule = schedules.linear_schedule(initial=1.0, final=1.0, steps=10)
    assert schedules.is_constant(1, 1.0) and not schedules.is_constant(0.5, 1.0)
    assert not schedules.is_constant(schedule, 1.0)
