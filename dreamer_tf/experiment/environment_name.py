"""`python -m dreamer_tf.experiment.environment_name REQUEST`: what an environment calls itself.

Only the environment itself knows that, and a sweep must know it without TensorFlow
(`sweeps/asking.py`).
"""

import json
import sys

from dreamer_tf.errors import UserError
from dreamer_tf.native_log import load_tensorflow


def main(request: str) -> int:
    """Prints the name as JSON, after whatever the environment itself prints.

    Args:
      request: JSON of gin files, gin bindings and modules to import, a list each.

    Returns:
      The exit code: 2 where the environment cannot be made.
    """
    files, bindings, imports = json.loads(request)
    load_tensorflow()
    from dreamer_tf.experiment import gin_files, launch, trust

    try:
        gin_files.parse(files, [*trust.import_modules(imports), *bindings])
        name = launch.environment_name()
    except UserError as error:
        print(error.sentence, file=sys.stderr)
        return 2
    print(f"\n{json.dumps(name)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
