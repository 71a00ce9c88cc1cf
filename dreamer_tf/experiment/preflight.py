"""Finds mistakes before TensorFlow is loaded, which takes seconds.

Nothing here imports TensorFlow. What is found later has the same sentences.
"""

from collections.abc import Sequence

import gin

from dreamer_tf.environments import atari, registry  # noqa: F401 - registers the environments
from dreamer_tf.experiment import gin_files


def check(gin_file_names: Sequence[str], gin_bindings: Sequence[str]) -> None:
    """Reads the files as far as they are known without TensorFlow, and forgets them again.

    Args:
      gin_file_names: as for `gin_files.parse`.
      gin_bindings: as for `gin_files.parse`.

    Raises:
      UserError: a file is missing or cannot be read, a value of an environment is wrong, or the
        game is unknown.
    """
    gin_files.parse(gin_file_names, gin_bindings, skip_unknown=True)
    game = gin_files.parameter("AtariEnvironment.game_name", None)
    gin.clear_config()
    if isinstance(game, str):
        atari.check_game(game)
