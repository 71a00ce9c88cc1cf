"""How commands fail: one sentence and exit code 2 for a user's error, a traceback for ours."""

import subprocess
import sys

import pytest

PROGRAM = """
from absl import logging
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import command_line

def main(argv):
    {body}

command_line.run(main)
"""


def run(body, *arguments):
    program = PROGRAM.format(body=body)
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120
    )


def test_the_exit_code_is_that_of_the_command():
    assert run("return 75").returncode == 75
    assert run("return 0").returncode == 0


@pytest.mark.parametrize(
    "body,words",
    [
        ("raise UserError('Set x to 1.')", "Set x to 1."),
        ("raise OSError(28, 'No space left on device', 'runs/a')", "runs/a: No space left"),
        ("raise PermissionError(13, 'Permission denied', 'b')", "b: Permission denied"),
    ],
)
def test_an_error_of_the_user_is_one_sentence(body, words):
    result = run(body)
    assert result.returncode == 2
    assert words in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("body", ["raise ValueError('a bug')", "raise OSError(9, 'Bad file', 'c')"])
def test_an_error_of_ours_keeps_its_traceback(body):
    result = run(body)
    assert result.returncode == 1 and "Traceback" in result.stderr


def test_an_argument_that_is_no_flag_is_named():
    result = run("return 0", "atari.gin")
    assert result.returncode == 2
    assert "'atari.gin' is not a flag: every argument is --name=value." in result.stderr


def test_an_unknown_flag_is_named():
    result = run("return 0", "--no_such_flag=1")
    assert result.returncode == 2
    assert "no_such_flag" in result.stderr and "--help lists the flags" in result.stderr
