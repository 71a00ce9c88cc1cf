"""Names of runs: what is in them, what is not, and which existing run they find."""

import inspect
import json
import os
import subprocess
import sys

import gin
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import (
    allowed,
    gin_files,
    naming,
    runner,  # noqa: F401 - registers everything
)
from dreamer_tf.settings import gin_text
from dreamer_tf.storage import identity


@pytest.mark.parametrize(
    ("files", "bindings", "name"),
    [
        (["atari_small.gin"], [], "atari_small"),
        (["atari_small"], ["WorldModel.kl_scale=1.0"], "atari_small+kl_scale=1.0"),
        # The same in another order, and with the value that the file has anyway.
        (
            ["atari.gin"],
            ["WorldModel.kl_scale = 0.1", "RSSM.layer_norm=False", "ActorCritic.horizon=9"],
            "atari+horizon=9+layer_norm=False",
        ),
        (
            ["atari.gin"],
            ["ActorCritic.horizon=9", "RSSM.layer_norm=False"],
            "atari+horizon=9+layer_norm=False",
        ),
        # The last binding wins.
        (["atari.gin"], ["RSSM.units=3", "dreamer_tf.RSSM.units=4"], "atari+RSSM.units=4"),
        # Several classes and scopes have such parameters.
        (
            ["atari.gin"],
            ["actor/Optimizer.learning_rate=1e-5"],
            "atari+actor-Optimizer.learning_rate=1e-05",
        ),
        # Length, logging and the task make no other configuration.
        (
            ["atari.gin"],
            ["Runner.num_iterations=3", "AtariEnvironment.game_name='Alien'"],
            "atari",
        ),
        (["rainbow.gin", "base/atari_100k.gin"], [], "rainbow+atari_100k"),
        (["atari.gin", "no_kl_balancing.gin"], [], "atari+no_kl_balancing"),
        (["atari.gin", "atari.gin"], [], "atari"),
        (["pixels.gin"], ["RSSM.latent=@BinaryLatent()"], "catch+latent=BinaryLatent"),
        (["atari.gin"], ["import os", "WorldModel.image_scale=1e+20"], "atari+image_scale=1e20"),
        (["atari.gin"], ["Encoder.kernels=(4, 4)"], "atari+Encoder.kernels=4,4"),
    ],
)
def test_a_name_says_what_differs(files, bindings, name):
    assert naming.configuration_name(files, bindings) == name


def test_no_value_leaves_its_part_of_the_path(tmp_path):
    values = ("'../../etc'", "'a/b'", "'a-b'", "'\\n'", "'*'", "''", "{'a': 1}", "'.'", "'é'")
    names = [naming.configuration_name(["atari.gin"], [f"A.b={value}"]) for value in values]
    assert len(set(names)) == len(values)
    for name in names:
        assert naming.safe(name.replace("~", "")) == name.replace("~", "")
    long = [f"A.parameter_{number}={number}" for number in range(40)]
    first = naming.configuration_name(["atari.gin"], long)
    second = naming.configuration_name(["atari.gin"], [*long[:-1], "A.parameter_39=0"])
    assert len(first) == len(second) == naming.LONGEST and first != second
    for game in ("..", ".", "", "a/b", "-x", "a\0b"):
        directory = naming.run_directory(["atari.gin"], [], game, 0, root=tmp_path)
        parts = os.path.relpath(directory, tmp_path).split(os.sep)
        assert len(parts) == 3 and parts[1] == naming.safe(game) and parts[1].strip(".")


def test_a_label_replaces_the_name_and_is_checked():
    assert naming.run_directory(["atari.gin"], ["A.b=1"], "Pong", 3, "mine") == os.path.join(
        "runs", "mine", "Pong", "3"
    )
    for label in ("", "a/b", "..", ".hidden", "a b", "x" * 101, "-x", "ü"):
        with pytest.raises(UserError, match="--label="):
            naming.run_directory(["atari.gin"], [], "Pong", 0, label)


def stored_run(base_dir, files, bindings, **facts):
    """The traces of a run with a checkpoint, as `gin_files.record` leaves them."""
    gin.clear_config()
    gin_files.parse(files, bindings)
    (base_dir / "checkpoints").mkdir(parents=True)
    identity.claim(base_dir, {"seed": 0, "bindings": gin_files.bindings()} | facts)
    identity.mark_progress(base_dir)


CHANGED = ["WorldModel.kl_scale=1.0", "AtariEnvironment.game_name='Pong'"]


@pytest.mark.parametrize(
    ("folder", "files"),
    [
        ("atari_small", ["atari_small.gin"]),  # the rule before
        ("atari_small+something", ["atari_small.gin"]),  # any rule
        ("atari_small+kl_scale=1.0", ["atari_small.gin"]),  # this one
    ],
)
def test_an_existing_run_of_the_configuration_is_found(tmp_path, folder, files):
    directory = tmp_path / folder / "Pong" / "0"
    stored_run(directory, files, [*CHANGED, "Runner.num_iterations=7"])
    found = naming.run_directory(files, CHANGED, "Pong", 0, root=tmp_path)
    assert found == str(directory)
    # Another seed, another configuration and a labelled run are none of its.
    new = str(tmp_path / "atari_small+kl_scale=1.0" / "Pong" / "1")
    assert naming.run_directory(files, CHANGED, "Pong", 1, root=tmp_path) == new
    other = ["WorldModel.kl_scale=2.0"]
    assert naming.run_directory(files, other, "Pong", 0, root=tmp_path) == str(
        tmp_path / "atari_small+kl_scale=2.0" / "Pong" / "0"
    )


