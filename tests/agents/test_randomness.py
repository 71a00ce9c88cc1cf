"""Seeds of sampling: they repeat, and streams and events never share one."""

import itertools

import numpy as np
import tensorflow as tf

from dreamer_tf.agents.randomness import Stream, fold_seed


def test_every_seed_stream_and_event_has_its_own_seed():
    events = itertools.product((0, 1), Stream, (0, 1, 2))
    seeds = [tuple(fold_seed(*event).numpy()) for event in events]
    assert len(set(seeds)) == len(seeds) == 2 * len(Stream) * 3


def test_a_seed_repeats_in_and_outside_a_compiled_function():
    compiled = tf.function(lambda counter: fold_seed(3, Stream.UPDATE, counter))
    for counter in (0, 7):
        plain = fold_seed(3, Stream.UPDATE, counter)
        assert plain.shape == (2,) and plain.dtype == tf.int32
        np.testing.assert_array_equal(compiled(tf.constant(counter, tf.int64)), plain)


def test_the_numbers_of_the_streams_stay():
    """They are part of every result: other numbers would change all runs."""
    assert {stream.name: int(stream) for stream in Stream} == {
        "UPDATE": 1,
        "POLICY": 2,
        "EVALUATION": 3,
        "DREAM": 4,
    }
