"""Names of configurations: what differs, in words, and never a bare hash."""

import json

import pytest

from dreamer_tf.scores import configurations, curves
from dreamer_tf.scores.configurations import differences
from tests.scores.runs import write_run

BOUND = {"WorldModel.kl_scale": "0.1", "RSSM.units": "600", "MLP.units": "400"}


def run(directory, gin_hash, bindings=None, label=None, **settings):
    write_run(directory, gin_hash=gin_hash, **settings)
    if bindings is not None:
        facts = {"gin_hash": gin_hash, "bindings": bindings, "seed": 0, "label": label}
        (directory / "run.json").write_text(json.dumps(facts))


def agents(directory):
    found = curves.own([str(directory / "*/*/*")])
    return {curve.source.removeprefix(f"{directory}/"): curve.agent for curve in found}


def test_what_differs_is_said_in_words():
    ours = BOUND | {"WorldModel.kl_scale": "1.0", "Runner.num_iterations": "7"}
    assert differences(ours, BOUND) == ["kl_scale 1.0 instead of 0.1"]
    assert differences({**BOUND, "RSSM.units": "8"}, BOUND) == ["RSSM.units 8 instead of 600"]
    assert differences(BOUND | {"RSSM.latent": "@B()"}, BOUND) == [
        "latent @B() instead of its default"
    ]
    assert differences(BOUND, BOUND | {"AtariEnvironment.game_name": "'Pong'"}) == []
    (word,) = differences(BOUND | {"A.b": f"'\x1b[31m{'x' * 99}'"}, BOUND)
    assert "\x1b" not in word and len(word) < 70


def test_seeds_group_and_variants_are_named_by_what_differs(tmp_path):
    for seed in range(2):
        run(tmp_path / f"a/Pong/{seed}", "0" * 16, BOUND, seed=seed)
    changed = BOUND | {"WorldModel.kl_scale": "1.0"}
    run(tmp_path / "b/Pong/0", "1" * 16, changed, seed=0)
    run(tmp_path / "b/Pong/1", "1" * 16, changed, seed=1)
    many = changed | {f"A.p{number}": "1" for number in range(4)}
    run(tmp_path / "c/Pong/0", "2" * 16, many)
    assert agents(tmp_path) == {
        "a/Pong/0": "DreamerV2",
        "a/Pong/1": "DreamerV2",
        "b/Pong/0": "DreamerV2 (kl_scale 1.0 instead of 0.1)",
        "b/Pong/1": "DreamerV2 (kl_scale 1.0 instead of 0.1)",
        "c/Pong/0": "DreamerV2 (p0 1 instead of its default, p1 1 instead of its default, "
        "p2 1 instead of its default and 2 more)",
    }


def test_what_sets_the_least_is_the_reference(tmp_path):
    """The directories of a sweep come in another order: a plus sign is before a slash."""
    run(tmp_path / "maze+idea/Pong/0", "0" * 16, BOUND | {"WorldModel.encoder": "@Mine"})
    run(tmp_path / "maze/Pong/0", "1" * 16, BOUND | {"Runner.num_iterations": "7"})
    assert agents(tmp_path) == {
        "maze/Pong/0": "DreamerV2",
        "maze+idea/Pong/0": "DreamerV2 (encoder @Mine instead of its default)",
    }


def test_only_runs_that_stand_side_by_side_are_named_by_what_differs(tmp_path):
    """A configuration on MinAtar is none beside one on Pong."""
    run(tmp_path / "a/Pong/0", "0" * 16, BOUND)
    run(tmp_path / "b/Pong/0", "1" * 16, BOUND | {"RSSM.units": "8"})
    run(tmp_path / "c/maze/0", "2" * 16, BOUND | {"MLP.units": "8"}, game="maze")
    assert agents(tmp_path) == {
        "a/Pong/0": "DreamerV2",
        "b/Pong/0": "DreamerV2 (RSSM.units 8 instead of 600)",
        "c/maze/0": "DreamerV2",
    }


def test_a_label_comes_first(tmp_path):
    run(tmp_path / "a/Pong/0", "0" * 16, BOUND)
    run(tmp_path / "b/Pong/0", "1" * 16, BOUND | {"RSSM.units": "8"}, label="small")
    run(tmp_path / "c/Pong/0", "2" * 16, BOUND | {"MLP.units": "8"})
    assert set(agents(tmp_path).values()) == {
        "DreamerV2",
        "DreamerV2 (small)",
        "DreamerV2 (MLP.units 8 instead of 400)",
    }
    alone = curves.own([str(tmp_path / "b/Pong/0")])
    assert alone[0].agent == "DreamerV2 (small)"


def test_names_that_would_be_equal_say_where_the_runs_are(tmp_path):
    shared = {f"A.p{number}": "1" for number in range(4)}
    run(tmp_path / "a/Pong/0", "0" * 16, BOUND)
    run(tmp_path / "b/Pong/0", "1" * 16, BOUND | shared | {"Z.z": "1"})
    run(tmp_path / "c/Pong/0", "2" * 16, BOUND | shared | {"Z.z": "2"})
    found = agents(tmp_path)
    assert len(set(found.values())) == 3
    assert found["b/Pong/0"].endswith("and 2 more, b)")


@pytest.mark.parametrize(
    "record",
    [
        None,
        "",
        "[1]",
        '{"gin_hash": "1111111111111111", "bindings": {"a": 1}}',
        '{"gin_hash": "another", "bindings": {"RSSM.units": "8"}}',
    ],
)
def test_without_a_true_record_the_directories_are_named(tmp_path, record):
    run(tmp_path / "a/Pong/0", "0" * 16, BOUND)
    run(tmp_path / "b/Pong/0", "1" * 16)
    if record is not None:
        (tmp_path / "b/Pong/0/run.json").write_text(record)
    assert agents(tmp_path) == {"a/Pong/0": "DreamerV2", "b/Pong/0": "DreamerV2 (b)"}


def test_a_record_behind_a_link_is_not_read(tmp_path):
    run(tmp_path / "a/Pong/0", "0" * 16, BOUND)
    run(tmp_path / "b/Pong/0", "1" * 16, BOUND | {"RSSM.units": "8"})
    path = tmp_path / "b/Pong/0/run.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert agents(tmp_path)["b/Pong/0"] == "DreamerV2 (b)"


def test_other_numerics_are_another_configuration():
    runs = [configurations.Run("A", "atari", name, name) for name in ("0" * 16, f"n2-{'0' * 16}")]
    found = configurations.names(runs)
    assert found["A", "0" * 16] != found["A", f"n2-{'0' * 16}"]


def test_numerics_and_workers_are_named_where_they_differ(tmp_path):
    for name in ("one", "four"):
        run(tmp_path / f"{name}/Pong/0", "0" * 16, BOUND)
    found = configurations.names(
        [
            configurations.Run("A", "atari", "0" * 16, str(tmp_path / "one/Pong/0")),
            configurations.Run("A", "atari", f"n2-w4-{'0' * 16}", str(tmp_path / "four/Pong/0")),
        ]
    )
    assert sorted(found.values()) == [
        "A",
        "A (numerics 2 instead of 1, workers 4 instead of 1)",
    ]


def test_games_of_different_suites_share_an_agent(tmp_path):
    """Each task outside of Atari has its own files, and nothing is compared between them."""
    run(tmp_path / "a/maze/0", "0" * 16, BOUND, game="maze")
    run(tmp_path / "b/walk/0", "1" * 16, BOUND | {"RSSM.units": "8"}, game="walk")
    assert set(agents(tmp_path).values()) == {"DreamerV2"}
