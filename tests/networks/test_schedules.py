"""Schedules at the numbers of their definition; the authors' notation is tested in parity."""

import math

import gin
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks import schedules
from tests.helpers import bind


def at(schedule, update):
    value = schedule(tf.constant(update, tf.int64))
    assert value.dtype == tf.float32 and value.shape == ()
    return float(value)


def test_a_number_is_constant():
    schedule = schedules.as_schedule(0.3, "a")
    assert at(schedule, 0) == at(schedule, 10**6) == pytest.approx(0.3)
    with pytest.raises(UserError, match=r"a is 1\.5, but must be a number from 0 to 1\."):
        schedules.as_schedule(1.5, "a", 1.0)


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
    assert at(schedules.as_schedule(schedule, "a"), 5) == 0.5


@pytest.mark.parametrize(
    ("initial", "final", "most", "wrong"),
    [
        *((first / 10, 1.0, 1.0, None) for first in range(10)),
        (0.0, 2.0, math.inf, None),
        (0.0, 2.0, 1.0, "2.0 at update 100, but it must return numbers from 0 to 1"),
        (1.0, -1.0, math.inf, "-1.0 at update 100, but it must return numbers of 0 or more"),
    ],
)
def test_a_schedule_that_leaves_its_bounds_is_named(initial, final, most, wrong):
    schedule = schedules.linear_schedule(initial=initial, final=final, steps=100)
    if wrong is None:
        assert schedules.as_schedule(schedule, "a", most) is schedule
        return
    with pytest.raises(UserError, match=r"ActorCritic\.a is a schedule that returns") as error:
        schedules.as_schedule(schedule, "ActorCritic.a", most)
    assert wrong in error.value.sentence


@pytest.mark.parametrize("value", [[0.5, 0.5], math.nan])
def test_a_schedule_of_yours_must_return_a_finite_scalar(value):
    with pytest.raises(UserError, match=r"a is a schedule that returns .* at update 0"):
        schedules.as_schedule(lambda update: tf.constant(value), "a")


def test_a_horizon_below_one_step_is_refused():
    with pytest.raises(UserError, match=r"horizon_schedule\.initial.*of 1 or more"):
        schedules.horizon_schedule(initial=0.5, final=100.0, steps=10)


def test_only_numbers_are_known_to_be_constant():
    schedule = schedules.linear_schedule(initial=1.0, final=1.0, steps=10)
    assert schedules.is_constant(1, 1.0) and not schedules.is_constant(0.5, 1.0)
    assert not schedules.is_constant(schedule, 1.0)
