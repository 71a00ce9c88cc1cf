"""Starting a run: its environment, its directory and its lock, and what users are told."""

import os
import shutil
import subprocess

import gin
import pytest

import tests
from dreamer_tf.environments.atari import AtariEnvironment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.scores.score_files import Score
from dreamer_tf.storage import identity
from tests.helpers import TINY, ScriptedEnvironment, bind


def test_a_failed_start_does_not_claim_the_directory(tmp_path):
    """The corrected command works in the same directory."""
    gin_files.parse(["atari_small.gin"], TINY)
    bind("Learner.precision='float64'")
    with pytest.raises(UserError, match=r"Learner\.precision"):
        launch.make_runner(str(tmp_path), 0)
    gin.bind_parameter("Learner.precision", "float32")
    launch.make_runner(str(tmp_path), 0)


def small_run(directory, *settings):
    """A run of a scripted environment."""
    gin.clear_config()
    gin_files.parse(["atari_small.gin"], [*TINY, *settings])
    gin.bind_parameter(launch.FACTORY, None)
    return launch.make_runner(str(directory), 0, ScriptedEnvironment)


def test_a_run_without_a_checkpoint_accepts_a_corrected_configuration(tmp_path):
    """Other sizes, too: what it stored before belongs to nothing."""
    small_run(tmp_path, "EpisodeReplay.capacity=500").close()
    assert not identity.has_progress(tmp_path)
    runner = small_run(tmp_path, "RSSM.units=9", "EpisodeReplay.capacity=700")
    runner.run_experiment()
    runner.close()
    assert identity.has_progress(tmp_path)
    assert "RSSM.units = 9" in (tmp_path / gin_files.CONFIG_FILE).read_text()
    with pytest.raises(UserError, match=r"RSSM\.units was 9 and is now 8"):
        small_run(tmp_path, "RSSM.units=8", "EpisodeReplay.capacity=700")


def test_a_run_that_had_a_checkpoint_is_not_started_over(tmp_path):
    runner = small_run(tmp_path)
    runner.run_experiment()
    runner.close()
    for name in ("checkpoints", "scores.json"):
        path = tmp_path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match="another configuration"):
        small_run(tmp_path, "RSSM.units=8")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["DreamerV2Agent.prefill_steps=100"], "all part of the random start"),
        (
            [
                "EpisodeReplay.sampling=@ReleasedSampling()",
                "ReleasedSampling.minimum_length=100",
                "ReleasedSampling.maximum_length=None",
            ],
            "ReleasedSampling.minimum_length",
        ),
    ],
)
def test_a_run_without_an_update_is_no_success(tmp_path, settings, words):
    runner = small_run(tmp_path, *settings)
    runner.run_experiment()
    with pytest.raises(UserError, match=f"ended without an update.*{words}"):
        launch.check_learned(runner)
    runner.close()


def test_a_value_without_effect_is_refused_before_the_run(tmp_path):
    with pytest.raises(UserError, match=r"Optimizer\.learning_rate = 0\.005 has no effect"):
        small_run(tmp_path, "Optimizer.learning_rate=5e-3")


def test_a_directory_is_used_by_one_process(tmp_path):
    gin_files.parse(["atari_small.gin"], TINY)
    runner = launch.make_runner(str(tmp_path), 0)
    with pytest.raises(UserError, match="in use by another process"):
        launch.make_runner(str(tmp_path), 0)
    runner.lock.close()
    launch.make_runner(str(tmp_path), 0)


def test_a_reserve_smaller_than_an_iteration_is_named(tmp_path):
    gin_files.parse(["atari_small.gin"], [*TINY, "EpisodeReplay.reserve=59"])
    with pytest.raises(UserError, match=r"EpisodeReplay\.reserve is 59, but up to 60 steps"):
        launch.make_runner(str(tmp_path), 0)


def test_an_environment_must_be_a_factory():
    gin.parse_config("DreamerRunner.create_environment_fn = @AtariEnvironment()")
    with pytest.raises(UserError, match="without parentheses"):
        launch.make_environment()


