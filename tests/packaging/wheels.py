"""Installs the wheel into empty environments of every supported Python, and trains there.

`make test-wheels` runs it. For each of Python 3.10, 3.11 and 3.12 that this machine has, it makes
an empty virtual environment, installs the wheel with all its dependencies at the tested versions,
and trains for a moment from an empty directory. It prints one line for each version and fails if
one of them fails, or if none was found.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.10", "3.11", "3.12")
COMMANDS = ("train", "sweep", "evaluate", "dream", "compare", "describe", "pack")
# Small enough to train within seconds.
BINDINGS = (
    "Runner.num_iterations=1",
    "Runner.training_steps=40",
    "Runner.evaluation_steps=1",
    "Runner.max_steps_per_episode=20",
    "DreamerV2Agent.prefill_steps=16",
    "EpisodeReplay.capacity=1000",
    "EpisodeReplay.reserve=200",
    "EpisodeReplay.batch_size=3",
    "EpisodeReplay.sequence_length=6",
    "RSSM.units=12",
    "MLP.units=8",
    "Encoder.depth=2",
    "Decoder.depth=2",
)


def main() -> int:
    """Tests every version that is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=VERSIONS, help="as in 3.11; all by default")
    versions = parser.parse_args().versions
    failed, found = [], []
    with tempfile.TemporaryDirectory() as directory:
        wheel = build(Path(directory))
        print(f"wheel: {wheel.name}", flush=True)
        for version in versions:
            python = find(version)
            if python is None:
                print(f"Python {version}: not found on this machine, so not tested", flush=True)
                continue
            found.append(version)
            problem = check(python, wheel, Path(directory, version))
            print(f"Python {version}: {problem or 'installed, trained, compared'}", flush=True)
            if problem:
                failed.append(version)
    if not found:
        print("None of the versions is on this machine: install one of them, or use pyenv.")
    return int(bool(failed) or not found)


def build(directory: Path) -> Path:
    """Builds the wheel from the committed files, so that nothing else can slip in."""
    source = directory / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(directory)]
    subprocess.run([*command, str(source)], check=True, stdout=subprocess.DEVNULL)
    return next(directory.glob("*.whl"))


def find(version: str) -> str | None:
    """A Python of this version: on the path, or one of pyenv's."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates += sorted(map(str, pyenv.glob(f"{version}.*/bin/python")), reverse=True)
    for candidate in filter(None, candidates):
        command = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        result = subprocess.run(command, capture_output=True, text=True)
        # pyenv puts commands on the path that fail for versions that are not selected.
        if result.returncode == 0 and result.stdout.strip() == version:
            return candidate
    return None


def check(python: str, wheel: Path, directory: Path) -> str | None:
    """What went wrong with one version; None if nothing did."""
    binaries = directory / "venv/bin"
    empty = directory / "empty"
    empty.mkdir(parents=True)
    install = [str(binaries / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    bindings = [f"--gin_bindings={binding}" for binding in BINDINGS]
    steps = {
        "venv": [python, "-m", "venv", str(directory / "venv")],
        "install": [*install, "-c", str(ROOT / "constraints.txt"), str(wheel)],
        "train": [
            str(binaries / "dreamer-train"),
            "--gin_files=atari_small.gin",
            "--label=atari_small",
            *bindings,
        ],
        "evaluate": [
            str(binaries / "dreamer-evaluate"),
            "--base_dir=runs/atari_small/Pong/0",
            "--episodes=1",
        ],
        "compare": [str(binaries / "dreamer-compare"), "--runs=runs/*/*/*", "--baselines=DQN"],
        **{f"{name} --help": [str(binaries / f"dreamer-{name}"), "--help"] for name in COMMANDS},
    }
    # Nothing of this checkout may help.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for name, command in steps.items():
        result = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)
        # absl answers --help with exit code 1.
        answered = name.endswith("--help") and "--helpfull" in result.stdout
        if result.returncode and not answered:
            return f"{name} failed\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
    shutil.rmtree(directory)  # each environment takes gigabytes
    return None


if __name__ == "__main__":
    sys.exit(main())
