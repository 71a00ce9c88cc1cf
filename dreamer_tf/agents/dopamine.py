"""Dopamine's JAX agents (DQN, C51, Rainbow, QR-DQN, IQN) under DreamerRunner.

The agents are Dopamine's own, unchanged. What is here gives them the image out of named
observations, tells them of truncation as far as they can hear it, and stores and restores them
without pickle, so that a run resumes exactly.

    truncated episode: `end_episode(terminal=False)`, which Dopamine stores with `episode_end`: its
    n-step returns neither bootstrap across the end nor take it for a termination. Its interface has
    no place for the last observation of an episode, so the last transition is not learned from.
"""

import inspect
import os
import time
from collections.abc import Container, Mapping, Sequence
from typing import Any

import gin
import gymnasium
import jax
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.dopamine_compat import make_jax_agent
from dreamer_tf.agents.dopamine_replay import ReplayFiles, restore_sampling, sampling_state
from dreamer_tf.agents.metrics import write_agent_metrics
from dreamer_tf.errors import UserError, check_at_least
from dreamer_tf.storage import faults
from dreamer_tf.storage.checkpoints import NEEDS, Checkpoint, check_arrays

Observation = Mapping[str, np.ndarray]

# Trees of arrays that an agent learns; Dopamine's own checkpoints have the same.
_LEARNED = ("online_params", "target_network_params", "optimizer_state")


