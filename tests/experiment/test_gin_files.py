"""Gin files: finding, reading, recording, and what users are told."""

import os

import gin
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch  # noqa: F401, launch registers with gin
from dreamer_tf.storage import identity
from tests.helpers import TINY


def test_files_are_found_here_first_then_among_the_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gin_files.find("atari") == str(gin_files.shipped_directory() / "atari.gin")
    (tmp_path / "atari.gin").write_text("")
    assert gin_files.find("atari.gin") == "atari.gin"


def test_reading_again_leaves_nothing_behind():
    """Else a missing file is looked for ever longer: the fuzzer met a search of five seconds."""
    gin_files.parse(["atari_small.gin"])
    before = [list(getattr(gin.config, name)) for name in ("_LOCATION_PREFIXES", "_FILE_READERS")]
    gin.clear_config()
    gin_files.parse(["atari_small.gin"])
    after = [list(getattr(gin.config, name)) for name in ("_LOCATION_PREFIXES", "_FILE_READERS")]
    assert after == before and len(set(after[0])) == len(after[0])


def test_bindings_win_over_files():
    gin_files.parse(["atari_small.gin"], ["EpisodeReplay.batch_size=7"])
    assert gin.query_parameter("EpisodeReplay.batch_size") == 7
    assert gin.query_parameter("EpisodeReplay.sequence_length") == 32
    assert gin.query_parameter("WorldModel.kl_scale") == 0.1


@pytest.mark.parametrize(
    "files,bindings,words",
    [
        (["atary.gin"], [], ["atary.gin", "'atari.gin'"]),
        (["atari.gin"], ["RSSM.unit=5"], ["RSSM has no parameter 'unit'", "'units'"]),
        (["atari.gin"], ["RSMM.units=5"], ["'RSMM'", "'RSSM'"]),
        (["atari.gin"], ["RSSM.latent=@CategoricalLatents()"], ["'CategoricalLatent'"]),
        (["atari.gin"], ["RSSM.units="], ["Unable to parse"]),
        (["atari.gin"], ["AtariEnvironment.game_name=Pong"], ["Pong", "quotes, as in 'Pong'"]),
        (["atari.gin"], ["RSSM.units=("], ["bracket", "--gin_bindings"]),
        (["atari.gin"], ["MLP.activation='\\ud800'"], ["MLP.activation"]),
        (
            ["atari.gin"],
            ["import no_such_module"],
            ["no_such_module': put the directory", "PYTHONPATH"],
        ),
    ],
)
def test_errors_name_the_nearest(files, bindings, words):
    with pytest.raises(UserError) as error:
        gin_files.parse(files, bindings)
    for word in words:
        assert word in error.value.sentence
    assert "\n" not in error.value.sentence


def test_the_directory_of_another_run_is_not_used(tmp_path):
    gin_files.parse(["atari_small.gin"], list(TINY))
    gin_files.check(tmp_path, 0)
    gin_files.record(tmp_path, 0)
    gin_files.check(tmp_path, 0)
    identity.mark_progress(tmp_path)
    with pytest.raises(UserError, match="--seed=0, not 1"):
        gin_files.check(tmp_path, 1)
    gin.bind_parameter("Runner.num_iterations", 50)  # how long it runs may change
    gin_files.check(tmp_path, 0)
    gin.bind_parameter("RSSM.units", 99)
    with pytest.raises(UserError, match=r"RSSM\.units was 12 and is now 99"):
        gin_files.check(tmp_path, 0)


@pytest.mark.parametrize(
    "line",
    ["import forged", "  from forged import it", "\timport forged as f", "include 'forged.gin'"],
)
def test_the_configuration_of_a_run_imports_nothing(line, tmp_path, monkeypatch):
    """Unless it is trusted; a directory from somebody else must not run code."""
    (tmp_path / "forged.py").write_text("raise SystemExit('code was run')")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / gin_files.CONFIG_FILE).write_text(f"RSSM.units = 5\n{line}\n")
    with pytest.raises(UserError, match=f"says '{line.strip()}'.*--trust_imports"):
        gin_files.parse_recorded(tmp_path)
    assert not gin.config_str().strip()
    (tmp_path / gin_files.CONFIG_FILE).write_text("RSSM.units = 5\nimport forged\n")
    with pytest.raises(SystemExit, match="code was run"):
        gin_files.parse_recorded(tmp_path, trust_imports=True)


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        gin_files.check(tmp_path, 0)


def test_fingerprint_ignores_what_may_change():
    gin_files.parse(["atari_small.gin"])
    first = gin_files.fingerprint(gin_files.bindings())
    gin.bind_parameter("Runner.num_iterations", 77)
    assert gin_files.fingerprint(gin_files.bindings()) == first
    gin.bind_parameter("RSSM.units", 77)
    assert gin_files.fingerprint(gin_files.bindings()) != first


def test_long_values_are_one_binding():
    names = tuple(f"observation_number_{index}" for index in range(30))
    gin.bind_parameter("WorldModel.gradient_heads", names)
    found = gin_files.bindings()
    assert all(name in found["WorldModel.gradient_heads"] for name in names)


def test_a_parameter_is_found_behind_macros():
    gin_files.parse([], ["RSSM.units = %size", "size = %half", "half = 64"])
    assert gin_files.parameter("RSSM.units", 1) == 64
    assert gin_files.parameter("RSSM.hidden_units", 7) == 7


def test_a_macro_that_stands_for_itself_is_named():
    gin.parse_config(["RSSM.units = %size", "size = %half", "half = %size"])
    with pytest.raises(UserError, match=r"RSSM\.units is %\w+, a macro that stands for itself"):
        gin_files.parameter("RSSM.units", 1)


def test_a_record_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(OSError, match="must be a regular file"):
        gin_files.check(tmp_path, 0)
