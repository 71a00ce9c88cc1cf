"""Dopamine's JAX agents (DQN, C51, Rainbow, QR-DQN, IQN, DER, DrQ, SPR) under DreamerRunner.

The agents are Dopamine's own, unchanged. The adapter selects their image from the named
observations, passes on truncation as far as their interface allows, and saves and restores them
without pickle, so that a run resumes exactly.

A truncated episode ends with `end_episode(terminal=False)`, which Dopamine stores with
`episode_end`. Its n-step returns then neither bootstrap across the end nor treat it as a
termination. Dopamine's interface does not take the last observation of an episode, so its agents
do not learn from the last transition.
"""

import inspect
import os
import time
from collections.abc import Callable, Container, Sequence
from typing import Any

import gin
import gymnasium
import jax
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.dopamine_compat import make_jax_agent, with_parameter
from dreamer_tf.agents.dopamine_replay import (
    STEPS,
    TRANSITIONS,
    ReplayFiles,
    restore_sampling,
    sampling_state,
)
from dreamer_tf.agents.dopamine_subsequences import SubsequenceReplay
from dreamer_tf.agents.metrics import write_agent_metrics
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.agents.saved import SavedDopamine, SavedElements
from dreamer_tf.environments.interface import Observation, boxes
from dreamer_tf.errors import UserError
from dreamer_tf.networks import replicas
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import PositiveInt
from dreamer_tf.storage import faults, schema
from dreamer_tf.storage.arrays import Expected
from dreamer_tf.storage.checkpoints import NEEDS, Checkpoint, Fingerprint, check_arrays

# Trees of arrays that an agent learns; Dopamine's own checkpoints have the same.
_LEARNED = ("online_params", "target_network_params", "optimizer_state")


