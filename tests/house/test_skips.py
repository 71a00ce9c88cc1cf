"""A skip for a missing program fails in CI, and only there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="none of chromium is installed")
def test_program():
    pass

def test_package():
    pytest.importorskip("no_such_package")

@pytest.mark.skipif(True, reason="needs root")
def test_root():
    pass
"""


@pytest.mark.parametrize(
    "ci,counts",
    [("true", "1 failed, 1 skipped, 1 error"), ("false", "3 skipped"), (None, "3 skipped")],
)
def test_a_skip_for_a_missing_program_or_package_fails_in_ci(tmp_path, ci, counts):
    (tmp_path / "test_skipping.py").write_text(TESTS)
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    if ci:
        environment["CI"] = ci
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.house.skips", "-p", "no:xdist"]
    result = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path), "."],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == int(ci == "true"), result.stdout
    assert counts in result.stdout.strip().splitlines()[-1]
