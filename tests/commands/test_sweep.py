"""`python -m dreamer_tf.sweep`: plans, questions, errors; `tests/reliability` has its runs."""

import os

import pytest

from dreamer_tf.sweeps import plan
from dreamer_tf.sweeps.home import Home
from tests.commands.processes import assert_sentence, run


def test_a_plan_is_printed_and_nothing_is_made(tmp_path):
    flags = ["--configs=atari_small.gin;rainbow.gin+base/atari_100k.gin", "--games=@atari55"]
    result = run(tmp_path, "sweep", *flags, "--seeds=0-4", "--dry_run")
    assert result.returncode == 0, result.stderr
    assert "550 runs: 550 missing" in result.stdout
    assert "runs/rainbow+atari_100k/YarsRevenge/4" in result.stdout
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--configs is missing"]),
        (["--configs=atary.gin"], ["'atari.gin'"]),
        (["--configs=atari.gin", "--games=Pongg"], ["'Pong'"]),
        (["--status"], ["There is no sweep in --root=runs"]),
        (["--status", "--stop"], ["--status and --stop exclude each other"]),
        (["--configs=atari.gin", "--root=s3://bucket"], ["--root=s3://bucket is a URL"]),
        (["--configs=atari.gin", "--seeds=x"], ["--seeds=x"]),
    ],
)
def test_mistakes_are_sentences(tmp_path, flags, words):
    assert_sentence(run(tmp_path, "sweep", *flags), *words)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("question", "words"),
    [("--status", "runs/maze/Maze/0"), ("--stop", "The sweep mazes is not running.")],
)
def test_a_sweep_is_asked_and_stopped_though_its_environment_is_gone(
    tmp_path, monkeypatch, question, words
):
    """Both made the environment, which only the module of the user can."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maze.gin").write_text(
        "include 'gym.gin'\ncreate_gym_environment.factory = @maze/Maze\n"
    )
    request = plan.Request("maze.gin", imports=["maze"])
    with monkeypatch.context() as patched:
        patched.setattr(plan.asking, "environment_name", lambda *_: "Maze")
        patched.setattr(plan.preflight, "check", lambda *_: None)
        names: dict[str, str] = {}
        plan.make(request, names)
    Home("runs", "mazes").directory.mkdir(parents=True)
    Home("runs", "mazes").record(request, names)
    result = run(tmp_path, "sweep", question)
    assert result.returncode == 0, result.stderr
    assert words in result.stdout
    assert_sentence(run(tmp_path, "sweep", "--dry_run", "--configs=maze.gin"), "Maze")
