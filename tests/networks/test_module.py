"""Modules find the layers that they are made of."""

import keras
import tensorflow as tf

from dreamer_tf.networks import layers
from dreamer_tf.networks.module import Module
from tests.small_models import settings


class Part(Module):
    def __init__(self):
        super().__init__(keras.DTypePolicy("float32"))
        self.only = layers.dense(1, 1, name="part", **settings())


class Whole(Module):
    def __init__(self):
        super().__init__(keras.DTypePolicy("mixed_float16"))
        self.last_name = layers.dense(1, 1, name="z", **settings())
        self.several = [layers.dense(1, 1, name=name, **settings()) for name in "ab"]
        self.named = {"x": (layers.dense(1, 1, name="c", **settings()),)}
        self.part = Part()
        self.no_layer = tf.Variable(1.0)


def test_layers_are_found_in_the_order_of_assignment():
    assert [layer.name for layer in Whole().layers] == ["z", "a", "b", "c", "part"]


def test_frozen_layers_have_variables_but_no_trainable_ones():
    module = Whole()
    module.part.only.trainable = False
    names = [variable.path for variable in module.variables]
    assert names[-2:] == ["part/kernel", "part/bias"] and len(names) == 10
    assert [variable.path for variable in module.trainable_variables] == names[:-2]


def test_compute_dtype_is_that_of_the_precision():
    assert Whole().compute_dtype == "float16" and Part().compute_dtype == "float32"


def test_another_name_of_a_layer_is_no_second_layer():
    """Its weights were said to have the name of another weight, or of an observation."""
    module = Whole()
    module.alias, module.all = module.part, [module.last_name]
    assert [layer.name for layer in module.layers] == ["z", "a", "b", "c", "part"]
