"""Loads TensorFlow without the lines that its native code prints in every process.

`TF_CPP_MIN_LOG_LEVEL` has no effect on them: they are written before TensorFlow prepares its log.
"""

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator

# What is true of every machine, or only says that this one has no GPU.
_ALWAYS = r"before absl::InitializeLog|oneDNN custom operations are on|cpu_feature_guard|^To enable"
_WITHOUT_GPU = r"|cudart_stub|failed call to cuInit"
_DRIVER = "/proc/driver/nvidia"

# A process and not a thread, because a reason that TensorFlow gives before it aborts must arrive.
_FILTER = """
import re, sys
for line in sys.stdin.buffer:
    if line.strip() and not re.search(sys.argv[1].encode(), line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def load_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs. Warnings and errors still arrive."""
    with quietly():
        # Not a statement: sweeps use `quietly` and must not depend on TensorFlow.
        importlib.import_module("tensorflow")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Does the same where code of a user may import TensorFlow, as that of an encoder does."""
    if "tensorflow" in sys.modules:
        yield
        return
    with _filtered(_ALWAYS + ("" if os.path.exists(_DRIVER) else _WITHOUT_GPU)):
        yield
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices("GPU")


@contextlib.contextmanager
def _filtered(pattern: str) -> Iterator[None]:
    """Drops lines with a pattern from what is written to the descriptor of standard error."""
    try:
        before = os.dup(2)
        command = [sys.executable, "-I", "-S", "-c", _FILTER, pattern]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    except OSError:  # standard error is closed, or no process can be started
        yield
        return
    assert child.stdin is not None
    os.dup2(child.stdin.fileno(), 2)
    child.stdin.close()
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        child.wait()
