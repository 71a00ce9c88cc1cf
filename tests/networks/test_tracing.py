"""A traced function gives what the function gives, and traces once for each signature."""

import logging

import numpy as np
import tensorflow as tf

from dreamer_tf.networks.tracing import Traced


def test_each_signature_is_traced_once():
    traces = []
    function = Traced(lambda parts: (traces.append(1), {"sum": parts["a"] + parts["b"]})[1])
    for length in (2, 3, 2, 3):
        ones = np.ones(length, np.float32)
        np.testing.assert_array_equal(function({"a": ones, "b": ones})["sum"], 2 * ones)
    assert len(traces) == 2


def test_many_objects_of_one_code_bring_no_warning(caplog):
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        for _ in range(8):
            Traced(lambda: tf.zeros([]))()
    assert not caplog.records
