"""`python -m dreamer_tf.train`: what it writes, resuming, signals, errors."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.processes import SMALL, assert_sentence, run


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
        "episodes.jsonl",
        "checkpoints/ckpt-000001/manifest.json",
    ):
        assert (base_dir / name).exists(), name
    assert list((base_dir / "metrics/tensorboard").iterdir())
    lines = (base_dir / "metrics/json_lines/metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines if "Agent/kl" in line]
    assert metrics and metrics[-1]["Agent/updates"] == 4
    assert metrics[-1]["Agent/world_model_skipped_updates"] == 0
    record = json.loads((base_dir / "run.json").read_text())
    (session,) = record["sessions"]
    assert "-m dreamer_tf.train --gin_files=atari.gin" in session["command"]
    assert session["ended"] and record["hours"] > 0 and record["frames_per_step"] == 4
    assert {"tensorflow", "dopamine-rl", "gin-config"} <= set(session["packages"])
    phases = [score["Phase"] for score in json.loads((base_dir / "scores.json").read_text())]
    assert phases == ["train", "eval"]
    assert not any(path.suffix == ".pkl" for path in base_dir.rglob("*"))


def test_every_metric_is_explained_in_the_docs(trained):
    directory, _ = trained
    text = (Path(__file__).resolve().parents[2] / "docs/metrics.md").read_text()
    lines = (directory / "runs/atari/Pong/4/metrics/json_lines/metrics.jsonl").read_text()
    names = {name for line in lines.splitlines() for name in json.loads(line)}
    names -= {"step", "time"}
    assert len(names) > 30
    for name in names:
        general = re.sub("world_model_|actor_(?=sk|lo)|critic_(?=sk|lo)", "<part>_", name)
        general = re.sub("image_", "<name>_", general)
        one_of_a_part = re.search("loss_scale|skipped", name)
        assert f"`{general if one_of_a_part else name}`" in text or f"`{general}`" in text, name


def test_the_base_directory_alone_resumes_as_recorded_also_after_an_upgrade(trained, tmp_path):
    """An upgrade may have changed the gin file; the run has its own copy of what it said."""
    directory = shutil.copytree(trained[0], tmp_path / "copy")
    (directory / "atari.gin").write_text("nothing that gin reads")
    flags = ["--base_dir=runs/atari/Pong/4", "--gin_bindings=Runner.num_iterations=2"]
    result = run(directory, "train", *flags, "--scratch=node")
    assert result.returncode == 0, result.stderr
    assert not os.listdir(directory / "node")  # the replay was there, and is in the run now
    assert "seed 4" in result.stdout and "resumed         at 40 agent steps" in result.stdout
    before = json.loads((trained[0] / "runs/atari/Pong/4/run.json").read_text())
    after = json.loads((directory / "runs/atari/Pong/4/run.json").read_text())
    changed = {"Runner.num_iterations"}
    assert {k: v for k, v in before["bindings"].items() if k not in changed} == {
        k: v for k, v in after["bindings"].items() if k not in changed
    }
    assert (after["seed"], after["gin_hash"]) == (4, before["gin_hash"])
    scores = json.loads((directory / "runs/atari/Pong/4/scores.json").read_text())
    assert [score["Iteration"] for score in scores] == [0, 0, 1, 1]


def test_a_directory_without_a_run_needs_gin_files(tmp_path):
    assert_sentence(run(tmp_path, "train", "--base_dir=x"), "there is no run in this directory")
    assert_sentence(run(tmp_path, "train"), "--gin_files is missing", "--base_dir alone")


def test_the_same_command_resumes(trained, tmp_path):
    directory = shutil.copytree(trained[0], tmp_path / "copy")
    more = [*SMALL, "--gin_bindings=Runner.num_iterations=2"]
    result = run(directory, "train", "--gin_files=atari.gin", "--label=atari", "--seed=4", *more)
    assert result.returncode == 0, result.stderr
    assert "resumed         at 40 agent steps and 4 updates" in result.stdout
    scores = json.loads((directory / "runs/atari/Pong/4/scores.json").read_text())
    assert [score["Iteration"] for score in scores] == [0, 0, 1, 1]


def test_a_run_begins_with_the_weights_of_another_one(trained, tmp_path):
    directory = shutil.copytree(trained[0], tmp_path / "copy")
    source = "--init_from=runs/atari/Pong/4"
    flags = ["--gin_files=atari.gin", source, "--init_parts=world_model", "--label=begun", *SMALL]
    dry = run(directory, "train", *flags, "--dry_run")
    assert dry.returncode == 0, dry.stderr
    for _ in range(2):  # the second time it is complete, and takes nothing
        result = run(directory, "train", *flags)
        assert result.returncode == 0, result.stderr
        for printed in (dry.stdout, result.stdout):
            assert (
                "initial weights world model of runs/atari/Pong/4, checkpoint 1, after 40 agent"
                in printed
            )
    record = json.loads((directory / "runs/begun/Pong/0/run.json").read_text())
    assert record["init"]["from"] == "runs/atari/Pong/4" and len(record["sessions"]) == 2
    evaluate = [line for line in result.stdout.splitlines() if line.startswith("evaluate")]
    assert "--trust_imports" not in evaluate[0]
    for command in (["evaluate", "--episodes=1"], ["train", "--dry_run"]):  # without the other run
        result = run(directory, *command, "--base_dir=runs/begun/Pong/0")
        assert result.returncode == 0, result.stderr
    wrong = run(directory, "train", "--gin_files=atari.gin", source, "--base_dir=x")
    assert_sentence(wrong, "--init_from=runs/atari/Pong/4", "dense1/bias", "--init_parts")
    assert_sentence(run(directory, "train", "--gin_files=atari.gin", "--init_from=no"), "no run")


def test_a_signal_to_all_processes_saves_and_says_how_to_continue(tmp_path, request):
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


def test_a_misspelt_flag_is_named(tmp_path):
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
            ["DreamerV2Agent.train_ratio is '4'", "a number above 0"],
        ),
        (
            ["--gin_files=atari.gin", "--base_dir=/proc/run"],
            ["/proc/run", "--base_dir"],
        ),
    ],
)
def test_an_error_of_the_user_is_one_sentence_that_names_it(tmp_path, arguments, words):
    assert_sentence(run(tmp_path, "train", *arguments), *words)


def test_the_directory_of_another_configuration_is_not_used(trained):
    directory, _ = trained
    base = ["--gin_files=atari.gin", "--label=atari", "--seed=4", *SMALL]
    result = run(directory, "train", *base, "--gin_bindings=RSSM.units=13")
    assert_sentence(result, "RSSM.units was 12 and is now 13", "--base_dir")


def test_help_needs_no_tensorflow(tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "dreamer_tf.train", "--help"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "--gin_files" in result.stdout
    assert "| absl" in result.stderr.replace("   ", " ") and "tensorflow" not in result.stderr
