"""What the variants change, read from a learner that they configure."""

import gin
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.environments.atari import AtariEnvironment
from dreamer_tf.networks import schedules
from tests.gin_configs.learners import UPDATE, make
from tests.helpers import bind


@pytest.mark.parametrize(
    "name,ends",
    [
        ("schedules", {"gradient_mixing": (0.9, 1.0), "entropy_scale": (3e-3, 3e-4)}),
        ("learning_rate_and_kl_schedules", {"kl_scale": (0.1, 0.01)}),
    ],
)
def test_schedules_anneal_between_their_ends(name, ends):
    learner = make(name)
    owners = {"kl_scale": learner.world_model._kl_scale}
    owners["gradient_mixing"] = learner.actor_critic._mixing
    owners["entropy_scale"] = learner.actor_critic._entropy_scale
    for key, (first, last) in ends.items():
        assert float(owners[key](UPDATE)) == pytest.approx(first)
        assert float(owners[key](tf.constant(10**8, tf.int64))) == pytest.approx(last)
        middle = float(owners[key](tf.constant(10**6, tf.int64)))
        assert min(first, last) < middle < max(first, last)


def test_learning_rates_anneal_to_a_tenth():
    learner = make("learning_rate_and_kl_schedules")
    rates = {name: optimizer._learning_rate for name, optimizer in learner.optimizers.items()}
    for name, first in {"world_model": 2e-4, "actor": 4e-5, "critic": 1e-4}.items():
        assert float(rates[name](UPDATE)) == pytest.approx(first)
        assert float(rates[name](tf.constant(10**8, tf.int64))) == pytest.approx(first / 10)


def test_montezuma_has_its_game_and_a_lower_discount():
    learner = make("montezuma")
    assert AtariEnvironment().name == "MontezumaRevenge"
    target = learner.world_model.discount_target(tf.constant([False, True]))
    np.testing.assert_allclose(target, [0.99, 0.0], rtol=1e-6)


def test_atari_released_has_the_released_actions_images_and_discount():
    learner = make("atari_released")
    assert AtariEnvironment().action_space.n == 6  # Pong's minimal set
    assert AtariEnvironment()._image_sizes == (64,)
    target = learner.world_model.discount_target(tf.constant([False]))
    np.testing.assert_allclose(target, [0.999], rtol=1e-6)
    assert learner.world_model._scales["discount"] == 5.0


def test_any_number_takes_a_schedule():
    bind(
        "a/linear_schedule.initial=1.0", "a/linear_schedule.final=0.0", "a/linear_schedule.steps=10"
    )
    with gin.config_scope("a"):
        schedule = schedules.linear_schedule()
    assert float(schedules.as_schedule(schedule)(tf.constant(5))) == 0.5
    assert float(schedules.as_schedule(0.3)(tf.constant(5))) == pytest.approx(0.3)
    assert not schedules.is_constant(schedule, 1.0) and schedules.is_constant(1, 1.0)