def test_a_run_that_never_saved_or_has_a_label_is_not_taken(tmp_path):
    labelled = tmp_path / "atari_small+mine" / "Pong" / "0"
    stored_run(labelled, ["atari_small.gin"], CHANGED, label="atari_small+mine")
    empty = tmp_path / "atari_small" / "Pong" / "0"
    stored_run(empty, ["atari_small.gin"], CHANGED)
    for path in (identity.FILE, "checkpoints/run.json", "metrics/run.json"):
        facts = json.loads((empty / path).read_text()) | {"progress": False}
        (empty / path).write_text(json.dumps(facts))
    found = naming.run_directory(["atari_small.gin"], CHANGED, "Pong", 0, root=tmp_path)
    assert found == str(tmp_path / "atari_small+kl_scale=1.0" / "Pong" / "0")


def test_an_old_name_of_a_file_finds_its_run(tmp_path):
    directory = tmp_path / "pixels" / "Catch" / "0"
    stored_run(directory, ["catch.gin"], [])
    for name in ("catch.gin", "pixels.gin"):
        assert naming.run_directory([name], [], "Catch", 0, root=tmp_path) == str(directory)


@pytest.mark.parametrize("contents", ["", "[]", "{}", '{"bindings": {"a": "("}}', "[" * 100000])
def test_a_damaged_record_is_no_run_of_ours(tmp_path, contents):
    directory = tmp_path / "atari" / "Pong" / "0"
    (directory / "checkpoints" / "ckpt-000001").mkdir(parents=True)
    (directory / "run.json").write_text(contents)
    found = naming.run_directory(["atari.gin"], CHANGED, "Pong", 0, root=tmp_path)
    assert found == str(tmp_path / "atari+kl_scale=1.0" / "Pong" / "0")


@pytest.mark.parametrize("path", gin_files.shipped_files(), ids=lambda path: path.stem)
def test_the_text_says_what_gin_binds(path):
    """Names are made from the text. If it were read otherwise, runs would not be found again."""
    gin.clear_config()
    gin_files.parse([str(path)], CHANGED)
    text = "\n".join(f"{key} = {value}" for key, value in gin_files.bindings().items())
    recorded = gin_text.bound(gin_text.statements(text, "gin"))
    assert naming.said((str(path),), CHANGED) == recorded


def test_an_include_in_the_middle_of_a_file_is_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner.gin").write_text("RSSM.units = 7\n")
    (tmp_path / "mine.gin").write_text(
        "include 'atari.gin'\nRSSM.units = 5\ninclude 'inner.gin'\ninclude 'pixels.gin'\n"
    )
    gin_files.parse(["mine.gin"])
    assert naming.said(("mine.gin",))["RSSM.units"] == gin.query_parameter("RSSM.units") == 128
    (tmp_path / "mine.gin").write_text("include 'atari.gin'\nRSSM.units = 5\ninclude 'inner.gin'\n")
    os.utime(tmp_path / "mine.gin", ns=(1, 1))
    assert naming.said(("mine.gin",))["RSSM.units"] == 7
    (tmp_path / "mine.gin").write_text("RSSM.units = 5\ninclude 'missing.gin'\n")
    os.utime(tmp_path / "mine.gin", ns=(2, 2))
    with pytest.raises(UserError, match=r"missing\.gin"):
        naming.said(("mine.gin",))


def test_parameters_of_several_classes_are_known():
    classes: dict[str, set[str]] = {}
    for _, found in gin.config._REGISTRY.items():
        # Tests register parts of their own.
        if found.wrapped.__module__.startswith("dreamer_tf."):
            target = found.wrapped.__init__ if inspect.isclass(found.wrapped) else found.wrapped
            for name in inspect.signature(target).parameters:
                classes.setdefault(name, set()).add(found.selector.rpartition(".")[2])
    for selector, names in allowed.DOPAMINE.items():
        for name in names.split():
            classes.setdefault(name, set()).add(selector.rpartition(".")[2])
    several = {name for name, found in classes.items() if len(found) > 1} - {"self"}
    assert several == naming.SHARED, "change naming.SHARED"


@pytest.mark.parametrize(
    ("files", "bindings", "game"),
    [
        (["atari.gin"], ["AtariEnvironment.game_name='Alien'"], "Alien"),
        (["rainbow.gin"], [], "Pong"),
        (["dmc_vision.gin"], [], "walker_walk"),
        (["cartpole.gin"], [], "CartPole-v1"),
        (["gym.gin"], ["create_gym_environment.id='ale_py:ALE/Pong-v5'"], "ALE_Pong-v5"),
        (["gym.gin"], ["create_gym_environment.id='CartPole'"], None),
        (["catch.gin"], [], "Catch"),
        (["gym.gin"], ["create_gym_environment.factory=@make_maze"], None),
    ],
)
def test_the_game_is_known_without_making_it(files, bindings, game):
    assert naming.game_name(files, bindings) == game


@pytest.mark.ci
def test_names_need_no_tensorflow():
    code = (
        "import sys; from dreamer_tf.experiment import naming; "
        "print(naming.run_directory(['atari.gin'], ['WorldModel.kl_scale=1.0'], 'Pong', 0)); "
        "assert not {'tensorflow', 'jax', 'dopamine'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == os.path.join("runs", "atari+kl_scale=1.0", "Pong", "0")
