"""Seeds for all sampling inside compiled functions."""

import enum

import tensorflow as tf


class Stream(enum.IntEnum):
    """Independent streams of random numbers, so that one never changes another.

    The numbers are part of every result: changing one changes all runs with the same seed.
    """

    UPDATE = 1
    POLICY = 2
    EVALUATION = 3
    DREAM = 4


def fold_seed(seed: int, stream: Stream, counter: int | tf.Tensor) -> tf.Tensor:
    """Derives the seed of one event from the run's seed.

    Stateless seeds make a resumed run draw the same numbers as an uninterrupted one.

    Args:
      seed: of the run.
      stream: what the random numbers are for.
      counter: number of the event within its stream, scalar int.

    Returns:
      [2] int32, a seed for TensorFlow's stateless functions.
    """
    return tf.random.fold_in(tf.constant([seed, stream], tf.int32), tf.cast(counter, tf.int32))
