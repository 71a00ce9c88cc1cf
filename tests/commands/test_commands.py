"""The commands as users run them: in their own process, from an empty directory."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import TINY

SMALL = [f"--gin_bindings={binding}" for binding in TINY]


def run(directory, module, *arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", f"dreamer_tf.{module}", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        **settings,
    )


def assert_sentence(result, *words):
    """Exit code 2 and one sentence, no traceback."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if ".py: " in line]
    assert len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on ALE Pong with a tiny model, in the default base directory."""
    directory = tmp_path_factory.mktemp("trained")
    result = run(directory, "train", "--gin_files=atari.gin", "--seed=4", *SMALL)
    assert result.returncode == 0, result.stderr
    return directory, result


def test_train_writes_everything_and_says_where(trained):
    directory, result = trained
    base_dir = directory / "runs/atari/Pong/4"
    assert "base directory  runs/atari/Pong/4" in result.stdout
    assert "parameters      world model " in result.stdout
    assert "replay          1,000 steps" in result.stdout
    for word in ("scores.json", "tensorboard.main --logdir=", "ckpt-000001", "dreamer_tf.evaluate"):
        assert word in result.stdout
    for name in (
        "config.gin",
        "operative_config.gin",
        "run.json",
        "scores.json",
        "logs/log_0",
        "metrics/json_lines/metrics.jsonl",
        "checkpoints/ckpt-000001/manifest.json",
    ):
        assert (base_dir / name).exists(), name
    assert list((base_dir / "metrics/tensorboard").iterdir())
    lines = (base_dir / "metrics/json_lines/metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines if "Agent/kl" in line]
    assert metrics and metrics[-1]["Agent/updates"] == 4
    assert metrics[-1]["Agent/world_model_skipped_updates"] == 0
    phases = [score["Phase"] for score in json.loads((base_dir / "scores.json").read_text())]
    assert phases == ["train", "eval"]
    assert not any(path.suffix == ".pkl" for path in base_dir.rglob("*"))


def test_every_metric_is_explained(trained):
    directory, _ = trained
    text = (Path(__file__).resolve().parents[2] / "docs/metrics.md").read_text()
    lines = (directory / "runs/atari/Pong/4/metrics/json_lines/metrics.jsonl").read_text()
    names = {name for line in lines.splitlines() for name in json.loads(line)} - {"step"}
    assert len(names) > 30
    for name in names:
        general = re.sub("world_model_|actor_(?=sk|lo)|critic_(?=sk|lo)", "<part>_", name)
        general = re.sub("image_", "<name>_", general)
        one_of_a_part = re.search("loss_scale|skipped", name)
        assert f"`{general if one_of_a_part else name}`" in text or f"`{general}`" in text, name


def test_dream(trained):
    directory, _ = trained
    base_dir = "--base_dir=runs/atari/Pong/4"
    for actions in ("policy", "random", "replay"):
        more = (f"--out={actions}.gif", f"--actions={actions}", "--frames=9", "--context=3")
        result = run(directory, "dream", base_dir, *more)
        assert result.returncode == 0, result.stderr
        assert f"{actions}.gif: 12 frames; the model saw the first 3" in result.stdout
        assert "mean squared error of image: step 0 " in result.stdout
        assert (directory / f"{actions}.gif").read_bytes()[:4] == b"GIF8"
    assert_sentence(run(directory, "dream"), "--base_dir is missing")
    too_long = run(directory, "dream", base_dir, "--actions=replay", "--frames=500")
    assert_sentence(too_long, "No stored episode has 505 steps", "--frames")
    assert_sentence(run(directory, "dream", base_dir, "--out=dream.mp4"), "dream.mp4", ".gif")


def test_same_command_resumes(trained):
    directory, _ = trained
    more = [*SMALL, "--gin_bindings=Runner.num_iterations=2"]
    result = run(directory, "train", "--gin_files=atari.gin", "--seed=4", *more)
    assert result.returncode == 0, result.stderr
    assert "resumed         at 40 agent steps and 4 updates" in result.stdout
    scores = json.loads((directory / "runs/atari/Pong/4/scores.json").read_text())
    assert [score["Iteration"] for score in scores] == [0, 0, 1, 1]


def test_evaluate_prints_json_and_records_a_video(trained):
    directory, _ = trained
    result = run(
        directory,
        "evaluate",
        "--base_dir=runs/atari/Pong/4",
        "--episodes=2",
        "--video=episode.gif",
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["episodes"] == 2 and len(report["returns"]) == 2
    assert report["lengths"] == [20, 20] and report["game"] == "Pong"
    import imageio.v3

    frames = imageio.v3.imread(directory / "episode.gif")
    assert frames.shape[1:3] == (210, 160) and len(frames) > 1


def test_readme_lines_load_a_policy(trained):
    """Ten lines of Python: load, act, through Gymnasium's own interface."""
    directory, _ = trained
    code = """
import dreamer_tf
policy = dreamer_tf.load_policy("runs/atari/Pong/4")
environment = policy.gymnasium_environment()
observation, info = environment.reset(seed=1)
total = 0.0
for _ in range(5):
    action = policy(observation)
    observation, reward, terminated, truncated, info = environment.step(action)
    total += reward
assert environment.observation_space.contains(observation)
print(total)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, timeout=200
    )
    assert result.returncode == 0, result.stderr


def test_a_signal_to_all_processes_saves_and_says_how_to_go_on(tmp_path, request):
    """SIGTERM as clusters send it, to workers and all: only the parent decides."""
    long = [*SMALL, "--gin_bindings=Runner.num_iterations=1000000"]
    long += ["--gin_bindings=DreamerRunner.num_environments=2"]
    long += ["--gin_bindings=EpisodeReplay.reserve=400"]
    arguments = ["--gin_files=atari.gin", "--base_dir=run", *long]
    process = subprocess.Popen(
        [sys.executable, "-m", "dreamer_tf.train", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    request.addfinalizer(process.kill)
    metrics = tmp_path / "run/metrics/json_lines/metrics.jsonl"
    deadline = time.monotonic() + 200
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 75, errors
    assert "-m dreamer_tf.train --gin_files=atari.gin" in output.partition("To continue:\n")[2]
    assert "Saving at the next agent step" in errors
    assert (tmp_path / "run/checkpoints/ckpt-000001").exists()
    process = subprocess.Popen(
        [sys.executable, "-m", "dreamer_tf.train", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    request.addfinalizer(process.kill)
    for line in process.stdout:
        if line.startswith("resumed"):
            break
    else:
        pytest.fail("the second process did not resume")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=100)


def test_misspelt_flag(tmp_path):
    assert_sentence(run(tmp_path, "train", "--gin_file=atari.gin"), "gin_file")
    assert_sentence(run(tmp_path, "train", "atari.gin"), "'atari.gin' is not a flag")
    assert_sentence(run(tmp_path, "train", "--seed=-1", "--gin_files=atari.gin"), "seed")


@pytest.mark.parametrize(
    "arguments,words",
    [
        ([], ["--gin_files", "atari_small.gin"]),
        (["--gin_files=atary.gin"], ["atary.gin", "'atari.gin'"]),
        (
            ["--gin_files=atari.gin", "--gin_bindings=AtariEnvironment.game_name='Pnog'"],
            ["AtariEnvironment.game_name", "'Pong'"],
        ),
        (
            ["--gin_files=atari.gin", "--gin_bindings=WorldModel.kl_scales=1"],
            ["kl_scales", "'kl_scale'"],
        ),
        (
            ["--gin_files=atari.gin", "--gin_bindings=EpisodeReplay.capacity=10**13"],
            ["gin:"],
        ),
        (
            ["--gin_files=atari.gin", "--gin_bindings=EpisodeReplay.capacity=1000000000000"],
            ["GB", "EpisodeReplay.capacity"],
        ),
        (
            ["--gin_files=atari.gin", "--gin_bindings=Learner.precision='float64'"],
            ["Learner.precision", "mixed_float16"],
        ),
        (
            ["--gin_files=atari.gin", "--gin_bindings=DreamerV2Agent.train_ratio='4'"],
            ["DreamerV2Agent", "wrong value"],
        ),
        (
            ["--gin_files=atari.gin", "--base_dir=/proc/run"],
            ["/proc/run", "--base_dir"],
        ),
    ],
)
def test_user_errors(tmp_path, arguments, words):
    assert_sentence(run(tmp_path, "train", *arguments), *words)


def test_directory_of_another_configuration(trained):
    directory, _ = trained
    base = ["--gin_files=atari.gin", "--seed=4", *SMALL]
    result = run(directory, "train", *base, "--gin_bindings=RSSM.units=13")
    assert_sentence(result, "RSSM.units was 12 and is now 13", "--base_dir")


def test_evaluation_errors(tmp_path):
    assert_sentence(run(tmp_path, "evaluate"), "--base_dir")
    assert_sentence(run(tmp_path, "evaluate", "--base_dir=nowhere"), "nowhere")
    result = run(tmp_path, "evaluate", "--base_dir=nowhere", "--video=film.mp4")
    assert_sentence(result, "film.mp4", ".gif")


def test_help_needs_no_tensorflow(tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "dreamer_tf.train", "--help"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "--gin_files" in result.stdout
    assert "| absl" in result.stderr.replace("   ", " ") and "tensorflow" not in result.stderr
