"""Golden data, and samples that are not random."""

from pathlib import Path

import pytest
import tensorflow as tf

from dreamer_tf.networks.distributions import tfd
from tests.parity.golden import Golden

SMALL = Path(__file__).resolve().parents[1] / "data" / "golden"


@pytest.fixture
def golden(request):
    """Loads golden files by name: from --golden_dir, else the small ones that come along."""
    given = Path(request.config.getoption("--golden_dir"))

    def load(name: str) -> Golden:
        for directory in (given, SMALL):
            if (directory / f"{name}.npz").exists():
                return Golden(directory, name)
        pytest.skip(f"golden data not found: {given / name}.npz; pass --golden_dir")

    return load


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