@configurable(
    denylist=[
        "agent_class",
        "observation_space",
        "action_space",
        "base_dir",
        "seed",
        "num_environments",
    ]
)
class DopamineAgent(Agent):
    """One of Dopamine's JAX agents behind the interface of `DreamerRunner`."""

    def __init__(
        self,
        agent_class: type,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        base_dir: str | os.PathLike | None = None,
        seed: int = 0,
        num_environments: int = 1,
        label: str = gin.REQUIRED,
        log_every: PositiveInt = 500,
    ):
        """Makes Dopamine's agent and checks that it fits the environment.

        Args:
          agent_class: a class of Dopamine, as in `JaxRainbowAgent`.
          observation_space: one observation: an image [H, W, 1], planes [H, W, C] or a vector.
          action_space: Discrete.
          base_dir: base directory of the run; None for a policy that only acts.
          seed: run seed.
          num_environments: must be 1.
          label: the agent's name in score files, as in 'Rainbow'.
          log_every: Dopamine's training steps between two lines of metrics.

        Raises:
          UserError: the spaces do not fit, or Dopamine refuses its parameters.
        """
        self.label = label
        super().__init__(num_environments)
        self._key, shape = _observed(observation_space)
        if not isinstance(action_space, gymnasium.spaces.Discrete):
            raise UserError(
                f"{label} chooses among discrete actions, but this environment has "
                f"{action_space}: use a gin file of DreamerV2, as in dmc_vision.gin."
            )
        _use_the_device_of_tensorflow()
        dtype = np.dtype(observation_space[self._key].dtype)
        self.dopamine = _make(agent_class, shape, dtype, num_actions=int(action_space.n), seed=seed)
        # Dopamine's agents log their loss only if they have a TensorBoard writer. This one writes
        # nothing: `write` below takes the loss and hands it to our dispatcher.
        self.dopamine.summary_writer = tf.summary.create_noop_writer()
        self.dopamine.summary_writing_frequency = log_every
        self.dopamine.set_collector_dispatcher(self)
        self._updates = 0
        self.seconds = {"agent": 0.0}
        self._losses: dict[str, float] = {}
        # Dopamine keeps its replay in memory; these files are what a resumed run starts from.
        self._files = None
        if base_dir is None:
            self.dopamine.eval_mode = True
        else:
            replay = self.dopamine._replay
            layout = STEPS if isinstance(replay, SubsequenceReplay) else TRANSITIONS
            self._files = ReplayFiles(base_dir, replay, layout)

    @property
    def updates(self) -> int:
        """Gradient steps so far."""
        return self._updates

    @property
    def eval_mode(self) -> bool:
        """Whether the agent only acts. Dopamine's Runner sets it at the start of each phase."""
        return self.dopamine.eval_mode

    @eval_mode.setter
    def eval_mode(self, value: bool) -> None:
        self.dopamine.eval_mode = value

    def begin_episode(self, observation: Observation) -> int:
        """Starts an episode and returns the first action."""
        return self._call(self.dopamine.begin_episode, observation[self._key])

    def step(self, reward: float, observation: Observation) -> int:
        """One transition of a running episode; returns the next action."""
        # Counted before acting, as DreamerV2Agent does, so that score files agree on frames.
        self.agent_steps += not self.eval_mode
        return self._call(self.dopamine.step, reward, observation[self._key])

    def end_episode(
        self, reward: float, terminal: bool = True, observation: Observation | None = None
    ) -> None:
        """Ends an episode; Dopamine's agents do not take its last observation."""
        self.agent_steps += not self.eval_mode
        self.dopamine.end_episode(reward, bool(terminal))

    def cut_episode(self) -> None:
        """Forgets the transitions of the running episode that wait for their n-step return."""
        # The replay would join the interrupted episode and the next one.
        replay = self.dopamine._replay
        if isinstance(replay, SubsequenceReplay):
            replay.cut()
        else:
            replay._transition_accumulator.clear()

    def write(self, statistics: Sequence[Any], collector_allowlist: Sequence[str] = ()) -> None:
        """Receives the loss from Dopamine's agent during a step.

        Raises:
          UserError: it is not finite.
        """
        self._losses = {item.name.lower(): float(item.value) for item in statistics}
        if not np.isfinite(list(self._losses.values())).all():
            raise UserError(
                f"The loss of {self.label} was not finite at agent step {self.agent_steps:,}; the "
                "run stops without saving, and the last checkpoint is intact: lower "
                "create_optimizer.learning_rate."
            )

    def describe(self, steps: int) -> dict[str, str]:
        """Describes device, parameters, replay and schedule."""
        agent, replay = self.dopamine, self.dopamine._replay
        count = sum(array.size for array in jax.tree_util.tree_leaves(agent.online_params))
        random = min(agent.min_replay_history, steps)
        return {
            "computes on": f"{jax.devices()[0]} (JAX)",
            "parameters": f"{self.label} {count:,}",
            "replay": f"{replay._max_capacity:,} steps, compressed in memory",
            "schedule": f"{self.planned_updates(steps):,} updates",
            "no updates in": f"the first {random:,} agent steps",
        }

    def planned_updates(self, steps: int) -> int:
        """Updates of a run of so many agent steps, without those of the random start."""
        learning = max(steps - self.dopamine.min_replay_history, 0)
        return learning // self.dopamine.update_period * self._updates_at_once

    def save(self, checkpoint: Checkpoint) -> None:
        """Adds weights, counters and the names of the replay's files to a checkpoint."""
        for name, array in self._arrays().items():
            checkpoint.arrays[name] = np.asarray(array)
        checkpoint.state["agent"] = {
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "training_steps": int(self.dopamine.training_steps),
            "metrics": self.metrics,
            "seconds": self.seconds,
        }
        if self._files is None:
            return
        arrays, sampling = sampling_state(self.dopamine._replay)
        checkpoint.arrays.update({f"sampling/{name}": array for name, array in arrays.items()})
        checkpoint.state["replay"] = {
            "sampling": sampling,
            "added": self.dopamine._replay.add_count,
        }
        checkpoint.state[NEEDS] = self._files.save()
        faults.point("replay_flushed")

    def saved(self, needed: Container[str]) -> None:
        """Removes files of the replay that no stored checkpoint needs."""
        if self._files is not None:
            self._files.remove_all_but(needed)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Returns to the state in a checkpoint.

        Raises:
          UserError: it is from another agent or network, or its values are impossible.
        """
        try:
            self._restore(checkpoint)
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            raise UserError(
                f"The checkpoint has impossible values for {self.label} ({type(error).__name__}: "
                f"{error}): restore it from a copy, or choose another --base_dir."
            ) from error

    def _restore(self, checkpoint: Checkpoint) -> None:
        stored = dict(checkpoint.arrays)
        sampling = {
            name.removeprefix("sampling/"): stored.pop(name)
            for name in list(stored)
            if name.startswith("sampling/")
        }
        check_arrays(self._arrays(), stored)
        for tree in _LEARNED:
            paths, structure = jax.tree_util.tree_flatten_with_path(getattr(self.dopamine, tree))
            arrays = [jax.numpy.asarray(stored[_name(tree, path)]) for path, _ in paths]
            setattr(self.dopamine, tree, jax.tree_util.tree_unflatten(structure, arrays))
        self.dopamine._rng = jax.numpy.asarray(stored["rng"])
        state = checkpoint.state["agent"]
        self.agent_steps = int(state["agent_steps"])
        self._updates = int(state["updates"])
        self.dopamine.training_steps = int(state["training_steps"])
        self.metrics = dict(state["metrics"])
        self.seconds |= state["seconds"]
        if self._files is not None:
            replay = checkpoint.state["replay"]
            self._files.restore(checkpoint.state[NEEDS], int(replay["added"]))
            restore_sampling(self.dopamine._replay, sampling, replay["sampling"])

    def expected(self) -> Expected:
        """Everything learned, and the state of the sampling, which depends on the buffer's size."""
        # Keys and priorities are 8 bytes each. The tree may be made for more elements.
        replay = self.dopamine._replay
        sampling = 64 * replay._max_capacity + 8 * _nodes(replay) + (1 << 20)
        return Expected(self._arrays(), "sampling/", sampling)

    def check_state(self, state: dict[str, Any]) -> None:
        """Checks counters and the replay's index, and changes nothing."""
        schema.check(state.get("agent"), SavedDopamine, "agent")
        if self._files is not None:
            schema.check(state.get("replay"), SavedElements, "replay")
            schema.check(state.get(NEEDS), dict[str, Fingerprint], NEEDS)

    @property
    def _updates_at_once(self) -> int:
        return getattr(self.dopamine, "_num_updates_per_train_step", 1)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> int:
        """Lets Dopamine's agent act. It learns inside; new weights tell that it did."""
        started = time.perf_counter()
        # JAX never changes parameters in place: another object means that there was an update.
        before = self.dopamine.online_params
        action = int(function(*arguments))
        if self.dopamine.online_params is not before:
            self._updates += self._updates_at_once
        self.seconds["agent"] += time.perf_counter() - started
        if self._losses:
            self._log()
        return action

    def _log(self) -> None:
        self.metrics, self._losses = self._losses, {}
        replay = {"replay_steps": len(self.dopamine._replay._memory), "updates": self.updates}
        values = self.metrics | replay
        write_agent_metrics(self._dispatcher, values, self.seconds, self.agent_steps)

    def _arrays(self) -> dict[str, Any]:
        """Everything learned, and the state of the random numbers, by name."""
        arrays = {"rng": self.dopamine._rng}
        for tree in _LEARNED:
            paths, _ = jax.tree_util.tree_flatten_with_path(getattr(self.dopamine, tree))
            arrays |= {_name(tree, path): array for path, array in paths}
        return arrays


