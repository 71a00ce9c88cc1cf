"""A weight that nothing would train or save is named when the agent is built."""

import keras
import pytest
import tensorflow as tf

from dreamer_tf.behavior.actor_critic import ActorCritic
from dreamer_tf.errors import UserError
from dreamer_tf.networks.created import check_saved, collecting
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.world_model.world_model import WorldModel
from tests.small_models import configure, make_learner


def dense():
    layer = keras.layers.Dense(2, name="mine")
    layer.build((None, 3))
    return layer


class TwinCritic(ActorCritic):
    """Has a second critic that no optimizer knows."""

    def __init__(self, feature_size, action_space, **settings):
        super().__init__(feature_size, action_space, **settings)
        sizes = {name: settings[name] for name in ("rng", "precision")}
        self.second = MLP(feature_size, {"value": 1}, name="second", **sizes)


class Frozen(TwinCritic):
    """Says that its second critic stays as it is."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        for layer in self.second.layers:
            layer.trainable = False


class Holder:
    """A class of a user that no module looks into."""

    def __init__(self):
        self.layer = dense()


class HiddenLayer(WorldModel):
    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.holder = Holder()


class RawVariable(WorldModel):
    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.temperature = tf.Variable(1.0, name="temperature")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"actor_critic": TwinCritic}, "'second.dense0/kernel' of TwinCritic has no optimizer"),
        ({"world_model": HiddenLayer}, "'mine/kernel.*is in no layer that the agent knows"),
        ({"world_model": RawVariable}, "'temperature.*is in no layer that the agent knows"),
    ],
)
def test_a_weight_without_a_place_is_named(part, words):
    configure()
    with pytest.raises(UserError, match=words):
        make_learner(**part)


def test_a_weight_that_shall_not_be_trained_is_saved():
    configure()
    learner = make_learner(actor_critic=Frozen)
    assert "second.dense0/kernel" in learner.variables()


def test_variables_outside_of_the_block_are_not_collected():
    with collecting() as created:
        layer = dense()
    dense()
    values = [variable.value for variable in layer.variables]
    assert [id(one) for one in created] == [id(one) for one in values]
    check_saved(created, values)
    with pytest.raises(UserError, match=r"'mine/bias.* in no layer"):
        check_saved(created, values[:1])
