"""A process that trains several agents prints nothing but its own lines, as in a notebook."""

import subprocess
import sys

import pytest

from tests.helpers import TINY

CODE = """
import dreamer_tf

bindings = [{bindings}, "create_gym_environment.id='CartPole-v1'"]
for number in range(6):
    dreamer_tf.train_agent(base_dir=f"runs/{{number}}", gin_bindings=bindings)
"""


@pytest.mark.ci
def test_six_agents_in_one_process_are_silent(tmp_path):
    bindings = ", ".join(repr(binding) for binding in TINY if "Atari" not in binding)
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(bindings=bindings)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
