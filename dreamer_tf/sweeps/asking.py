"""Asks a process for the name of an environment that only the environment itself knows.

A sweep must know where `train` will put a run. Making the environment loads TensorFlow, and may
run code of the user, so another process does it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

from dreamer_tf.errors import UserError, printable


def environment_name(
    gin_file_names: Sequence[str], gin_bindings: Sequence[str], imports: Sequence[str] = ()
) -> str:
    """The name of the environment of a configuration, as score files have it.

    Args:
      gin_file_names: as for `gin_files.parse`.
      gin_bindings: as for `gin_files.parse`.
      imports: modules of the user, as the flag `--import`.

    Raises:
      UserError: the environment cannot be made.
    """
    request = json.dumps([list(gin_file_names), list(gin_bindings), list(imports)])
    command = [sys.executable, "-m", "dreamer_tf.experiment.environment_name", request]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return json.loads(found.stdout.splitlines()[-1])
    said = [line for line in found.stderr.splitlines() if line.strip()] or ["it said nothing"]
    raise UserError(
        f"The environment of {'+'.join(gin_file_names)} cannot be made here, and only it knows the "
        f"name of its directory: {printable(said[-1])}"
    )
