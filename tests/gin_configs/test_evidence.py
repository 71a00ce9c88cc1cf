"""The committed runs were made with the gin files as they are shipped."""

import hashlib
import json
from pathlib import Path

import pytest

from dreamer_tf.experiment import gin_files, launch  # noqa: F401 - registers all with gin
from dreamer_tf.scores import score_files
from dreamer_tf.version import NUMERICS

EVIDENCE = Path(__file__).resolve().parents[2] / "benchmarks/evidence"
SAMPLES = [
    f"JaxImplicitQuantileAgent.num_{name}_samples=8" for name in ("tau", "tau_prime", "quantile")
]
CONFIGURED = {
    "cartpole": (["cartpole.gin"], []),
    "catch": (["catch.gin"], []),
    "cartpole_balance": (["dmc_proprio.gin"], []),
    "cartpole_swingup": (["dmc_proprio.gin"], []),
    "crafter": (["crafter_small.gin"], []),
    "kung_fu_master": (["quickstart.gin"], []),
    "kung_fu_master_drq_eps": (["drq_eps.gin"], ["DreamerRunner.evaluation_episodes=5"]),
    "kung_fu_master_rainbow": (
        ["rainbow.gin", "base/atari_100k.gin"],
        ["DreamerRunner.evaluation_episodes=5"],
    ),
    "minatar_breakout": (["minatar.gin"], []),
    "minatar_spaceinvaders": (["minatar.gin"], []),
    "minatar_asterix_rainbow": (["minatar_rainbow.gin"], []),
    "minatar_breakout_rainbow": (["minatar_rainbow.gin"], []),
    "minatar_freeway_rainbow": (["minatar_rainbow.gin"], []),
    "minatar_spaceinvaders_rainbow": (["minatar_rainbow.gin"], []),
    "minigrid_doorkey": (["minigrid.gin"], []),
    "minigrid_doorkey_rainbow": (["minigrid_rainbow.gin"], []),
    "minigrid_empty": (["minigrid.gin"], []),
    "minigrid_empty_rainbow": (["minigrid_rainbow.gin"], []),
    "road_runner": (["atari_small.gin", "base/atari_100k.gin"], []),
    "road_runner_rainbow": (["rainbow.gin", "base/atari_100k.gin"], []),
    "road_runner_der": (["der.gin"], []),
    "road_runner_drq_eps": (["drq_eps.gin"], []),
    "road_runner_iqn": (["implicit_quantile.gin", "base/atari_100k.gin"], SAMPLES),
}


# By name a reason. Where the code alone has changed the numbers, the hash is still the same; then
# also the SHA-256 of the score files, so that new runs are noticed.
STALE = json.loads((EVIDENCE / "stale.json").read_text())


def test_every_committed_run_has_a_configuration_here():
    assert {path.name for path in EVIDENCE.iterdir() if path.is_dir()} == set(CONFIGURED)


def test_stale_runs_are_named_with_a_reason_and_marked_in_the_readme():
    assert set(STALE) <= set(CONFIGURED)
    assert all(len(entry["reason"].split()) >= 3 for entry in STALE.values())
    readme = (EVIDENCE.parents[1] / "README.md").read_text()
    assert ("stale" in readme) == bool(STALE)


@pytest.mark.parametrize("name", sorted(CONFIGURED))
def test_committed_runs_have_the_hash_of_the_shipped_configuration(name):
    """A gin file or an equation that changes after its runs needs new runs, or to be listed."""
    gin_files.parse(*CONFIGURED[name])
    expected = gin_files.fingerprint(gin_files.bindings()), NUMERICS
    runs = sorted(EVIDENCE.glob(f"{name}/*/scores.json"))
    assert runs
    if digest := STALE.get(name, {}).get("sha256"):
        content = b"".join(path.read_bytes() for path in runs)
        assert hashlib.sha256(content).hexdigest() == digest, "run again: take it off stale.json"
        return
    for path in runs:
        found = {(score.gin_hash, score.numerics) for score in score_files.read(path)}
        assert (found == {expected}) == (name not in STALE), path
