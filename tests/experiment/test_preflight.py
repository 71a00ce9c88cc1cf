"""Mistakes that are found before TensorFlow is loaded."""

import subprocess
import sys

import gin
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, preflight

_CODE = """
import sys
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import preflight
try:
    preflight.check({files!r}, {bindings!r})
except UserError as error:
    print(error.sentence)
print([name for name in ("tensorflow", "jax", "dopamine") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("files", "bindings", "words"),
    [
        (["atary.gin"], [], "'atari.gin'"),
        (["atari.gin"], ["AtariEnvironment.game_name='Pnog'"], "Did you mean 'Pong'?"),
        (["atari.gin"], ["AtariEnvironment.noop_max=-1"], "AtariEnvironment.noop_max is -1"),
        (["atari.gin"], ["AtariEnvironment.game=1"], "has no parameter 'game'"),
        (["atari.gin"], ["Runner.training_steps="], "gin:"),
    ],
)
def test_a_mistake_is_named(files, bindings, words):
    with pytest.raises(UserError) as error:
        preflight.check(files, bindings)
    assert words in error.value.sentence


@pytest.mark.parametrize("path", gin_files.shipped_files(), ids=lambda path: path.name)
def test_shipped_files_pass_and_leave_no_binding(path):
    preflight.check([str(path)], ["AtariEnvironment.game_name='Pong'"])
    assert gin.config_str() == ""


def test_nothing_heavy_is_loaded():
    arguments = {"files": ["atari.gin"], "bindings": ["AtariEnvironment.game_name='Pnog'"]}
    code = _CODE.format(**arguments)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Did you mean 'Pong'?" in found.stdout and found.stdout.endswith("[]\n")


def test_a_directory_without_a_run_is_named(tmp_path):
    for base_dir, words in ((None, "--base_dir is missing"), (str(tmp_path), "there is no run")):
        with pytest.raises(UserError, match=words):
            preflight.check_run(base_dir)
    (tmp_path / "config.gin").write_text("")
    preflight.check_run(str(tmp_path))
