"""Parts from outside: what they must be, and what is said if they are not."""

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.networks.parts import ActorPart, DecoderPart, EncoderPart, make_part
from tests.small_models import settings


class Sized(EncoderPart):
    def __init__(self, space, *, rng, precision):
        super().__init__(precision)
        self.size = 3

    def __call__(self, observation):
        return observation


class Unsized(Sized):
    def __init__(self, space, *, rng, precision):
        EncoderPart.__init__(self, precision)


def make(maker, kind=EncoderPart):
    return make_part("WorldModel.encoder", maker, kind, {}, **settings())


def test_a_part_that_fits_is_made():
    assert make(Sized).size == 3


@pytest.mark.parametrize(
    ("maker", "kind", "words"),
    [
        (Unsized, EncoderPart, r"WorldModel\.encoder: Unsized has no size: set it in __init__"),
        (EncoderPart, EncoderPart, r"WorldModel\.encoder: EncoderPart has no __call__: define it"),
        (Sized, DecoderPart, "makes a Sized, but must make a DecoderPart: derive its class from"),
        (lambda space: 3, ActorPart, "<lambda> cannot be called as .*change its arguments"),
    ],
)
def test_a_part_that_does_not_fit_is_a_sentence(maker, kind, words):
    with pytest.raises(UserError, match=words):
        make(maker, kind)
