"""Golden data, and samples that are not random."""

import pytest
import tensorflow as tf

from dreamer_tf.networks.distributions import tfd
from tests.parity.golden import Golden


@pytest.fixture
def golden():
    """Loads the golden files of tests/data/golden by name."""
    return Golden


@pytest.fixture
def prescribed_actions(monkeypatch):
    """Truncated normal samples take prescribed values, with the golden gradient rule."""
    values = []

    def sample(self, n, seed=None):
        value = values.pop(0) if values else tf.clip_by_value(self.loc, -1.0, 1.0)
        value = tf.stop_gradient(value)
        pathwise = self.loc - tf.stop_gradient(self.loc)
        ratio = tf.stop_gradient((value - self.loc) / self.scale)
        pathwise += ratio * (self.scale - tf.stop_gradient(self.scale))
        return (value + pathwise)[None]

    monkeypatch.setattr(tfd.TruncatedNormal, "_sample_n", sample)
    return values
