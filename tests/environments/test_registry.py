"""What importing the registry does."""

import subprocess
import sys


def test_environments_are_known_to_gin_without_tensorflow():
    """Workers import only this, and MuJoCo cannot render beside TensorFlow."""
    code = """
import sys
import gin
from dreamer_tf.environments import registry
for name in ("AtariEnvironment", "Catch", "ControlSuiteEnvironment", "create_gym_environment"):
    gin.get_configurable(name)
assert "tensorflow" not in sys.modules
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
