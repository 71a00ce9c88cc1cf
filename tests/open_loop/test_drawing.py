"""Pictures of open-loop predictions."""

import numpy as np

from dreamer_tf.open_loop import drawing
from dreamer_tf.open_loop.prediction import OpenLoop


def test_images_are_drawn_as_truth_prediction_and_error():
    truth = np.full((2, 6, 64, 64, 1), -0.5)
    prediction = np.full((2, 6, 64, 64, 1), 0.5)
    dream = OpenLoop({"image": truth, "vector": np.zeros((2, 6, 3))}, {"image": prediction}, 2)
    shown = drawing.frames(dream)
    assert shown.dtype == np.uint8 and shown.shape == (6, 3 + 3 * 66, 2 * 66, 3)
    np.testing.assert_array_equal(shown[0, 0, 0], drawing._SEES)
    np.testing.assert_array_equal(shown[2, 0, 0], drawing._DREAMS)
    assert (shown[:, 3:67, :64] == 0).all() and (shown[:, 69:133, 66:130] == 255).all()
    assert (shown[:, 135:199, :64] == 255).all()  # predicted too bright
    assert drawing.frames(dream, scale=2).shape == (6, 402, 264, 3)


def test_small_images_are_enlarged_and_planes_get_colors():
    truth = np.full((1, 3, 7, 7, 4), -0.5)
    truth[..., 0, 0, 2] = 0.5
    images = {"planes": truth, "camera": np.zeros((1, 3, 80, 90, 3))}
    shown = drawing.frames(OpenLoop(images, images, 1))
    assert shown.shape == (3, 3 + 3 * 65 + 3 * 82, 92, 3)
    cell = shown[0, 3:12, :9].reshape(-1, 3)
    assert len(np.unique(cell, axis=0)) == 1 and cell[0].max() > cell[0].min()
    assert (shown[0, 12:66, 9:63] == 0).all()


def test_vectors_are_drawn_as_curves_that_grow():
    """Without images: truth black, prediction blue and then orange, growing to the right."""
    truth = np.linspace(0, 1, 6)[None, :, None] * np.ones((2, 1, 3))
    dream = OpenLoop({"vector": truth}, {"vector": 1 - truth}, 2)
    shown = drawing.frames(dream)
    height, width = drawing._PLOT
    assert shown.shape == (6, 3 + 3 * (height + 2), 2 * (width + 2), 3)
    plot = shown[:, 3 : 3 + height, :width]

    def columns(frame, color):
        return np.flatnonzero((plot[frame] == color).all(-1).any(0))

    for frame in range(6):
        assert columns(frame, (0, 0, 0)).max() == round(1 + (width - 3) * frame / 5)
    assert len(columns(1, drawing._DREAMS)) == 0 and columns(5, drawing._SEES).max() < 25
    assert columns(5, drawing._DREAMS).max() == width - 2
    # The truth rises, the prediction falls.
    assert (plot[5, : height // 2, -3:] == 0).all(-1).any()
    assert (plot[5, height // 2 :, -3:] == drawing._DREAMS).all(-1).any()
