"""Settings that all tests share."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gin
import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--golden_dir",
        default=str(Path(__file__).resolve().parents[2] / "shared" / "golden"),
        help="arrays from the authors' implementation for tests/parity",
    )


@pytest.fixture(autouse=True)
def clean_gin():
    """Every test starts with an empty gin configuration."""
    gin.clear_config()
    yield
    gin.clear_config()
