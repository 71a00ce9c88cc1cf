"""Heads and losses from outside."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.distributions import unit_normal
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.parts import HeadPart
from dreamer_tf.world_model.world_model import WorldModel
from tests.helpers import ScriptedEnvironment
from tests.small_models import configure, make_batch, settings

SEED, UPDATE = (1, 2), tf.constant(0, tf.int64)


class Steps(HeadPart):
    """Predicts the second number of the scripted vector."""

    def __init__(self, features, observation_space, *, rng, precision):
        super().__init__(precision)
        self.mlp = MLP(features, {"mean": 1}, rng=rng, precision=precision, name="steps")

    def distribution(self, features):
        return unit_normal(self.mlp(features)["mean"][..., 0], 0)

    def target(self, batch, data):
        return data.observation["vector"][..., 1]


class Probe(Steps):
    shapes_features = False


def make(**parts):
    configure()
    environment = ScriptedEnvironment()
    spaces = environment.observation_space, environment.action_space
    return WorldModel(*spaces, **parts, **settings())


def gradients(model):
    weights = [variable.value for variable in model.encoder.trainable_variables]
    with tf.GradientTape() as tape:
        _, outputs = model.loss(make_batch(), SEED, UPDATE)
        loss = outputs.losses["steps_head"]
    return tape.gradient(loss, weights)


def test_a_head_learns_and_may_leave_the_features_alone():
    assert all(gradient is not None for gradient in gradients(make(heads={"steps_head": Steps})))
    model = make(heads={"steps_head": Probe})
    assert all(gradient is None for gradient in gradients(model))
    assert any("steps" in variable.path for variable in model.trainable_variables)


def test_a_head_changes_nothing_else():
    plain = make().loss(make_batch(), SEED, UPDATE)[1].losses
    found = make(heads={"steps_head": Steps}).loss(make_batch(), SEED, UPDATE)[1].losses
    assert set(found) == {*plain, "steps_head"}
    assert all(float(found[name]) == float(plain[name]) for name in plain)


def test_a_head_has_a_weight_of_its_own():
    plain, outputs = make(heads={"steps_head": Steps}).loss(make_batch(), SEED, UPDATE)
    more, _ = make(heads={"steps_head": type("More", (Steps,), {"scale": 3.0})}).loss(
        make_batch(), SEED, UPDATE
    )
    assert float(more - plain) == pytest.approx(2 * float(outputs.losses["steps_head"]), rel=1e-4)


def test_a_reward_head_takes_the_place_of_ours():
    model = make(heads={"reward": Steps})
    assert not any(variable.path.startswith("reward") for variable in model.variables)
    features = tf.random.stateless_normal([4, model.feature_size], seed=[0, 1])
    expected = model._added.heads["reward"].mlp(features)["mean"][:, 0]
    np.testing.assert_array_equal(model.reward(features), expected)


def test_losses_are_added_and_may_replace_the_kl():
    batch = make_batch()
    total, plain = make().loss(batch, SEED, UPDATE)
    more, outputs = make(losses={"two": lambda *_: tf.constant(2.0)}).loss(batch, SEED, UPDATE)
    assert float(more - total) == pytest.approx(2.0, abs=1e-4)
    assert float(outputs.losses["two"]) == 2.0
    other, _ = make(losses={"kl": lambda *_: tf.constant(0.0)}).loss(batch, SEED, UPDATE)
    assert float(total - other) == pytest.approx(0.1 * float(plain.losses["kl"]), abs=1e-4)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"heads": {"vector": Steps}}, r"WorldModel\.heads has the name 'vector'"),
        ({"heads": {"discount": Steps}}, "choose another name"),
        ({"losses": {"reward": lambda *_: 0.0}}, r"WorldModel\.losses has the name 'reward'"),
        ({"losses": {"actor": lambda *_: 0.0}}, r"WorldModel\.losses has the name 'actor'"),
        ({"heads": {"critic": Steps}}, r"WorldModel\.heads has the name 'critic'"),
        ({"heads": {"x": ScriptedEnvironment}}, r"heads\['x'\]: ScriptedEnvironment cannot be"),
        ({"encoder": 3}, r"WorldModel\.encoder is 3, but must be a function or class"),
    ],
)
def test_what_does_not_fit_is_a_sentence(parts, words):
    with pytest.raises(UserError, match=words):
        make(**parts)
