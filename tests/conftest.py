"""Settings that all tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gin
import pytest

pytest_plugins = ["tests.house.skips"]


@pytest.fixture(autouse=True)
def clean_gin():
    """Every test starts with an empty gin configuration."""
    gin.clear_config()
    yield
    gin.clear_config()


@pytest.fixture
def mode_samples(monkeypatch):
    """One-hot samples become modes, as in the golden data."""
    import tensorflow as tf

    from dreamer_tf.networks.distributions import tfd

    def mode(self, n, seed=None):
        logits = self.logits_parameter()
        return tf.one_hot(tf.argmax(logits, -1), logits.shape[-1], dtype=self.dtype)[None]

    monkeypatch.setattr(tfd.OneHotCategorical, "_sample_n", mode)
