"""The wheel holds everything: installed elsewhere, it trains from an empty directory."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.helpers import TINY

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"  # building writes beside setup.py
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("dreamer_tf", "gin_configs", "baselines"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(directory)]
    built = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(directory.glob("*.whl"))


def train(python: Path, directory: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    bindings = ["--label=atari_small", *(f"--gin_bindings={binding}" for binding in TINY)]
    result = subprocess.run(
        [str(python), "-m", "dreamer_tf.train", "--gin_files=atari_small.gin", *bindings],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert (directory / "runs/atari_small/Pong/0/scores.json").exists()
    where = subprocess.run(
        [str(python), "-c", "import dreamer_tf; print(dreamer_tf.__file__)"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert str(ROOT) not in where.stdout


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "dreamer_tf/gin_configs/atari.gin" in names
    assert "dreamer_tf/baselines/README.md" in names and "dreamer_tf/py.typed" in names
    assert {"dreamer_tf/scores/page.css", "dreamer_tf/scores/page.js"} <= set(names)
    assert "dreamer_tf/baselines/dreamerv3/atari57.json" in names
    assert not any(name.startswith(("tests/", "baselines/", "gin_configs/")) for name in names)
    assert not any(name.endswith("baselines/__init__.py") for name in names)


def test_wheel_trains_from_an_empty_directory(wheel, tmp_path):
    """Our wheel alone in a new environment; the dependencies are those of this one."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    site = Path(
        subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    # A path line adds the directory without its .pth files, so not our editable installation.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    (tmp_path / "empty").mkdir()
    train(python, tmp_path / "empty")


@pytest.mark.slow
def test_wheel_with_all_its_dependencies(wheel, tmp_path):
    """Nothing but what the wheel asks for, at the tested versions."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    command = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*command, str(wheel)], check=True)
    (tmp_path / "empty").mkdir()
    train(python, tmp_path / "empty")


def test_the_console_scripts_start_the_commands(tmp_path):
    """The same code as `python -m dreamer_tf.<command>`."""
    for name in ("train", "sweep", "evaluate", "dream", "compare", "describe", "pack"):
        script = Path(sys.executable).parent / f"dreamer-{name}"
        command = [str(script), "--no_such_flag=1"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert result.returncode == 2 and "no_such_flag" in result.stderr, result.stderr
