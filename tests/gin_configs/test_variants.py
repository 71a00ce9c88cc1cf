"""What the variants change, read from a learner that they configure."""

import gin
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.learner import Learner
from dreamer_tf.environments.atari import AtariEnvironment
from dreamer_tf.experiment import gin_files
from dreamer_tf.networks import schedules
from tests.gin_configs.learners import SPACE, UPDATE, make
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
        middle = float(owners[key](tf.constant(300_000, tf.int64)))
        assert min(first, last) < middle < max(first, last)


def test_the_schedules_of_table_1_last_2_500_000_agent_steps():
    """With 4 agent steps per update, as in Table D1; 2.5e6 updates would be four times longer."""
    learner = make("schedules").actor_critic
    gin.clear_config()
    gin_files.parse(["schedules.gin"])
    assert 2_500_000 / gin.query_parameter("DreamerV2Agent.train_ratio") == 625_000
    for update, eta, rho in (
        (0, 3e-3, 0.9),
        (312_500, 1.65e-3, 0.95),
        (600_000, 3e-3 - 0.96 * 2.7e-3, 0.996),
        (625_000, 3e-4, 1.0),
        (700_000, 3e-4, 1.0),
    ):
        number = tf.constant(update, tf.int64)
        assert float(learner._entropy_scale(number)) == pytest.approx(eta)
        assert float(learner._mixing(number)) == pytest.approx(rho)


def test_learning_rates_anneal_to_a_tenth():
    learner = make("learning_rate_and_kl_schedules")
    rates = {name: optimizer._learning_rate for name, optimizer in learner.optimizers.items()}
    for name, first in {"world_model": 2e-4, "actor": 4e-5, "critic": 1e-4}.items():
        assert float(rates[name](UPDATE)) == pytest.approx(first)
        assert float(rates[name](tf.constant(10**8, tf.int64))) == pytest.approx(first / 10)


def test_montezuma_has_its_game_and_a_lower_discount():
    learner = make("montezuma")
    assert AtariEnvironment().name == "MontezumaRevenge"
    target = learner.world_model.discount_target(tf.constant([False, True]), UPDATE)
    np.testing.assert_allclose(target, [0.99, 0.0], rtol=1e-6)


def test_atari_released_has_the_released_actions_images_and_discount():
    learner = make("atari_released")
    assert AtariEnvironment().action_space.n == 6  # Pong's minimal set
    assert AtariEnvironment()._image_sizes == (64,)
    target = learner.world_model.discount_target(tf.constant([False]), UPDATE)
    np.testing.assert_allclose(target, [0.999], rtol=1e-6)
    assert learner.world_model._scales["discount"] == 5.0


def test_any_number_takes_a_schedule():
    bind(
        "a/linear_schedule.initial=1.0", "a/linear_schedule.final=0.0", "a/linear_schedule.steps=10"
    )
    with gin.config_scope("a"):
        schedule = schedules.linear_schedule()
    assert float(schedules.as_schedule(schedule, "a")(tf.constant(5))) == 0.5
    assert float(schedules.as_schedule(0.3, "a")(tf.constant(5))) == pytest.approx(0.3)
    assert not schedules.is_constant(schedule, 1.0) and schedules.is_constant(1, 1.0)


def test_atari_released_begins_episodes_with_noops_and_learning_with_one_more_update():
    make("atari_released")
    assert AtariEnvironment().settings["noop_max"] == 30
    assert gin.query_parameter("DreamerV2Agent.pretrain_updates") == 1


def test_control_suite_released_has_the_released_numbers():
    make("control_suite_released")
    expected = {
        "world_model/Optimizer.learning_rate": 3e-4,
        "actor/Optimizer.learning_rate": 8e-5,
        "critic/Optimizer.learning_rate": 8e-5,
        "WorldModel.discount": 0.99,
        "DreamerV2Agent.train_ratio": 5,
        "DreamerV2Agent.pretrain_updates": 100,
        "ReleasedSampling.prioritize_ends": False,
    }
    gin.clear_config()
    gin_files.parse(["control_suite_released.gin"])
    expected |= {"WorldModel.free_nats": 1.0, "EpisodeReplay.batch_size": 16}
    expected |= {"RSSM.units": 200, "RSSM.hidden_units": 200, "WorldModel.kl_scale": 1.0}
    assert {name: gin.query_parameter(name) for name in expected} == expected


def test_humanoid_walk_is_as_long_as_the_published_runs():
    gin_files.parse(["humanoid_walk.gin"])
    query = gin.query_parameter
    frames = 2 * query("Runner.num_iterations") * query("Runner.training_steps")
    assert 42.6e6 <= frames <= 44.1e6
    assert query("EpisodeReplay.reserve") >= query("Runner.training_steps") + 1000


@pytest.mark.parametrize(
    "space,scale",
    [(gymnasium.spaces.Discrete(3), 0.1), (gymnasium.spaces.Box(-1.0, 1.0, (2,)), 1.0)],
)
def test_gym_chooses_the_kl_scale_by_the_kind_of_actions(space, scale):
    make("gym")
    world_model = Learner(SPACE, space, seed=0).world_model
    assert float(world_model._kl_scale(UPDATE)) == pytest.approx(scale)
