"""When updates are due: after numbers of agent steps that all workers have made together.

A single worker counts its own steps. Several meet after every few steps, in which each adds what it
has done since the last meeting. Then all know the same total, and make the same updates:

    worker 0   step step | meet | step step | meet | ...
    worker 1   step step | meet | (waits)   | meet | ...
    total             4              6
"""

from collections.abc import Callable

# Gets the own steps since the last meeting and whether this worker has data to learn from; returns
# the steps of all workers, and whether all of them have data.
Exchange = Callable[[int, bool], tuple[int, bool]]


class Rounds:
    """Counts agent steps, alone or with other workers."""

    def __init__(self, train_ratio: float, prefill_steps: int, num_environments: int):
        """Begins alone.

        Args:
          train_ratio: agent steps per update.
          prefill_steps: agent steps before the first update.
          num_environments: N, of one worker.
        """
        self.own = 0  # agent steps of this worker
        self._train_ratio = train_ratio
        self._prefill_steps = prefill_steps
        self._num_environments = num_environments
        self._exchange: Exchange | None = None
        self._workers = 1
        self._since = 0  # own agent steps since the last meeting
        self._calls = 0  # steps of all environments of this worker since then
        # Updates wait until every environment of a step has been recorded.
        self._due = 0

    @property
    def alone(self) -> bool:
        """Whether there is one worker."""
        return self._exchange is None

    def join(self, exchange: Exchange, workers: int) -> None:
        """Joins a group.

        Args:
          exchange: is called in every meeting.
          workers: how many there are.
        """
        self._exchange, self._workers = exchange, workers

    def count(self) -> int:
        """Counts one agent step of this worker; returns by how much the total grows at once."""
        self.own += 1
        if self._exchange is None:
            return 1
        self._since += 1
        return 0

    def is_time(self) -> bool:
        """Whether the workers meet now. To be asked once after each step of the environments."""
        self._calls += 1
        # About one update in a round: fewer meetings would delay updates, more would be in vain.
        period = self._train_ratio / (self._num_environments * self._workers)
        return self._calls >= int(period)

    def may_learn(self, total: int) -> bool:
        """Whether this meeting can be the end of the random start, if all workers do the same.

        Args:
          total: agent steps of all workers until the last meeting.
        """
        return total + self._workers * self._since >= self._prefill_steps

    def meet(self, ready: bool) -> tuple[int, bool]:
        """Meets the other workers.

        Args:
          ready: whether this worker has data to learn from.

        Returns:
          Agent steps of all workers since the last meeting, and whether all are ready.
        """
        if self._exchange is None:
            return 0, ready
        since, self._since, self._calls = self._since, 0, 0
        return self._exchange(since, ready)

    def advance(self, before: int, after: int) -> None:
        """Takes note of updates that become due; arguments as for `due`."""
        self._due += self.due(before, after)

    def take_due(self) -> int:
        """Updates that have become due since the last call."""
        due, self._due = self._due, 0
        return due

    def due(self, before: int, after: int) -> int:
        """Updates that become due between two numbers of agent steps of all workers."""
        if after < self._prefill_steps:
            return 0
        return self._until(after) - self._until(max(before, self._prefill_steps - 1))

    def _until(self, agent_steps: int) -> int:
        # A train ratio like 1/3 must give whole updates at whole steps despite rounding.
        return int(agent_steps / self._train_ratio + 1e-9)
