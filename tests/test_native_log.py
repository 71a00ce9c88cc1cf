"""TensorFlow's native code prints nothing that is true of every machine, and everything else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamer_tf import native_log

ROOT = Path(__file__).resolve().parents[1]


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "line,arrives",
    [
        ("I0000 00:00:17.55 1 port.cc:153] oneDNN custom operations are on. You may", False),
        ("WARNING: All log messages before absl::InitializeLog() is called are", False),
        ("E0000 00:00:17.55 1 cuda_platform.cc:52] failed call to cuInit: UNKNOWN", False),
        ("E0000 00:00:17.55 1 cuda_dnn.cc:1] cuDNN has another version", True),
    ],
)
def test_what_is_true_of_every_machine_is_dropped(capfd, line, arrives):
    with native_log._filtered(native_log._ALWAYS + native_log._WITHOUT_GPU):
        os.write(2, f"{line}\n".encode())
    os.write(2, b"afterwards\n")
    written = capfd.readouterr().err.splitlines()
    assert written == ([line] if arrives else []) + ["afterwards"]


def test_the_reason_of_an_abort_arrives():
    code, errors = run(
        "import os\nfrom dreamer_tf import native_log\n"
        "with native_log._filtered('noise'):\n"
        "    os.write(2, b'noise\\nthe reason\\n')\n"
        "    os.abort()\n"
    )
    assert code < 0 and "the reason" in errors and "noise" not in errors


def test_standard_error_may_be_closed():
    code, _ = run(
        "import os\nos.close(2)\nfrom dreamer_tf import native_log\n"
        "with native_log._filtered('noise'):\n"
        "    pass\n"
    )
    assert code == 0


@pytest.mark.ci
def test_loading_tensorflow_is_silent():
    code, errors = run("import dreamer_tf\ndreamer_tf.load_policy\n")
    assert (code, errors) == (0, "")


@pytest.mark.ci
@pytest.mark.parametrize(
    "call",
    [
        "preflight.check(['mine.gin'], [])",
        "preflight.check([], ['import mine'])",
        "trust.import_modules(['mine'])",
    ],
)
def test_a_module_of_the_user_may_import_tensorflow(tmp_path, monkeypatch, call):
    (tmp_path / "mine.py").write_text(
        "import sys\nimport tensorflow\nprint('mine', file=sys.stderr)"
    )
    (tmp_path / "mine.gin").write_text("import mine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path)]))
    code, errors = run(f"from dreamer_tf.experiment import preflight, trust\n{call}\n")
    assert (code, errors) == (0, "mine\n")
