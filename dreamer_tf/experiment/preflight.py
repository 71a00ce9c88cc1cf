"""Finds mistakes before TensorFlow is loaded, which takes seconds.

Nothing here imports TensorFlow, but code of the user may. What is found later has the same
sentences.
"""

import contextlib
import re
from collections.abc import Sequence

import gin

from dreamer_tf.environments import atari, registry  # noqa: F401 - registers the environments
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, gin_stack, trust
from dreamer_tf.native_log import quietly

_IMPORT = re.compile(r"^\s*(?:import|from)\s", re.MULTILINE)


def check(gin_file_names: Sequence[str], gin_bindings: Sequence[str]) -> None:
    """Reads the files as far as they are known without TensorFlow, and forgets them again.

    Args:
      gin_file_names: as for `gin_files.parse`.
      gin_bindings: as for `gin_files.parse`.

    Raises:
      UserError: a file is missing or cannot be read, a value of an environment is wrong, or the
        game is unknown.
    """
    with quietly() if _imports(gin_file_names, gin_bindings) else contextlib.nullcontext():
        gin_files.parse(gin_file_names, gin_bindings, skip_unknown=True)
    game = gin_files.parameter("AtariEnvironment.game_name", None)
    gin.clear_config()
    if isinstance(game, str):
        atari.check_game(game)


def _imports(gin_file_names: Sequence[str], gin_bindings: Sequence[str]) -> bool:
    """Whether a configuration imports modules of the user, which may load TensorFlow."""
    paths = [gin_files.locate(name)[0] for name in gin_file_names]
    texts = (text.read() for text in gin_stack.texts(paths, gin_files.shipped_directory()))
    return any(_IMPORT.search(text) for text in (*texts, *gin_bindings))


def check_run(base_dir: str | None) -> None:
    """Checks that a directory holds a run, and warns where Python searches it for modules.

    Args:
      base_dir: the flag.

    Raises:
      UserError: it is missing, or there is no run.
    """
    if not base_dir:
        raise UserError("--base_dir is missing: name the base directory of a run.")
    trust.warn_about_working_directory(base_dir)
    gin_files.config_path(base_dir)
