"""Several devices: replicas stay equal, and learn what one device would learn."""

import re
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks import replicas
from tests.commands.processes import SMALL, assert_sentence, run
from tests.several_devices import on_devices
from tests.small_models import configure, make_learner

CATCH = ("train", "--gin_files=catch.gin", *SMALL, "--gin_bindings=Learner.policy_device='/CPU:0'")


def mirrored(devices, *bindings):
    """Flags of a run on logical CPUs."""
    several = ("configure_devices.strategy='mirrored'", f"configure_devices.devices={devices}")
    more = ("EpisodeReplay.batch_size=4", *bindings)
    return [f"--gin_bindings={binding}" for binding in (*several, *more)]


def weights(base_dir):
    """Bytes of all arrays of the newest checkpoint."""
    newest = max((Path(base_dir) / "checkpoints").glob("ckpt-*"))
    with np.load(newest / "arrays.npz") as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


@pytest.mark.parametrize("size,count,near", [(50, 4, "48 or 52"), (2, 4, "as 4,")])
def test_a_batch_that_cannot_be_split_is_refused(size, count, near):
    replicas.check_divisible(count * 3, count)
    with pytest.raises(UserError, match=rf"batch_size is {size}, but {count} replicas .*{near}"):
        replicas.check_divisible(size, count)


def test_one_device_is_one_replica_without_any_cost():
    assert replicas.current().num_replicas_in_sync == 1
    batch, seed = {"a": np.ones(3)}, tf.constant([1, 2])
    assert replicas.split(replicas.current(), batch) is batch
    assert replicas.run(replicas.current(), lambda found: found, batch) is batch
    assert replicas.mean(batch) is batch and replicas.mean_of_scalars(batch) is batch
    assert replicas.fold_replica(seed) is seed


def test_xla_and_several_devices_do_not_go_together(monkeypatch):
    configure()
    monkeypatch.setattr(replicas, "current", lambda: types.SimpleNamespace(num_replicas_in_sync=2))
    with pytest.raises(UserError, match=r"Learner\.jit_compile is True, but XLA"):
        make_learner(jit_compile=True)


def test_a_part_that_is_not_finite_skips_the_update_everywhere_and_is_named_once(tmp_path):
    printed = on_devices(2, "skip", tmp_path, 1)
    named = re.search(r"named 1 (\S*update-000000002\.npz)\n", printed)
    assert named and len(list(tmp_path.iterdir())) == 1, printed
    with np.load(named[1]) as batch:
        assert len(batch["reward"]) == 4  # of all replicas
        assert {"reward_loss", "model_gradient_norm"} <= set(batch["not_finite"])


@pytest.mark.ci
@pytest.mark.parametrize("count", [2, 4])
def test_a_thousand_updates_leave_all_replicas_equal_bit_for_bit(tmp_path, count):
    on_devices(count, "learn", tmp_path / "a.npz", 1000)
    with np.load(tmp_path / "a.npz") as found:
        assert found["updates"] == 1000 and np.isfinite(found["metrics/model_loss"])


@pytest.mark.ci
def test_the_same_seed_gives_the_same_bits(tmp_path):
    for name in ("a.npz", "b.npz"):
        on_devices(2, "learn", tmp_path / name, 30, "ActorCritic.gradient_mixing=0.5")
    with np.load(tmp_path / "a.npz") as first, np.load(tmp_path / "b.npz") as second:
        assert first.files == second.files and len(first.files) > 100
        for name in first.files:
            assert first[name].tobytes() == second[name].tobytes(), name


@pytest.mark.ci
@pytest.mark.parametrize("free_nats", [0.25, 0.27])
def test_gradients_are_those_of_one_device(tmp_path, free_nats):
    """The samples are fixed. Each difference is compared with the size of its array.

    The KL of the four sequences is 0.18, 0.25, 0.36 and 0.26, their mean 0.259. So the parts of the
    batch are on both sides of the free nats, but their mean is on one.
    """
    bindings = ("ActorCritic.gradient_mixing=0.5", f"WorldModel.free_nats={free_nats}")
    for count in (1, 2, 4):
        on_devices(count, "gradients", tmp_path / f"{count}.npz", *bindings)
    with np.load(tmp_path / "1.npz") as arrays:
        alone = {name: arrays[name] for name in arrays.files}
    assert len(alone) > 50 and alone["metrics/kl"] == pytest.approx(0.259, abs=1e-3)
    assert alone["metrics/kl_loss"] == pytest.approx(max(0.259, free_nats), abs=1e-3)
    for count in (2, 4):
        with np.load(tmp_path / f"{count}.npz") as shared:
            assert set(shared.files) == set(alone)
            for name, expected in alone.items():
                error = np.linalg.norm(shared[name] - expected)
                assert error <= 1e-5 * max(np.linalg.norm(expected), 1e-6), (count, name, error)


def test_every_replica_draws_its_own_noise_and_the_first_one_that_of_a_single_device(tmp_path):
    on_devices(4, "noise", tmp_path / "noise.npy")
    alone, *drawn = np.load(tmp_path / "noise.npy")
    np.testing.assert_array_equal(drawn[0], alone)
    assert len({values.tobytes() for values in drawn}) == 4


@pytest.mark.ci
def test_runs_repeat_and_resume_on_other_numbers_of_devices(tmp_path):
    """With several environments, and with and without the thread of the updates."""
    two = mirrored(2, "DreamerRunner.num_environments=2")
    first = run(tmp_path, *CATCH, *two, "--base_dir=a")
    assert first.returncode == 0, first.stderr
    assert "as 2 logical CPUs, mirrored" in first.stdout
    assert "2, each with 2 of 4 sequences" in first.stdout
    again = run(
        tmp_path, *CATCH, *two, "--base_dir=b", "--gin_bindings=DreamerV2Agent.overlap=False"
    )
    assert again.returncode == 0, again.stderr
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    more = ["Runner.num_iterations=2", "configure_devices.devices=4"]
    assert "went on with 4 from 4 to" in on_devices(4, "restored", tmp_path / "a", *more)
    alone = ["configure_devices.strategy=None", "configure_devices.devices=None"]
    bindings = [f"--gin_bindings={binding}" for binding in (*more[:1], *alone)]
    resumed = run(tmp_path, "train", "--base_dir=b", *bindings)
    assert resumed.returncode == 0, resumed.stderr
    assert "made with 2 replicas, and this run has 1: all weights are the same" in resumed.stderr
    evaluated = run(tmp_path, "evaluate", "--base_dir=a", "--episodes=1")
    assert evaluated.returncode == 0, evaluated.stderr


def test_a_run_whose_batch_cannot_be_split_ends_before_it_begins(tmp_path):
    flags = mirrored(2, "EpisodeReplay.batch_size=5")
    assert_sentence(run(tmp_path, *CATCH, *flags), "EpisodeReplay.batch_size is 5", "4 or 6")
    assert not list(tmp_path.rglob("ckpt-*"))
