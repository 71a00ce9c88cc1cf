"""What cannot be printed is dropped and told at the end."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from dreamer_tf.experiment import streams
streams.prepare()
print("a" * 100_000)
print("progress", file=sys.stderr)
sys.stdout.flush()
print("b")
open("lock", "w").close()
open("code", "w").write(str(streams.exit_code({code}, {prints})))
"""


def run(directory, redirection, code=0, prints=False, **environment):
    """Runs a program under a shell, which closes and redirects streams."""
    (directory / "program.py").write_text(PROGRAM.format(code=code, prints=prints))
    result = subprocess.run(
        ["bash", "-c", f"{sys.executable} program.py {redirection}"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )
    assert "Traceback" not in result.stderr and "Exception ignored" not in result.stderr
    assert (directory / "lock").read_bytes() == b""  # nothing was printed into a file
    return int((directory / "code").read_text()), result


@pytest.mark.parametrize(
    "redirection,prints,code",
    [
        ("", True, 0),
        ("> /dev/full", False, 0),
        ("> /dev/full", True, 2),
        ("2> /dev/full", True, 0),
        ("| head -c 5", False, 0),
        ("| head -c 5", True, 141),
        (">&-", False, 0),
        ("2>&-", True, 0),
        ("<&- >&- 2>&-", False, 0),
        ("> /dev/full 2>&1", True, 2),
    ],
)
def test_the_work_is_done_wherever_the_streams_lead(redirection, prints, code, tmp_path):
    found, result = run(tmp_path, redirection, prints=prints)
    assert found == code
    told = redirection == "> /dev/full"
    assert ("standard output cannot be written (No space left" in result.stderr) == told


@pytest.mark.parametrize("redirection", ["", "2> /dev/full"])
def test_what_has_kept_the_old_stream_can_go_on(redirection, tmp_path):
    """A handler of `logging` has the stream that was standard error when it was made."""
    (tmp_path / "program.py").write_text(
        "import logging\nfrom dreamer_tf.experiment import streams\nlogging.basicConfig()\n"
        "streams.prepare()\nlogging.error('a message')\nprint('done')\n"
    )
    result = subprocess.run(
        ["bash", "-c", f"{sys.executable} program.py {redirection}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert ("a message" in result.stderr) == (not redirection)
    assert "Traceback" not in result.stderr and "Exception" not in result.stderr


def test_other_locales_are_left_for_utf8(tmp_path):
    """A path with an umlaut reaches TensorFlow as UTF-8."""
    (tmp_path / "program.py").write_text(
        "import sys\nfrom dreamer_tf.experiment import streams\nstreams.use_utf8()\n"
        "streams.prepare()\nprint(sys.argv[1].encode(), sys.flags.utf8_mode, chr(0x2588))\n"
    )
    for utf8 in ("0", "1"):
        locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": utf8}
        result = subprocess.run(
            [sys.executable, "program.py", "ä"],
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            env=os.environ | locale,
        )
        assert result.stdout.decode() == f"{'ä'.encode()} 1 \u2588\n", result.stderr


def test_a_character_that_the_stream_lacks_is_shown_by_its_number(tmp_path):
    (tmp_path / "program.py").write_text(
        "from dreamer_tf.experiment import streams\nstreams.prepare()\nprint('ä')\n"
    )
    result = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert result.stdout == b"\\xe4\n", result.stderr


def test_another_failure_is_not_hidden(tmp_path):
    assert run(tmp_path, "> /dev/full", code=75, prints=True)[0] == 75


def test_streams_that_somebody_has_replaced_are_left_alone(tmp_path):
    from dreamer_tf.experiment import streams

    before = sys.stdout, sys.stderr
    assert type(sys.stdout).__name__ != "_Tolerant"
    assert streams.exit_code(75, prints_result=True) == 75
    assert (sys.stdout, sys.stderr) == before
