"""Table D1: `atari.gin` has every value of it, and the parts that are built have them, too."""

import gin
import gymnasium
import pytest
import tensorflow as tf

from dreamer_tf.agents.learner import Learner
from dreamer_tf.experiment import gin_files, launch  # noqa: F401 - registers all with gin
from tests.gin_configs.learners import SPACE, UPDATE
from tests.helpers import bind

# Name, gin parameter, value; in the order of the table.
TABLE_D1 = (
    ("Dataset size (FIFO)", "EpisodeReplay.capacity", 2_000_000),
    ("Batch size", "EpisodeReplay.batch_size", 50),
    ("Sequence length", "EpisodeReplay.sequence_length", 50),
    ("Discrete latent dimensions", "CategoricalLatent.variables", 32),
    ("Discrete latent classes", "CategoricalLatent.classes", 32),
    ("RSSM number of units", "RSSM.units", 600),
    ("KL loss scale", "WorldModel.kl_scale", 0.1),
    ("KL balancing", "WorldModel.kl_balance", 0.8),
    ("World model learning rate", "world_model/Optimizer.learning_rate", 2e-4),
    ("Reward transformation", "WorldModel.reward_transform", "tanh"),
    ("Imagination horizon", "ActorCritic.horizon", 15),
    ("Discount", "WorldModel.discount", 0.995),
    ("lambda-target parameter", "ActorCritic.lambda_", 0.95),
    ("Actor gradient mixing", "ActorCritic.gradient_mixing", 1.0),
    ("Actor entropy loss scale", "ActorCritic.entropy_scale", 1e-3),
    ("Actor learning rate", "actor/Optimizer.learning_rate", 4e-5),
    ("Critic learning rate", "critic/Optimizer.learning_rate", 1e-4),
    ("Slow critic update interval", "ActorCritic.slow_update_interval", 100),
    ("Environment steps per update", "DreamerV2Agent.train_ratio", 4),
    ("MPL number of layers", "MLP.num_layers", 4),
    ("MPL number of units", "MLP.units", 400),
    ("Gradient clipping", "Optimizer.clip", 100.0),
    ("Adam epsilon", "Optimizer.epsilon", 1e-5),
    ("Weight decay (decoupled)", "Optimizer.weight_decay", 1e-6),
)


def deviating(names=("atari.gin",), bindings=()):
    """Rows of the table from which a configuration differs, anywhere."""
    gin.clear_config()
    gin_files.parse(list(names), list(bindings))
    found = gin_files.bindings()
    rows = []
    for row, parameter, value in TABLE_D1:
        scope, _, plain = parameter.rpartition("/")
        # 'reward/MLP.units' would change one of the networks only.
        scoped = [key for key in found if key.endswith(f"/{plain}") and not scope]
        if gin_files.parameter(parameter, None) != value or scoped:
            rows.append(row)
    return rows


def test_atari_gin_has_every_value_of_table_d1():
    assert len(TABLE_D1) == 24 and deviating() == []


@pytest.mark.parametrize("row,parameter,value", TABLE_D1)
def test_any_other_value_would_be_noticed(row, parameter, value):
    other = value * 2 if isinstance(value, int) else "'sign'" if value == "tanh" else value / 2
    assert deviating(bindings=[f"{parameter} = {other}"]) == [row]


def test_a_value_of_one_network_alone_would_be_noticed():
    assert deviating(bindings=["reward/MLP.units = 300"]) == ["MPL number of units"]


@pytest.mark.parametrize(
    "name,beta,eta",
    [("dmc_vision.gin", 1.0, 1e-4), ("humanoid_walk.gin", 2.0, 1e-5)],
)
def test_continuous_control_has_the_values_of_the_text(name, beta, eta):
    """Beta in 2.1, rho and eta in 2.2, both for the humanoid in Appendix A."""
    gin_files.parse([name])
    assert gin.query_parameter("WorldModel.kl_scale") == beta
    assert gin.query_parameter("ActorCritic.entropy_scale") == eta
    assert gin.query_parameter("ActorCritic.gradient_mixing") == 0.0


def learner():
    return Learner(SPACE, gymnasium.spaces.Discrete(18), seed=0)


def test_the_parts_have_the_values_of_table_d1():
    """A parameter that is bound but not used would leave its value where it was."""
    gin_files.parse(["atari.gin"])
    found = learner()
    model, behavior = found.world_model, found.actor_critic
    rssm, rates = model.rssm, {}
    for name, optimizer in found.optimizers.items():
        rates[name] = float(optimizer._learning_rate(UPDATE))
        assert optimizer._clip == 100.0
        assert optimizer.rule.epsilon == 1e-5 and optimizer._weight_decay == 1e-6
    assert rates == pytest.approx({"world_model": 2e-4, "actor": 4e-5, "critic": 1e-4})
    assert rssm.latent.parameter_shape == (32, 32) and rssm.units == 600
    assert float(model._kl_scale(UPDATE)) == pytest.approx(0.1) and model._kl_balance == 0.8
    assert model._reward_transform is tf.tanh
    assert behavior.horizon == 15 and behavior._lambda == 0.95 and behavior._interval == 100
    assert float(behavior._mixing(UPDATE)) == 1.0
    assert float(behavior._entropy_scale(UPDATE)) == pytest.approx(1e-3)
    heads = (model._reward, model._discount_head)
    for network in (*heads, behavior.actor._mlp, behavior.critic._mlp):
        assert [layer.units for layer in network._hidden] == [400] * 4


def test_a_bound_value_reaches_the_parts():
    """So that the test above reads what gin sets, not a default."""
    gin_files.parse(["atari.gin"])
    bind("RSSM.units=24", "MLP.units=8", "ActorCritic.lambda_=0.5", "Optimizer.clip=7.0")
    found = learner()
    assert found.world_model.rssm.units == 24 and found.actor_critic._lambda == 0.5
    assert found.optimizers["actor"]._clip == 7.0
    assert [layer.units for layer in found.actor_critic.critic._mlp._hidden] == [8] * 4
