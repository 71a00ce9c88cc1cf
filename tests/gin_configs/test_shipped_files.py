"""Every shipped gin file parses and constructs, and says only what it must."""

import shutil

import gin
import gymnasium
import numpy as np
import pytest

from dreamer_tf.agents.learner import Learner
from dreamer_tf.experiment import gin_files, gin_stack, launch
from dreamer_tf.replay.episode_replay import Sequences
from tests.environments import packages
from tests.gin_configs.learners import random_batch
from tests.helpers import TINY

ROOT = gin_files.shipped_directory()
SHIPPED = [str(path.relative_to(ROOT)) for path in gin_files.shipped_files()]
WHOLE = [name for name in SHIPPED if not name.startswith("base/")]  # others include the parts
CHANGED = [name for name in SHIPPED if name.startswith(("ablations/", "variants/"))]


def test_the_shipped_files_are_found():
    assert {"atari.gin", "catch.gin", "ablations/no_layer_norm.gin"} <= set(SHIPPED)


@pytest.mark.parametrize("name", WHOLE)
def test_a_shipped_file_parses_and_constructs(name, tmp_path, monkeypatch):
    """With its own sizes, but a small replay."""
    packages.pretend(monkeypatch)
    short = ["Runner.training_steps=10", "Runner.max_steps_per_episode=10"]
    gin_files.parse([name], ["EpisodeReplay.capacity=1000", "EpisodeReplay.reserve=20", *short])
    runner = launch.make_runner(str(tmp_path), 0)
    text = launch.describe(runner)
    assert runner.environment.name in text
    operative = (tmp_path / gin_files.OPERATIVE_FILE).read_text()
    assert "Runner.training_steps" in operative


def test_every_part_is_included_by_another_file_or_named_beside_them():
    text = "".join((ROOT / name).read_text() for name in SHIPPED)
    alone = {name for name in set(SHIPPED) - set(WHOLE) if f"include '{name}'" not in text}
    assert alone == {"base/atari100k_protocol.gin"}


@pytest.mark.parametrize("name", ["atari_small.gin", "dqn.gin", "der.gin"])
def test_every_agent_has_the_protocol_of_atari_100k(name, tmp_path):
    """Named after the agent's file, it sets task, lengths and evaluation."""
    gin_files.parse([name, "base/atari100k_protocol.gin"], ["EpisodeReplay.capacity=60_000"])
    runner = launch.make_runner(str(tmp_path), 0)
    assert runner.environment.protocol == "atari100k"
    assert runner.environment.settings["end_on_life_loss"]
    assert runner.total_agent_steps == 100_000
    assert gin.query_parameter("DreamerRunner.evaluation_episodes") == 100
    gin.clear_config()
    gin_files.parse([name])
    assert gin.query_parameter("AtariEnvironment.preset") == "machado2018"


def test_the_papers_schedule_follows_from_atari_gin(tmp_path, monkeypatch):
    plenty = shutil.disk_usage(tmp_path)._replace(free=10**12)  # the files are sparse
    monkeypatch.setattr(shutil, "disk_usage", lambda path: plenty)
    gin_files.parse(["atari.gin"])
    runner = launch.make_runner(str(tmp_path), 0)
    text = launch.describe(runner)
    for fact in ("200,000,000 frames", "12,500,000 updates", "468.75e9 imagined states"):
        assert fact in text
    counts = runner.agent.learner.num_parameters
    assert 19.5e6 < counts["world model"] < 20.5e6
    assert 1.0e6 < counts["actor"] < 1.2e6 and 1.0e6 < counts["critic"] < 1.2e6
    assert runner.agent.replay.bytes == 2_280_000 * (64 * 64 + 4 + 4 + 3)


@pytest.mark.parametrize("name", CHANGED)
def test_an_ablation_or_variant_updates_twice_with_one_trace(name):
    gin_files.parse([name], TINY)
    environment = launch.make_environment()
    learner = Learner(environment.observation_space, environment.action_space, seed=0)
    batch = random_batch()
    action = np.argmax(batch.action, -1).astype(np.int32)
    channels = environment.observation_space["image"].shape[2]
    if not isinstance(environment.action_space, gymnasium.spaces.Discrete):
        shape = (*action.shape, *environment.action_space.shape)
        action = np.random.default_rng(0).uniform(-1.0, 1.0, shape).astype(np.float32)
    sequences = Sequences(
        observation={"image": np.repeat(batch.observation["image"], channels, -1)},
        action=action,
        reward=batch.reward.numpy(),
        is_first=batch.is_first.numpy(),
        is_last=batch.is_last.numpy(),
        is_terminal=batch.is_terminal.numpy(),
    )
    for _ in range(2):
        metrics = learner.update(sequences)
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert float(metrics["world_model_skipped_updates"]) == 0
    assert all(np.isfinite(value.numpy()).all() for value in learner.variables().values())
    assert learner.num_traces == 1


@pytest.mark.parametrize("name", CHANGED)
def test_an_ablation_or_variant_binds_only_what_differs_from_its_base(name):
    """The ablations of section 3.2 change an agent with mixed gradients, the others atari.gin."""
    lines = (ROOT / name).read_text().splitlines()
    code = [line for line in lines if line and not line.startswith("#")]
    mixed = "ablations/mixed_gradients.gin"
    base = "dmc_vision.gin" if "control_suite" in name else "atari.gin"
    if name.startswith("ablations/") and name != mixed:
        base = mixed
    assert code[0] == f"include '{base}'"
    gin_files.parse([base])
    before = gin_files.bindings()
    gin.clear_config()
    gin_files.parse([name])
    changed = {key for key, value in gin_files.bindings().items() if before.get(key) != value}
    named = {line.partition("=")[0].strip() for line in code[1:]}
    # It says a value that is already the default, because that is what the file is about.
    assert named - changed <= {"ReleasedSampling.prioritize_ends"} and changed <= named
    assert named == gin_stack.changed(ROOT / name).keys()


@pytest.mark.parametrize("old", gin_files.RENAMED)
def test_an_old_name_finds_the_renamed_file_with_a_note(old, capsys):
    new = gin_files.RENAMED[old]
    assert new in SHIPPED and old not in SHIPPED
    assert gin_files.find(old) == gin_files.find(old.removesuffix(".gin")) == str(ROOT / new)
    note = capsys.readouterr().err.splitlines()[0]
    assert f"'{old}'" in note and f"'{new}'" in note


@pytest.mark.parametrize(
    ("included", "new", "note"),
    [
        ("pixels.gin", "catch.gin", True),
        ("ablations/montezuma.gin", "variants/montezuma.gin", False),
        ("montezuma.gin", "variants/montezuma.gin", False),
    ],
)
def test_an_include_finds_a_renamed_file(included, new, note, tmp_path, capsys):
    (tmp_path / "mine.gin").write_text(f"include '{included}'\n")
    gin_files.parse([str(tmp_path / "mine.gin")])
    found = gin_files.bindings()
    gin.clear_config()
    gin_files.parse([new])
    assert found == gin_files.bindings()
    assert (new in capsys.readouterr().err) == note


def test_a_file_of_the_user_wins_over_an_old_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixels.gin").write_text("")
    assert gin_files.find("pixels.gin") == "pixels.gin" and not capsys.readouterr().err
