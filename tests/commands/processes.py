"""Runs the commands as users do: in a process of their own, from another directory."""

import subprocess
import sys

from tests.helpers import TINY

SMALL = [f"--gin_bindings={binding}" for binding in TINY]


def run(directory, module, *arguments, timeout=300, **settings):
    """A command to its end, with what it printed."""
    return subprocess.run(
        [sys.executable, "-m", f"dreamer_tf.{module}", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=timeout,
        **settings,
    )


def assert_sentence(result, *words):
    """Exit code 2 and one sentence, no traceback."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if ".py: " in line]
    assert len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    for word in words:
        assert word in lines[0], lines[0]