def test_a_missing_environment_is_named():
    with pytest.raises(UserError, match="create_environment_fn is not set"):
        launch.make_environment()


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin_files.parse(["atari.gin"], TINY)
    gin.bind_parameter(launch.FACTORY, None)
    made = launch.make_runner("runs/a", 3, ScriptedEnvironment)
    yield made
    made.close()


def test_a_run_is_described_before_it_begins(runner):
    lines = dict(line.split(maxsplit=1) for line in launch.describe(runner).splitlines()[1:2])
    assert "Scripted, protocol scripted, 1 frames per agent step, seed 3" in lines["environment"]
    text = launch.describe(runner)
    assert "observations    vector [3]" in text and "40 agent steps = 40 frames" in text
    assert "resumed" not in text


def test_closing_words_name_scores_logs_and_the_checkpoint(runner):
    assert "checkpoint      none yet" in launch.closing_words(runner)
    runner.run_experiment()
    text = launch.closing_words(runner)
    assert "checkpoint      runs/a/checkpoints/ckpt-000001" in text
    assert "train return" in text and "runs/a/scores.json" in text
    assert "random play" not in text  # no game of the benchmark
    # The environment came from Python, so no command can make it again.
    assert "dreamer_tf.load_policy('runs/a', environment=...)" in text


def test_closing_words_set_the_last_return_beside_random_play(runner):
    assert "random play" not in launch.closing_words(runner)
    for game, last, words in (
        ("KungFuMaster", 4200.0, "258.50, a human gamer 22736.30 (published), so the last return"),
        ("Pong", -3.05, "-20.70, a human gamer 14.60 (published), so the last return is 0.50"),
    ):
        runner._guard.single.environment = AtariEnvironment(game)
        runner.scores[:] = [Score(0, last, "a", "eval", game, 0, 9, 3, "machado2018", "")]
        assert f"random play     {words}" in launch.closing_words(runner)


def test_closing_words_have_a_command_that_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin_files.parse(["atari.gin"], [*TINY, "import tests.helpers"])
    bind(f"{launch.FACTORY} = @ScriptedEnvironment")
    runner = launch.make_runner("a run", 0)
    assert "train longer" not in launch.closing_words(runner)
    runner.run_experiment()
    runner.close()
    [line] = [x for x in launch.closing_words(runner).splitlines() if "train longer" in x]
    steps = runner.agent.agent_steps
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(tests.__file__)))
    command = line.removeprefix("train longer").strip()
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert f"resumed         at {steps} agent steps" in result.stdout
    assert "iteration 1, " in result.stdout


def test_commands_find_modules_where_this_process_does(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    plain = launch.python()
    monkeypatch.setenv("PYTHONPATH", "my ideas:/there")
    assert launch.python() == f"PYTHONPATH='my ideas:/there' {plain}"


def test_the_evaluate_command_has_the_flags_that_the_run_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin_files.parse(["atari.gin"], [*TINY, "import tests.helpers"])
    bind(f"{launch.FACTORY} = @ScriptedEnvironment")
    runner = launch.make_runner("a run", 0)
    text = launch.closing_words(runner)
    assert "--base_dir='a run'" in text and "--import=tests.helpers" in text and "--video" in text
    runner.close()


def test_a_closed_run_unlocks_its_directory(tmp_path):
    gin_files.parse(["atari.gin"], TINY)
    gin.bind_parameter(launch.FACTORY, None)
    launch.make_runner(str(tmp_path), 0, ScriptedEnvironment).close()
    launch.make_runner(str(tmp_path), 0, ScriptedEnvironment).close()


def test_a_run_keeps_its_label_until_it_gets_another(tmp_path):
    def label():
        return identity.facts(tmp_path).get("label")

    for given, kept in ((None, None), ("first", "first"), (None, "first"), ("second", "second")):
        gin.clear_config()
        gin_files.parse(["atari_small.gin"], TINY)
        gin.bind_parameter(launch.FACTORY, None)
        launch.make_runner(str(tmp_path), 0, ScriptedEnvironment, given).close()
        assert label() == kept
