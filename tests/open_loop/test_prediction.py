"""Errors of open-loop predictions."""

import numpy as np

from dreamer_tf.open_loop.prediction import OpenLoop


def test_the_error_of_a_step_is_the_mean_over_sequences_and_numbers():
    truth = {"image": np.zeros((2, 3, 4, 4, 1)), "vector": np.zeros((2, 3, 5))}
    prediction = {key: value.copy() for key, value in truth.items()}
    prediction["image"][0, 1] = 2.0  # one of two sequences
    prediction["vector"][:, 2, 0] = 5.0  # one of five numbers
    errors = OpenLoop(truth, prediction, 1).errors()
    np.testing.assert_allclose(errors["image"], [0.0, 2.0, 0.0])
    np.testing.assert_allclose(errors["vector"], [0.0, 0.0, 5.0])
