"""Which of two ways to compute the same thing suits the device."""

import tensorflow as tf


def suits_cpu() -> bool:
    """Whether the ways for a CPU are used: where TensorFlow sees no GPU.

    Those ways are about oneDNN's kernels (`benchmarks/README.md`). With a GPU everything is
    computed as Keras and TFP do it, also what is placed on the CPU.
    """
    return not tf.config.list_logical_devices("GPU")