@gin.configurable(denylist=["agent_class", "observation_space", "action_space", "base_dir", "seed"])
class DopamineAgent:
    """One of Dopamine's JAX agents with the methods of `DreamerV2Agent`."""

    summary_writer = None  # Dopamine's Runner asks for it; metrics go to the dispatcher
    takes_last_observation = True  # and, with it, whether the episode terminated

    def __init__(
        self,
        agent_class: type,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        base_dir: str | os.PathLike | None = None,
        seed: int = 0,
        label: str = gin.REQUIRED,
        log_every: int = 500,
    ):
        """Makes the agent.

        Args:
          agent_class: as in `JaxRainbowAgent`.
          observation_space: one observation: an image [H, W, 1] or a vector.
          action_space: Discrete.
          base_dir: base directory of the run; None for a policy that only acts.
          seed: run seed.
          label: the agent's name in score files, as in 'Rainbow'.
          log_every: Dopamine's training steps between two lines of metrics.

        Raises:
          UserError: the spaces do not fit, or Dopamine refuses its parameters.
        """
        check_at_least("DopamineAgent.log_every", log_every, 1)
        self._key, shape = _observed(observation_space)
        if not isinstance(action_space, gymnasium.spaces.Discrete):
            raise UserError(
                f"{label} chooses among discrete actions, but this environment has "
                f"{action_space}: use a gin file of DreamerV2, as in dmc_vision.gin."
            )
        _use_the_device_of_tensorflow()
        settings = {"num_actions": int(action_space.n), "seed": seed}
        if "observation_shape" in inspect.signature(agent_class).parameters:
            settings["observation_shape"] = shape
            settings["observation_dtype"] = observation_space[self._key].dtype
        try:
            self.dopamine = make_jax_agent(agent_class, **settings)
        except (ValueError, AssertionError, TypeError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise UserError(
                f"{agent_class.__name__} of Dopamine cannot be made for observations {list(shape)} "
                f"({reason}): change its gin bindings; vectors need another network, as in "
                "JaxDQNAgent.network = @ClassicControlDQNNetwork."
            ) from error
        _check_replay(self.dopamine._replay)
        if self.dopamine.observation_shape != shape:
            raise UserError(
                f"{agent_class.__name__} expects observations {self.dopamine.observation_shape}, "
                f"but the environment gives {shape}: set JaxDQNAgent.observation_shape, or "
                "AtariEnvironment.image_sizes = (84,)."
            )
        # It logs its loss only where it has a writer for TensorBoard; the dispatcher is ours.
        self.dopamine.summary_writer = tf.summary.create_noop_writer()
        self.dopamine.summary_writing_frequency = log_every
        self.dopamine.set_collector_dispatcher(self)
        self.label = label
        self.agent_steps = 0
        self.updates = 0
        self.metrics: dict[str, float] = {}
        self.seconds = {"agent": 0.0}
        self._losses: dict[str, float] = {}
        self._dispatcher = None
        self._files = None
        if base_dir is None:
            self.dopamine.eval_mode = True
        else:
            self._files = ReplayFiles(base_dir, self.dopamine._replay)

    @property
    def eval_mode(self) -> bool:
        """Whether nothing is stored and learned (Dopamine's Runner sets this)."""
        return self.dopamine.eval_mode

    @eval_mode.setter
    def eval_mode(self, value: bool) -> None:
        self.dopamine.eval_mode = value

    def set_collector_dispatcher(self, dispatcher: Any) -> None:
        """Where metrics are written (Dopamine's Runner calls this)."""
        self._dispatcher = dispatcher

    def begin_episode(self, observation: Observation) -> int:
        """Starts an episode and returns the first action."""
        return self._call(self.dopamine.begin_episode, observation[self._key])

    def step(self, reward: float, observation: Observation) -> int:
        """One transition of a running episode; returns the next action."""
        self.agent_steps += not self.eval_mode
        return self._call(self.dopamine.step, reward, observation[self._key])

    def end_episode(
        self, reward: float, terminal: bool = True, observation: Observation | None = None
    ) -> None:
        """The last transition of an episode.

        Args:
          reward: of the last action.
          terminal: whether the environment terminated; False on a time limit.
          observation: the last one, for which Dopamine's agents have no place.
        """
        self.agent_steps += not self.eval_mode
        self.dopamine.end_episode(reward, bool(terminal))

    def cut_episode(self) -> None:
        """The episode that is running will not go on; nothing is bootstrapped across its end."""
        self.dopamine._replay._transition_accumulator.clear()

    def write(self, statistics: Sequence[Any], collector_allowlist: Sequence[str] = ()) -> None:
        """Receives the loss from Dopamine's agent, in the middle of a step.

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
        """What the agent is and will do in a number of agent steps, for people."""
        agent, replay = self.dopamine, self.dopamine._replay
        count = sum(array.size for array in jax.tree_util.tree_leaves(agent.online_params))
        random = min(agent.min_replay_history, steps)
        updates = (steps - random) // agent.update_period * self._updates_at_once
        return {
            "computes on": f"{jax.devices()[0]} (JAX)",
            "parameters": f"{self.label} {count:,}",
            "replay": f"{replay._max_capacity:,} steps, compressed in memory",
            "schedule": f"{updates:,} updates",
            "no updates in": f"the first {random:,} agent steps",
        }

    def save(self, checkpoint: Checkpoint) -> None:
        """Adds everything that the agent needs to go on to a checkpoint."""
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
        """A checkpoint has been written: files that none of those that are kept needs can go."""
        self._files.remove_all_but(needed)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to a checkpoint.

        Raises:
          UserError: it is of another agent or network, or says what cannot be.
        """
        try:
            self._restore(checkpoint)
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            raise UserError(
                f"The checkpoint says of {self.label} what cannot be ({type(error).__name__}: "
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
        self.updates = int(state["updates"])
        self.dopamine.training_steps = int(state["training_steps"])
        self.metrics = dict(state["metrics"])
        self.seconds |= state["seconds"]
        if self._files is not None:
            replay = checkpoint.state["replay"]
            self._files.restore(checkpoint.state[NEEDS], int(replay["added"]))
            restore_sampling(self.dopamine._replay, sampling, replay["sampling"])

    @property
    def _updates_at_once(self) -> int:
        return getattr(self.dopamine, "_num_updates_per_train_step", 1)

    def _call(self, function: Any, *arguments: Any) -> int:
        """Lets Dopamine's agent act, and learn on the way; it has learned if its weights differ."""
        started = time.perf_counter()
        before = self.dopamine.online_params
        action = int(function(*arguments))
        if self.dopamine.online_params is not before:
            self.updates += self._updates_at_once
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
        """All that is learned, and the random numbers' state, by name."""
        arrays = {"rng": self.dopamine._rng}
        for tree in _LEARNED:
            paths, _ = jax.tree_util.tree_flatten_with_path(getattr(self.dopamine, tree))
            arrays |= {_name(tree, path): array for path, array in paths}
        return arrays


def _name(tree: str, path: Any) -> str:
    return f"{tree}/{jax.tree_util.keystr(path, simple=True, separator='/')}"


def _observed(space: gymnasium.spaces.Dict) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the one observation, as Dopamine's agents want it.

    Raises:
      UserError: there are several, or the image has colors.
    """
    if len(space.spaces) != 1:
        raise UserError(
            f"Dopamine's agents see one observation, but the environment has {list(space.spaces)}: "
            "use a gin file of DreamerV2."
        )
    (key, box) = next(iter(space.spaces.items()))
    if len(box.shape) == 3 and box.shape[-1] != 1:
        raise UserError(
            f"Dopamine's agents see grayscale images, but '{key}' has shape {list(box.shape)}: set "
            "AtariEnvironment.grayscale = True."
        )
    return key, box.shape[:2] if len(box.shape) == 3 else box.shape


def _check_replay(replay: Any) -> None:
    """Checks what Dopamine's replay does not.

    Raises:
      UserError: no batch, or priorities for too few elements.
    """
    check_at_least("ReplayBuffer.batch_size", replay._batch_size, 1)
    tree = getattr(replay._sampling_distribution, "_sum_tree", None)
    # Dopamine adds an element before it removes the oldest one.
    if tree is not None and (len(tree._nodes) + 1) // 2 <= replay._max_capacity:
        raise UserError(
            f"ReplayBuffer.max_capacity is {replay._max_capacity:,}, for which "
            "PrioritizedSamplingDistribution.max_capacity is too small: set it to "
            f"{replay._max_capacity + 1:,} or more."
        )


def _use_the_device_of_tensorflow() -> None:
    """`configure_devices` chose the GPU for TensorFlow; JAX takes the same, or none.

    Raises:
      UserError: there is a GPU that JAX does not see.
    """
    visible = tf.config.get_visible_devices("GPU")
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
