"""Embeddings of images and vectors."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.encoders import Encoder, image_keys, vector_keys
from tests.helpers import bind
from tests.small_models import settings


def image_box(size):
    return gymnasium.spaces.Box(0, 255, (size, size, 1), np.uint8)


VECTOR = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
SPACE = gymnasium.spaces.Dict({"arm": VECTOR, "image": image_box(64), "leg": VECTOR})


def make(space=SPACE, **sizes):
    bind("MLP.num_layers=1", "MLP.units=8")
    return Encoder(space, **{"depth": 2, **sizes}, **settings())


def observations(seed=0):
    rng = np.random.default_rng(seed)
    return {
        key: tf.constant(rng.normal(size=(5, *box.shape)), tf.float32)
        for key, box in SPACE.spaces.items()
    }


def test_images_and_vectors_are_told_apart_by_their_rank():
    assert image_keys(SPACE) == ["image"] and vector_keys(SPACE) == ["arm", "leg"]


def test_four_convolutions_leave_two_by_two_positions():
    encoder = make(gymnasium.spaces.Dict({"image": image_box(64)}))
    embedding = encoder({"image": tf.zeros([5, 64, 64, 1])})
    assert encoder.size == embedding.shape[1] == 2 * 2 * (8 * 2)


def test_images_and_vectors_share_one_embedding():
    encoder = make()
    assert encoder(observations()).shape == (5, encoder.size) == (5, 64 + 8)


@pytest.mark.parametrize("key", list(SPACE.spaces))
def test_every_observation_enters_the_embedding(key):
    encoder, before = make(), observations()
    after = before | {key: before[key] + 1.0}
    assert (encoder(before).numpy() != encoder(after).numpy()).any()


def test_an_image_that_is_too_small_is_named_with_its_shape():
    space = gymnasium.spaces.Dict({"camera": image_box(16)})
    with pytest.raises(UserError, match=r"'camera' of shape \(16, 16, 1\) is too small for 4"):
        make(space, kernels=(4, 4, 4, 4))
    assert make(space, kernels=(4, 4)).size == 2 * 2 * 4


def test_patterns_choose_what_the_encoder_looks_at():
    encoder = make(vector_keys=("l*",))
    assert encoder.size == 64 + 8
    before = observations()
    seen = encoder(before).numpy()
    np.testing.assert_array_equal(encoder(before | {"arm": before["arm"] + 1.0}), seen)
    assert (encoder(before | {"leg": before["leg"] + 1.0}).numpy() != seen).any()
    assert make(image_keys=()).size == 8


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ({"vector_keys": ("hand",)}, r"Encoder\.vector_keys has the pattern 'hand'.*arm, leg"),
        ({"image_keys": (), "vector_keys": ()}, "leave no observation: there is arm, image, leg"),
    ],
)
def test_patterns_that_choose_nothing_are_errors(patterns, words):
    with pytest.raises(UserError, match=words):
        make(**patterns)


def test_depth_doubles_with_every_convolution():
    kernels = [variable for variable in make().variables if "conv" in variable.path]
    assert [variable.shape[-1] for variable in kernels[::2]] == [2, 4, 8, 16]
