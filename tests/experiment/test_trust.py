"""What an untrusted configuration may say, and how the caller adds to it."""

import sys

import gin
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import runner, trust  # noqa: F401 - registers with gin
from tests.helpers import bind


@gin.configurable
def my_environment(path="", settings=None):
    return None


def test_plain_values_of_the_package_are_allowed():
    text = """
LEARNING_RATE = 1e-3
world_model/Optimizer.learning_rate = %LEARNING_RATE
critic/Optimizer.learning_rate = @slow/linear_schedule()
slow/linear_schedule.steps = 5
RSSM:
  units = 12
  activation = 'elu'
create_gym_environment.id = 'ALE/Pong-v5'
create_gym_environment.max_episode_steps = 100
create_gym_environment.one_hot = {'image': (11, 6, 3)}
create_gym_environment.scale = {'far': 1e6}
create_gym_environment.camera = {'distance': 4.0, 'names': ['a', None]}
DopamineAgent.label = 'DQN (Adam + MSE in JAX)'
Learner.policy_device = '/GPU:1'
DreamerRunner.create_environment_fn = None
JaxDQNAgent.network = @ImpalaDQNNetwork
"""
    trust.check(text, "config.gin")


def test_what_the_caller_registered_takes_everything():
    trust.check(
        "my_environment.path = '/a/path'\n"
        "my_environment.settings = {'file': '../b', 'c': @CategoricalLatent}\n"
        "DreamerRunner.create_environment_fn = @my_environment\n"
        f"import {my_environment.__module__}\n",
        "config.gin",
    )
    with pytest.raises(UserError, match=r"binds my_environment\.path to @Logger\(\)"):
        trust.check("my_environment.path = @Logger()", "config.gin")


def test_what_is_missing_is_named_with_its_flag():
    with pytest.raises(UserError, match=r"names '@maze.make_maze'.*--import=.*--trust_imports"):
        trust.check("DreamerRunner.create_environment_fn = @maze.make_maze", "config.gin")
    with pytest.raises(UserError, match=r"'import maze'.*--import=maze.*--trust_imports"):
        trust.check("import maze", "config.gin")
    with pytest.raises(UserError, match=r"package 'maze'.*--import=maze"):
        trust.check("create_gym_environment.id = 'maze:Maze-v0'", "config.gin")


def test_modules_are_imported_by_name_or_refused_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "attacks_good.py").write_text("")
    (tmp_path / "attacks_bad.py").write_text("1 / 0")
    assert trust.import_modules(["attacks_good"]) == ["import attacks_good"]
    trust.check("create_gym_environment.id = 'attacks_good:Maze-v0'", "config.gin")
    assert trust.import_modules(None) == []
    with pytest.raises(UserError, match=r"--import=attacks_bad .*ZeroDivisionError"):
        trust.import_modules(["attacks_bad"])
    with pytest.raises(UserError, match=r"--import=attacks_none .*PYTHONPATH"):
        trust.import_modules(["attacks_none"])


def test_the_flags_that_a_configuration_needs():
    bind("RSSM.units = 5")
    assert trust.flags() == []
    bind("DreamerRunner.create_environment_fn = @my_environment")
    assert trust.flags() == [f"--import={__name__}"]
    bind("import tests.helpers")
    assert trust.flags() == [f"--import={__name__}", "--import=tests.helpers"]
    bind("RSSM.latent = @Logger()")
    assert trust.flags() == ["--trust_imports"]


def test_a_working_directory_inside_the_run_is_warned_about(tmp_path, monkeypatch, capsys):
    (tmp_path / "logs").mkdir()
    monkeypatch.syspath_prepend("")
    for place, warned in ((tmp_path, True), (tmp_path / "logs", True), (tmp_path.parent, False)):
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "path", [str(place), *sys.path])
        trust.warn_about_working_directory(str(tmp_path))
        assert ("console scripts" in capsys.readouterr().err) == warned
    trust.warn_about_working_directory(None)
    assert not capsys.readouterr().err
