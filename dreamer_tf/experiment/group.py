"""Phases of a run with several workers: who has finished, whose episodes ended, who asks to stop.

Every worker runs whole episodes until all of them together have made the steps of the phase. A
worker that has finished waits in meetings, so the others can go on making updates with it:

    worker 0   episode | episode        | waits  | phase ends
    worker 1   episode         | episode         | phase ends

A single worker meets nobody, and counts and logs at once.
"""

import collections
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.experiment.phases import Ended, Phase
from dreamer_tf.experiment.signals import Interrupted, StopRequest
from dreamer_tf.networks.workers import Workers

# Ended episodes in one meeting. More of them wait for the next one.
_EPISODES = 8
# Seconds between two meetings in an evaluation, in which only the chief acts.
_EVALUATION_SECONDS = 1.0
_HEAD = 5  # numbers in a row before the episodes

Log = Callable[[Ended], None]  # gets an episode of any worker


class Group:
    """The workers of a run, as its runner knows them."""

    def __init__(self, workers: Workers, stop: StopRequest):
        """Begins without a phase.

        Args:
          workers: the group.
          stop: gets what the workers agree on.
        """
        self.workers = workers
        self._stop = stop
        # All workers stop in the same meeting, so a signal alone stops nobody.
        stop.at_once = workers.alone
        self._agent: Agent | None = None
        self._phase: Phase | None = None
        self._log: Log = lambda ended: None
        self._numbers = 2  # of an episode: length, return, and those of its info
        self._training = False
        self._own: collections.deque[Ended] = collections.deque()
        self._arrived: list[Ended] = []
        self._finished = self._leaving = self._all_finished = self._more = False
        self._met = 0.0

    @property
    def is_chief(self) -> bool:
        """Whether this worker evaluates, logs and writes checkpoints."""
        return self.workers.index == 0

    def join(self, agent: Agent) -> Agent:
        """Makes an agent count its steps together with those of the other workers; returns it."""
        self._agent = agent
        if not self.workers.alone:
            agent.join(self._exchange, self.workers.count)
        return agent

    def begin(self, phase: Phase, training: bool, log: Log, names: Sequence[str] = ()) -> None:
        """Begins a phase.

        Args:
          phase: its progress, that of all workers.
          training: whether all workers act; the chief alone does in an evaluation.
          log: gets the episodes of all workers.
          names: of the numbers in `Ended.info`, the same for all workers.
        """
        self._numbers = 2 + len(names)
        self._phase, self._training, self._log = phase, training, log
        self._finished = self._all_finished = False

    def count(self, steps: int) -> None:
        """Counts agent steps of this worker. Those of the others are added in meetings."""
        assert self._phase is not None
        if self.workers.alone or not self._training:
            self._phase["steps"] += steps
        if self.workers.alone:
            return
        self._deliver()
        if not self._training and time.monotonic() - self._met > _EVALUATION_SECONDS:
            self._meet()

    def run(self, episodes: Iterable[Ended]) -> None:
        """Runs the episodes of this worker, and waits until the others have finished theirs.

        Args:
          episodes: each as it ends.

        Raises:
          Interrupted: the workers stop.
        """
        for ended in episodes if self._training or self.is_chief else ():
            if self.workers.alone or not self._training:
                self._log(ended)
            else:
                self._own.append(ended)
                self._deliver()
        while not self.workers.alone and not self._all_finished:
            if self._stop.requested:
                raise Interrupted
            self._finished = len(self._own) <= _EPISODES  # they fit into this meeting
            self._meet()
            self._deliver()
        if self._stop.requested and not self.workers.alone:
            raise Interrupted

    def leave(self) -> None:
        """Makes all workers stop together, so that they can save. Each of them must call it."""
        if self.workers.alone:
            return
        if not self._stop.requested:
            self._leaving = True  # the others learn of it in this meeting
            self._meet()
        self._more = True
        while self._more:
            self._meet()
        self._deliver()

    def agree(self, number: int) -> int:
        """The chief's number, for all workers.

        Args:
          number: that of this worker; only the chief's counts.
        """
        return int(self.workers.gather(np.array([float(number)]))[0, 0])

    def wait(self) -> None:
        """Returns when all workers have called it."""
        self.agree(0)

    def _meet(self) -> None:
        assert self._agent is not None
        self._agent.meet()

    def _exchange(self, steps: int, ready: bool) -> tuple[int, bool]:
        """What `Agent.join` asks for."""
        sent = [self._own.popleft() for _ in range(min(len(self._own), _EPISODES))]
        row = np.zeros(_HEAD + 1 + self._numbers * _EPISODES)
        stop = self._stop.asked or self._leaving
        row[:_HEAD] = steps, self._finished, stop, ready, len(self._own)
        row[_HEAD] = len(sent)
        flat = [number for ended in sent for number in (ended.length, ended.value, *ended.info)]
        row[_HEAD + 1 : _HEAD + 1 + len(flat)] = flat
        rows = self.workers.gather(row)
        for other in rows:
            count = int(other[_HEAD])
            for length, value, *info in other[_HEAD + 1 :].reshape(-1, self._numbers)[:count]:
                self._arrived.append(Ended(int(length), float(value), tuple(map(float, info))))
        together = int(rows[:, 0].sum())
        if self._phase is not None and self._training:
            self._phase["steps"] += together
        self._all_finished = bool(rows[:, 1].all())
        self._more = bool(rows[:, 4].any())
        if rows[:, 2].any():
            self._stop.requested = True
        self._met = time.monotonic()
        return together, bool(rows[:, 3].all())

    def _deliver(self) -> None:
        """Logs episodes that have arrived, after the agent has counted the steps of them."""
        arrived, self._arrived = self._arrived, []
        for ended in arrived:
            self._log(ended)
