"""Runs updates beside the environment, and stops a run whose updates are not finite."""

import concurrent.futures
import glob
import os
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from dreamer_tf.agents.learner import Learner
from dreamer_tf.errors import UserError
from dreamer_tf.networks.workers import losses_told
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.storage.files import create, make_directory, save_arrays

_BATCHES_KEPT = 3
# Batches that wait for the thread. With one environment there is one update at a time.
_BATCHES_AHEAD = 8
_GRADIENT_NORMS = {
    "world_model": "model_gradient_norm",
    "actor": "actor_gradient_norm",
    "critic": "critic_gradient_norm",
}


class UpdateThread:
    """Makes updates in a thread while the environment continues.

    TensorFlow releases Python's lock while it computes, so one thread is enough to overlap an
    update with the environment. With `overlap=False` the same calls compute in place.
    """

    def __init__(
        self,
        learner: Learner,
        guard: "NonFiniteGuard",
        overlap: bool,
        seconds: dict[str, float],
    ):
        """Starts the thread.

        Args:
          learner: makes the updates.
          guard: sees the metrics of every update.
          overlap: whether updates run in the thread.
          seconds: gets the time of the updates under "update", and the part of it in which
            nothing else happened under "waiting".
        """
        self._learner = learner
        self._guard = guard
        self._seconds = seconds
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "update") if overlap else None
        self._running: concurrent.futures.Future | None = None
        self._before = 0  # updates before those that are running
        # Metrics and seconds of the updates that did not wait for the thread.
        self._early: tuple[list[dict[str, float]], float] = ([], 0.0)

    @property
    def overlaps(self) -> bool:
        """Whether updates run in a thread of their own."""
        return self._thread is not None

    @property
    def finished(self) -> int:
        """Updates whose weights the policy acts with. The thread makes others at any time."""
        return self._learner.updates if self._running is None else self._before

    def begin(self, count: int, sample: Callable[[], Sequences]) -> None:
        """Begins updates. The updates before them must be finished.

        Args:
          count: how many.
          sample: draws the batch of one. It is called in this thread, before `begin` returns. Only
            a few batches are in memory at once, however many updates there are.
        """
        self._before = self._learner.updates
        self._early = self._update(sample() for _ in range(count - _BATCHES_AHEAD))
        batches = [sample() for _ in range(min(count, _BATCHES_AHEAD))]
        # The first update compiles. The policy would compete with it for the same cores.
        if self._thread is not None and self._learner.num_traces:
            self._running = self._thread.submit(self._update, batches)
            return
        started = time.perf_counter()
        self._running = concurrent.futures.Future()
        self._running.set_result(self._update(batches))
        self._seconds["waiting"] += time.perf_counter() - started

    def finish(self) -> list[dict[str, float]]:
        """Waits for the updates that are running; the policy then acts with their weights.

        Returns:
          The finite metrics of each update.

        Raises:
          UserError: too many updates in a row were not finite.
        """
        if self._running is None:
            return []
        started = time.perf_counter()
        # Cleared first: an error in the thread is raised once, not at every later call.
        running, self._running = self._running, None
        metrics, seconds = running.result()
        (early, time_before), self._early = self._early, ([], 0.0)
        # Not earlier: the policy would act with weights of which only some have been updated.
        self._learner.acting.refresh()
        self._seconds["waiting"] += time.perf_counter() - started
        self._seconds["update"] += seconds + time_before
        return early + metrics

    def close(self) -> None:
        """Ends the thread after the update that is running."""
        if self._thread is not None:
            self._thread.shutdown()

    def _update(self, batches: Iterable[Sequences]) -> tuple[list[dict[str, float]], float]:
        """Metrics of each update, and the seconds of all of them."""
        started = time.perf_counter()
        metrics = []
        for batch in batches:
            with losses_told():  # where the device computes beside this thread
                found = self._learner.update(batch)
                values = {name: float(value) for name, value in found.items()}
            self._guard.check(self._learner.updates, batch, values)
            metrics.append({name: value for name, value in values.items() if np.isfinite(value)})
        return metrics, time.perf_counter() - started


class NonFiniteGuard:
    """Counts updates in which a loss or gradient is not finite.

    The optimizer never applies such a gradient. A few of them do no harm, many in a row mean that
    training has failed.
    """

    def __init__(self, directory: str | os.PathLike | None, limit: int):
        """Starts with no bad update.

        Args:
          directory: a few batches of such updates are stored here; None for nowhere.
          limit: bad updates in a row that stop the run.
        """
        self._directory = None if directory is None else os.fspath(directory)
        self._limit = limit
        self.in_a_row = 0

    def check(self, update: int, batch: Sequences, metrics: Mapping[str, float]) -> None:
        """Looks at one update.

        Args:
          update: its number.
          batch: what it learned from.
          metrics: its losses, gradient norms and loss scales, by name.

        Raises:
          UserError: it is one too many in a row.
        """
        bad = {name for name, value in metrics.items() if not np.isfinite(value)}
        # Loss scaling of float16 finds its scale by overflowing: no error while it can be lowered.
        expected = {
            norm for part, norm in _GRADIENT_NORMS.items() if metrics[f"{part}_loss_scale"] > 1.0
        }
        if not bad - expected:
            self.in_a_row = 0
            return
        self.in_a_row += 1
        # The first batch shows the cause; those after it mostly repeat it.
        if self.in_a_row == 1:
            self._store(update, batch, bad)
        if self.in_a_row >= self._limit:
            raise UserError(
                f"{', '.join(sorted(bad))} were not finite in update {update:,} and the "
                f"{self.in_a_row - 1} updates before it (DreamerV2Agent.max_bad_updates). Such "
                f"gradients are not applied, and a batch is in {self._directory}. Lower the "
                "learning rates (world_model/Optimizer.learning_rate and so on), or, where "
                "Learner.precision is mixed_float16, use mixed_bfloat16 or float32."
            )

    def _store(self, update: int, batch: Sequences, bad: set[str]) -> None:
        if self._directory is None:
            return
        if len(glob.glob(f"{glob.escape(self._directory)}/*")) >= _BATCHES_KEPT:
            return
        make_directory(self._directory)
        arrays = batch._asdict()
        for key, value in arrays.pop("observation").items():
            arrays[f"observation.{key}"] = value
        path = os.path.join(self._directory, f"update-{update:09d}.npz")
        with create(path) as file:
            save_arrays(file, {"not_finite": np.array(sorted(bad)), **arrays})
