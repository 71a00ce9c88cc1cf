"""The thread of the updates, and what is done about updates that are not finite."""

import numpy as np
import pytest

from dreamer_tf.agents.updates import NonFiniteGuard, UpdateThread
from dreamer_tf.errors import UserError
from tests.small_models import sequences

GOOD = {f"{part}_loss_scale": 1.0 for part in ("world_model", "actor", "critic")}
SCALED = dict.fromkeys(GOOD, 4.0)


class CountingLearner:
    """Counts updates; the policy acts with the number that was current at the last refresh."""

    def __init__(self, traced=True):
        self.updates = 0
        self.policy = 0
        self.num_traces = int(traced)

    def update(self, batch):
        self.updates += 1
        return GOOD | {"model_loss": float(self.updates), "kl": np.inf if batch == "bad" else 1.0}

    @property
    def acting(self):
        return self

    def refresh(self):
        self.policy = self.updates


def thread(learner, overlap, limit=10):
    seconds = {"update": 0.0, "waiting": 0.0}
    return UpdateThread(learner, NonFiniteGuard(None, limit), overlap, seconds), seconds


def begin(updates, *batches):
    updates.begin(len(batches), iter(batches).__next__)


@pytest.mark.parametrize("overlap", [True, False])
def test_the_policy_gets_the_weights_when_the_updates_are_finished(overlap):
    learner = CountingLearner()
    updates, seconds = thread(learner, overlap)
    assert updates.overlaps == overlap and updates.finish() == []
    begin(updates, "a", "b")
    assert learner.policy == 0
    assert [found["model_loss"] for found in updates.finish()] == [1.0, 2.0]
    assert learner.policy == 2 and updates.finish() == []
    assert seconds["update"] > 0 and seconds["waiting"] > 0
    updates.close()


def test_the_update_that_compiles_runs_in_place():
    learner = CountingLearner(traced=False)
    updates, _ = thread(learner, overlap=True)
    begin(updates, "a")
    assert learner.updates == 1  # before anybody waited
    updates.close()


def test_metrics_that_are_not_finite_are_left_out():
    updates, _ = thread(CountingLearner(), overlap=False)
    begin(updates, "bad")
    [found] = updates.finish()
    assert "kl" not in found and found["model_loss"] == 1.0


@pytest.mark.parametrize("overlap", [True, False])
def test_an_error_in_the_thread_reaches_the_caller(overlap):
    updates, _ = thread(CountingLearner(), overlap, limit=1)
    with pytest.raises(UserError, match="kl were not finite in update 1"):
        begin(updates, "bad")
        updates.finish()
    updates.close()


def test_an_overflow_under_loss_scaling_is_no_error(tmp_path):
    guard = NonFiniteGuard(tmp_path / "diagnosis", limit=1)
    guard.check(1, sequences(), SCALED | {"model_gradient_norm": np.inf, "model_loss": 1.0})
    assert guard.in_a_row == 0 and not (tmp_path / "diagnosis").exists()
    with pytest.raises(UserError, match="model_loss were not finite"):
        guard.check(2, sequences(), SCALED | {"model_loss": np.nan})


def test_only_updates_in_a_row_count(tmp_path):
    guard = NonFiniteGuard(tmp_path / "diagnosis", limit=2)
    for update in range(1, 7, 2):
        guard.check(update, sequences(), GOOD | {"kl": np.nan})
        guard.check(update + 1, sequences(), GOOD | {"kl": 1.0})
    guard.check(7, sequences(), GOOD | {"kl": np.nan})
    with pytest.raises(UserError, match="update 8 and the 1 updates before it"):
        guard.check(8, sequences(), GOOD | {"kl": np.nan})


def test_a_few_batches_are_stored_with_the_names_of_what_was_bad(tmp_path):
    guard = NonFiniteGuard(tmp_path / "diagnosis", limit=10)
    for update in range(1, 11, 2):
        guard.check(update, sequences(), GOOD | {"kl": np.nan, "model_loss": np.inf})
        guard.check(update + 1, sequences(), GOOD)
    files = sorted(path.name for path in (tmp_path / "diagnosis").iterdir())
    assert files == [f"update-{update:09d}.npz" for update in (1, 3, 5)]
    with np.load(tmp_path / "diagnosis" / files[0], allow_pickle=False) as stored:
        assert stored["not_finite"].tolist() == ["kl", "model_loss"]
        np.testing.assert_array_equal(stored["reward"], sequences().reward)
