"""Settings that all tests share."""

import atexit
import gc
import os
import resource
import shutil
import tempfile

# Tests make parts without `configure_devices`, so Grappler complains (devices.py).
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Intervals of the pages are kept there. Those of other sessions must not decide about tests.
if "DREAMER_TF_TEST_CACHE" not in os.environ:
    os.environ["DREAMER_TF_TEST_CACHE"] = os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

import gin
import pytest

pytest_plugins = ["tests.house.skips", "tests.sweeps.processes"]

_peak = 0  # of the memory of this process when it was last cleaned, in kilobytes


def pytest_collection_finish():
    """Leaves what has been imported out of garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_gin():
    """Every test starts with an empty gin configuration."""
    gin.clear_config()
    yield
    gin.clear_config()


@pytest.fixture(autouse=True)
def same_directory():
    """Returns to the working directory, which a worker of a sweep leaves for that of its job."""
    before = os.getcwd()
    yield
    os.chdir(before)


@pytest.fixture(autouse=True)
def clean_memory():
    """Frees the agents of earlier tests whenever the process has grown by 300 MB.

    They are in reference cycles. With all that TensorFlow and JAX keep, Python looks for cycles so
    rarely that a worker of the tests grew to 14 GB. Looking after every test takes a second each.
    """
    yield
    global _peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes
    if peak > _peak + 300_000:
        gc.collect()
        _peak = peak


@pytest.fixture
def mode_samples(monkeypatch):
    """One-hot samples become modes, as in the golden data."""
    import tensorflow as tf

    from dreamer_tf.networks.distributions import StraightThroughOneHot

    def mode(self, n, seed):
        logits = self.logits_parameter()
        return tf.one_hot(tf.argmax(logits, -1), logits.shape[-1], dtype=self.dtype)[None]

    monkeypatch.setattr(StraightThroughOneHot, "_draw", mode)
