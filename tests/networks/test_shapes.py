"""Shape checks say what is wrong in names and numbers."""

import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.shapes import check_shape


def test_a_wrong_size_is_named():
    with pytest.raises(ValueError, match=r"kl is \(3, 1\), but must be \(3, 5\): \[B, T\]"):
        check_shape("kl", tf.zeros([3, 1]), (3, 5), "[B, T]")


def test_a_wrong_rank_is_named():
    with pytest.raises(ValueError, match=r"kl is \(3,\), but must be \(3, 5\)"):
        check_shape("kl", tf.zeros([3]), (3, 5), "[B, T]")


def test_any_size_is_accepted_where_none_is_expected():
    check_shape("action", tf.zeros([3, 5, 7]), (3, 5, None), "[B, T, A]")


def test_an_unknown_size_is_accepted():
    @tf.function(input_signature=[tf.TensorSpec([None, 5])])
    def checked(tensor):
        check_shape("x", tensor, (3, 5), "[B, T]")
        return tensor

    assert checked(tf.zeros([3, 5])).shape == (3, 5)


def test_a_wrong_shape_is_an_error_of_the_user():
    """It comes from a part of theirs."""
    with pytest.raises(UserError, match="but must be"):
        check_shape("kl", tf.zeros([3, 1]), (3, 5), "[B, T]")
