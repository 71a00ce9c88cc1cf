"""What a Runner drives: the interface of every agent.

One environment, Dopamine's protocol:

    begin_episode(x0) -> a0    step(r1, x1) -> a1    ...    end_episode(rn, terminal, xn)

N environments, one batched policy:

    record(i, xi, is_first=True) for each i
    act(x, is_first) -> a      record(i, xi, ri) for each i      learn()      act(x) -> a  ...
"""

import abc
import os
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np

from dreamer_tf.environments.interface import Observation
from dreamer_tf.errors import UserError
from dreamer_tf.open_loop.prediction import Inspection
from dreamer_tf.storage.arrays import Expected
from dreamer_tf.storage.checkpoints import Checkpoint


class Rehearsal(NamedTuple):
    """What an agent measured before its run, in seconds."""

    first_update: float  # compilation included
    update: float
    policy_step: float  # of all environments together


class Agent(abc.ABC):
    """Acts, remembers and learns. `DreamerRunner`, policies and benchmarks know only this class.

    To add an agent, derive from this class and list it in `registry.py`. The registry constructs
    it with `(observation_space, action_space, base_dir=, seed=, num_environments=)`. A `base_dir`
    of None asks for a policy that only acts: it stores nothing and learns nothing.

    Attributes:
      label: the agent's name in score files.
      agent_steps: agent steps of training so far, over all environments.
      metrics: the latest averages of what the agent measured, by name.
      seconds: time spent since the start of the run, by activity.
    """

    label: str
    summary_writer = None  # Dopamine's Runner reads it; our metrics go to the dispatcher
    batched = False  # whether `record`, `learn` and `act` exist

    def __init__(self, num_environments: int = 1):
        """Sets the counters to zero.

        Args:
          num_environments: how many environments the agent acts in at once.

        Raises:
          UserError: the agent acts in one environment only.
        """
        if num_environments > 1 and not self.batched:
            raise UserError(
                f"DreamerRunner.num_environments is {num_environments}, but {self.label} acts in "
                "one environment only: set it to 1."
            )
        self.num_environments = num_environments
        self.agent_steps = 0
        self.metrics: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self._dispatcher: Any = None

    @property
    @abc.abstractmethod
    def eval_mode(self) -> bool:
        """Whether the agent only acts. Dopamine's Runner sets it at the start of each phase."""

    @eval_mode.setter
    @abc.abstractmethod
    def eval_mode(self, value: bool) -> None: ...

    @property
    @abc.abstractmethod
    def updates(self) -> int:
        """Number of updates so far."""

    @property
    def finished_updates(self) -> int:
        """Updates so far without those that are running beside the environment."""
        return self.updates

    @abc.abstractmethod
    def begin_episode(self, observation: Observation) -> Any:
        """Starts an episode.

        Args:
          observation: the first one, arrays by name.

        Returns:
          The first action: an int (Discrete) or an array in [-1, 1] (Box).
        """

    @abc.abstractmethod
    def step(self, reward: float, observation: Observation) -> Any:
        """Takes one transition of a running episode.

        Args:
          reward: of the last action.
          observation: the one that the last action led to.

        Returns:
          The next action.
        """

    @abc.abstractmethod
    def end_episode(
        self, reward: float, terminal: bool = True, observation: Observation | None = None
    ) -> None:
        """Takes the last transition of an episode.

        Args:
          reward: of the last action.
          terminal: whether the environment terminated; False on a time limit.
          observation: the last one. It belongs to the episode (Dopamine's Runner leaves it out,
            `DreamerRunner` passes it).
        """

    @abc.abstractmethod
    def save(self, checkpoint: Checkpoint) -> None:
        """Adds everything that the agent needs for an exact resume to a checkpoint."""

    @abc.abstractmethod
    def restore(self, checkpoint: Checkpoint) -> None:
        """Returns to the state in a checkpoint.

        Raises:
          UserError: the checkpoint is from another agent or another network.
        """

    def weights(self, part: str) -> Mapping[str, Any]:
        """Variables of a part that a run can take from another one, by their names in checkpoints.

        Args:
          part: 'world_model' or 'behavior'.

        Raises:
          UserError: the agent has no such part.
        """
        raise UserError(
            f"{self.label} has no {part} that another run could give: leave --init_from out."
        )

    def set_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Sets weights, and leaves everything else as it is.

        Args:
          arrays: for names of `weights`, of their shapes.
        """
        raise NotImplementedError(f"{type(self).__name__} has no weights to set.")

    def expected(self) -> Expected | None:
        """The arrays that a checkpoint of this agent holds; None if they are not checked."""
        return None

    def check_state(self, state: dict[str, Any]) -> None:
        """Checks the agent's parts of a checkpoint's state, and changes nothing.

        Raises:
          ValueError: no such agent has saved them.
        """

    def verify(self) -> str:
        """Reads all stored experience, directly after `restore`.

        Returns:
          What was read; empty where `restore` has read everything already.

        Raises:
          UserError: it is damaged.
        """
        return ""

    @abc.abstractmethod
    def describe(self, steps: int) -> dict[str, str]:
        """Describes the agent and its work, for people.

        Args:
          steps: agent steps of the whole run.

        Returns:
          Lines by title. The line "schedule" is required.
        """

    def set_collector_dispatcher(self, dispatcher: Any) -> None:
        """Sets where metrics are written. Dopamine's Runner calls it."""
        self._dispatcher = dispatcher

    def saved(self, needed: Container[str]) -> None:
        """Called after a checkpoint has been written.

        Args:
          needed: files that the stored checkpoints need, as paths in the base directory. Other
            files of the agent can be removed.
        """

    def inspect(self, length: int, context: int, seed: int) -> Inspection | None:
        """Shows how a world model sees a few stored sequences; changes nothing.

        Args:
          length: agent steps of a sequence.
          context: observations that the open-loop prediction begins with.
          seed: chooses the sequences.

        Returns:
          None if the agent has no world model, or nothing to show yet.
        """
        return None

    def rehearse(self, repetitions: int = 0) -> Rehearsal | None:
        """Tries what the agent will compute later, so that mistakes show before time is spent.

        Everything is as before afterwards.

        Args:
          repetitions: how often an update is timed after the first one.

        Returns:
          What was measured; None if the agent has nothing to try.

        Raises:
          UserError: the agent cannot learn with these settings on this machine.
        """
        return None

    def planned_updates(self, steps: int) -> int | None:
        """Updates of a run of so many agent steps; None if the agent does not know."""
        return None

    def cut_episode(self) -> None:
        """Called when the running episodes will not be continued. They count as truncated."""

    def check_iteration(self, steps: int) -> None:
        """Checks that a run can resume exactly after an iteration of this length.

        Args:
          steps: the most agent steps that are added between two checkpoints.

        Raises:
          UserError: the agent cannot keep that many steps.
        """

    def close(self) -> None:
        """Ends threads and closes files. The agent cannot be used afterwards."""

    def record(
        self,
        environment: int,
        observation: Observation,
        reward: float = 0.0,
        *,
        is_first: bool = False,
        is_last: bool = False,
        is_terminal: bool = False,
    ) -> None:
        """Stores what arrived in one of several environments; nothing in `eval_mode`.

        Args:
          environment: its number.
          observation: arrays by name.
          reward: of the last action that `act` chose for this environment.
          is_first: the observation comes from a reset. It is no agent step.
          is_last: the episode ended here, for whatever reason.
          is_terminal: the environment terminated here.
        """
        raise NotImplementedError(f"{type(self).__name__} acts in one environment only.")

    def join(self, exchange: Callable[[int, bool], tuple[int, bool]], workers: int) -> None:
        """Lets the agent count agent steps together with other workers (`agents/rounds.py`).

        Args:
          exchange: gets the own agent steps since the last meeting and whether this worker has data
            to learn from; returns the steps of all workers, and whether all of them have data.
          workers: how many there are.
        """
        raise NotImplementedError(f"{type(self).__name__} does not learn with several workers.")

    def meet(self) -> None:
        """Meets the other workers outside of `learn`; a worker alone does nothing."""

    def learn(self) -> None:
        """Starts the updates that are due."""
        raise NotImplementedError(f"{type(self).__name__} acts in one environment only.")

    def act(self, observation: Observation, is_first: np.ndarray) -> np.ndarray:
        """Chooses the next actions of all environments.

        Args:
          observation: arrays [N, ...] by name.
          is_first: [N] bool, True where an episode begins.

        Returns:
          [N] int (Discrete) or [N, ...] float32 in [-1, 1] (Box).
        """
        raise NotImplementedError(f"{type(self).__name__} acts in one environment only.")


class AgentFactory(Protocol):
    """Makes an agent: an agent's class, or a function with the same arguments."""

    def __call__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        base_dir: str | os.PathLike | None,
        seed: int,
        num_environments: int,
    ) -> Agent:
        """Makes the agent for the spaces of an environment."""