def _make(agent_class: type, shape: tuple[int, ...], dtype: np.dtype, **settings: Any) -> Any:
    """Dopamine's agent for observations of a shape.

    Raises:
      UserError: Dopamine refuses the gin bindings, or they are for another shape.
    """
    if _takes(agent_class, "observation_shape"):
        settings |= {"observation_shape": shape, "observation_dtype": dtype}
    try:
        agent = make_jax_agent(agent_class, **settings)
    except (ValueError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise UserError(
            f"Dopamine cannot make {agent_class.__name__} for observations {list(shape)} "
            f"({reason}): change its gin bindings. What is missing stands in dqn.gin. Vectors and "
            "planes need another network, as in JaxDQNAgent.network = @ClassicControlDQNNetwork."
        ) from error
    _check_replay(agent._replay)
    if agent.observation_shape != shape:
        raise UserError(
            f"{agent_class.__name__} expects observations {agent.observation_shape}, but the "
            f"environment gives {shape}: set JaxDQNAgent.observation_shape, or "
            "AtariEnvironment.image_sizes = (84,)."
        )
    # They would convolve the wrong axes, and say nothing.
    if len(shape) > 2 and type(agent.network_def).__module__ == "dopamine.jax.networks":
        raise UserError(
            f"{type(agent.network_def).__name__} is for grayscale images, but the environment "
            f"gives planes {list(shape)}: set a network for planes, as in minatar_rainbow.gin."
        )
    return agent


def _takes(agent_class: type, name: str) -> bool:
    """Whether a constructor takes a parameter, itself or by handing all others on."""
    parameters = inspect.signature(agent_class).parameters
    open_ended = any(found.kind is found.VAR_KEYWORD for found in parameters.values())
    return name in parameters or (open_ended and with_parameter(agent_class, name) is not None)


def _name(tree: str, path: Any) -> str:
    return f"{tree}/{jax.tree_util.keystr(path, simple=True, separator='/')}"


def _observed(space: gymnasium.spaces.Dict) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the only observation; grayscale images lose their channel axis.

    Raises:
      UserError: there are several observations, or the image has colors.
    """
    if len(space.spaces) != 1:
        raise UserError(
            f"Dopamine's agents see one observation, but the environment has {list(space.spaces)}: "
            "use a gin file of DreamerV2."
        )
    [(key, box)] = boxes(space).items()
    if box.dtype == bool or len(box.shape) < 3:  # planes, vectors
        return key, box.shape
    if box.shape[-1] != 1:
        raise UserError(
            f"Dopamine's agents see grayscale images, but '{key}' has shape {list(box.shape)}: set "
            "AtariEnvironment.grayscale = True, or create_gym_environment.wrappers = "
            "[@GrayscaleObservation()] for an environment of Gymnasium."
        )
    return key, box.shape[:2]


def _nodes(replay: Any) -> int:
    """Of the tree of priorities; 0 without one."""
    tree = getattr(replay._sampling_distribution, "_sum_tree", None)
    return 0 if tree is None else len(tree._nodes)


def _check_replay(replay: Any) -> None:
    """Checks sizes that Dopamine's replay does not check itself.

    Raises:
      UserError: the batch is empty, or there are priorities for too few elements.
    """
    nodes = _nodes(replay)
    # Dopamine adds an element before it removes the oldest one.
    if nodes and (nodes + 1) // 2 <= replay._max_capacity:
        raise UserError(
            f"ReplayBuffer.max_capacity is {replay._max_capacity:,}, for which "
            "PrioritizedSamplingDistribution.max_capacity is too small: set it to "
            f"{replay._max_capacity + 1:,} or more."
        )


def _use_the_device_of_tensorflow() -> None:
    """Lets JAX use the GPU that `configure_devices` chose for TensorFlow, or none.

    Raises:
      UserError: TensorFlow has a GPU that JAX does not see, or several devices are to be used.
    """
    if replicas.current().num_replicas_in_sync > 1:
        raise UserError(
            "configure_devices.strategy splits batches of DreamerV2, but Dopamine's agents learn "
            "on one device: leave it out."
        )
    visible = tf.config.get_visible_devices("GPU")
    # JAX would otherwise take a GPU that the user has excluded for TensorFlow.
    if not visible:
        jax.config.update("jax_platforms", "cpu")
        return
    if len(visible) == 1:
        jax.config.update("jax_cuda_visible_devices", visible[0].name.rpartition(":")[2])
    if jax.default_backend() == "cpu":
        raise UserError(
            "TensorFlow sees a GPU, but JAX, with which Dopamine's agents compute, does not: "
            f"install jax[cuda12]=={jax.__version__}, or set configure_devices.gpu = None to "
            "train on the CPU."
        )
