"""Policies in Python: train one, load one, let it act, evaluate it, see what its model predicts."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast, get_args

import gin
import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.registry import create_agent
from dreamer_tf.environments.gym import GymEnvironment
from dreamer_tf.environments.interface import (
    DopamineEnvironment,
    Environment,
    GymnasiumEnvironment,
    Observation,
    protocol_label,
)
from dreamer_tf.environments.observations import Translated
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import dreaming, guard, initial, launch, recordings
from dreamer_tf.experiment import gin_files as gin_files_module
from dreamer_tf.experiment.devices import configure_devices
from dreamer_tf.experiment.gin_files import parameter
from dreamer_tf.experiment.given import Given, as_environment, only
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.experiment.saved import workers_of
from dreamer_tf.networks import replicas
from dreamer_tf.open_loop import Actions, drawing, gif
from dreamer_tf.open_loop.prediction import OpenLoop
from dreamer_tf.replay.episode_replay import EpisodeReplay
from dreamer_tf.settings.isolation import Configuration
from dreamer_tf.storage import os_errors
from dreamer_tf.storage.checkpoints import CheckpointStore

_SEVERAL_DEVICES = ("configure_devices.strategy", "configure_devices.devices")
_ACTIONS = get_args(Actions)
F = TypeVar("F", bound=Callable[..., Any])


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """Takes away what gin appends to the message of an exception, and names a lack of memory."""
    try:
        yield
    except UserError as error:
        if str(error) == error.sentence:
            raise
        raise UserError(error.sentence) from error
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise UserError(
            "The networks and observations that the configuration of this run describes do not fit "
            "into memory: take a machine with more, and look at its config.gin if the run is not "
            "yours."
        ) from error


def _in_its_configuration(method: F) -> F:
    """A method of a policy that finds the gin configuration of its run, not of the caller."""

    @functools.wraps(method)
    def wrapper(self: "Policy", *args: Any, **kwargs: Any) -> Any:
        with self._configuration.active():
            return method(self, *args, **kwargs)

    return cast(F, wrapper)


class Policy:
    """The policy of a run at its newest checkpoint. It remembers the episode in which it acts.

    Attributes:
      agent: the restored agent; it stores and learns nothing.
      environment: the run's environment.
      checkpoint: number of the checkpoint.
      agent_steps: agent steps of training until the checkpoint.
      protocol: evaluation protocol, as in score files.
    """

    def __init__(
        self,
        base_dir: str | os.PathLike,
        seed: int = 0,
        environment: Given | None = None,
        trust_imports: bool = False,
    ):
        """Loads configuration and weights; arguments as for `load_policy`.

        Raises:
          UserError: there is no run, it has no checkpoint yet, or it imports modules.
        """
        # The configuration of the run must not mix with that of the caller or of another policy.
        self._configuration = Configuration()
        self._base_dir = base_dir
        with self._configuration.active(), _one_sentence():
            self._load(seed, environment, trust_imports)

    def _load(
        self,
        seed: int,
        environment: Given | None,
        trust_imports: bool,
    ) -> None:
        gin_files_module.parse_recorded(self._base_dir, trust_imports)
        # The policy may run on another machine than the training did.
        gin.bind_parameter("configure_devices.gpu", 0)
        for name in ("Learner.policy_device", *_SEVERAL_DEVICES):
            gin.bind_parameter(name, None)
        if replicas.current().num_replicas_in_sync > 1:
            # This process has trained on several devices, and they cannot be set up anew.
            replicas.use(None)
        else:
            configure_devices()
        self.environment: Environment = (
            launch.make_environment() if environment is None else as_environment(environment)
        )
        # Without a base directory: a policy must not write into the run.
        self.agent = create_agent(DopamineEnvironment(self.environment), None, seed)
        found = CheckpointStore(os.path.join(self._base_dir, "checkpoints")).load_latest(
            beside=False, expected=self.agent.expected(), check=self.agent.check_state
        )
        if found is None:
            raise UserError(
                f"--base_dir={self._base_dir}: the run has no checkpoint yet. It writes one after "
                "every iteration and when it is interrupted."
            )
        self.checkpoint, checkpoint = found
        self._replay_state = checkpoint.state.get("replay")
        self._workers = workers_of(checkpoint.state)
        self.agent.restore(checkpoint)
        self.agent_steps = self.agent.agent_steps
        self._begin = True
        self._max_steps: int = parameter("Runner.max_steps_per_episode", 27_000)
        if not isinstance(self._max_steps, int) or self._max_steps < 1:
            raise UserError(
                f"--base_dir={self._base_dir}: Runner.max_steps_per_episode is {self._max_steps}, "
                "but must be a whole number of 1 or more: correct config.gin."
            )
        self.protocol = protocol_label(self.environment, self._max_steps)

    @_in_its_configuration
    def open_replay(self) -> EpisodeReplay:
        """Opens the experience of the run, to read it; the run may be training meanwhile.

        Of a run with several workers, it is that of the chief.

        Raises:
          UserError: the replay is missing or cannot be read.
        """
        directory = os.path.join(self._base_dir, "replay")
        if self._replay_state is None or not os.path.isdir(directory):
            raise UserError(f"--base_dir={self._base_dir}: the run has no replay any more.")
        spaces = self.environment.observation_space, self.environment.action_space
        streams = parameter("DreamerRunner.num_environments", 1)
        try:
            replay = EpisodeReplay(
                *(directory, *spaces),
                seed=0,
                num_streams=streams,
                read_only=True,
                workers=self._workers,
            )
        except OSError as error:
            raise UserError(
                f"--base_dir={self._base_dir}: its replay cannot be read "
                f"({os_errors.original(error)})."
            ) from error
        replay.restore(self._replay_state)
        return replay

    def gymnasium_environment(self) -> gymnasium.Env:
        """The run's environment, with its preprocessing and time limit, as a `gymnasium.Env`."""
        return GymnasiumEnvironment(self.environment, self._max_steps)

    def reset(self) -> None:
        """Forgets the episode: the next observation begins a new one."""
        self._begin = True

    @_in_its_configuration
    def __call__(self, observation: Any, info: Mapping[str, Any] | None = None) -> Any:
        """Chooses an action.

        Args:
          observation: what a Gymnasium environment like that of the run returned, or what
            `policy.environment` or `policy.gymnasium_environment()` did.
          info: what came with it; only environments with an action mask need it.

        Returns:
          An action for the environment that returned the observation.

        Raises:
          ValueError: the observation does not fit the environment of the run.
        """
        environment = self.environment
        if not isinstance(environment, GymEnvironment) or isinstance(observation, Translated):
            return self._act(observation)
        return environment.wrapped_action(
            self._act(environment.translated(observation, info or {}))
        )

    def _act(self, observation: Observation) -> Any:
        if self._begin:
            self._begin = False
            return self.agent.begin_episode(observation)
        return self.agent.step(0.0, observation)

    @_in_its_configuration
    def run_episode(
        self,
        seed: int | None = None,
        frames: list[np.ndarray] | None = None,
        max_frames: int = 1000,
    ) -> tuple[float, int]:
        """Runs one whole episode.

        Args:
          seed: of the environment.
          frames: rendered frames [H, W, 3] uint8 are appended to this list, if it is given.
          max_frames: the list gets no more than this many.

        Returns:
          The return and the number of agent steps.

        Raises:
          EnvironmentFailure: the environment failed.
        """
        self.reset()
        environment = self.environment
        observation = guard.reset(environment, seed)
        total, steps, ended = 0.0, 0, False
        while not ended and steps < self._max_steps:
            if frames is not None and len(frames) < max_frames:
                frames.append(np.asarray(guard.ask(environment, environment.render)))
            action = self._act(observation)
            observation, reward, terminated, truncated, info = guard.step(environment, action)
            ended = terminated or truncated
            if info.get("life_lost"):
                self.reset()  # as in training, where a lost life ends an episode for the agent
            total += reward
            steps += 1
        return float(total), steps

    @_in_its_configuration
    def dream(
        self,
        path: str | os.PathLike,
        actions: Actions = "policy",
        *,
        context: int = 5,
        length: int = 45,
        sequences: int = 4,
        seed: int = 0,
    ) -> OpenLoop:
        """Writes an open-loop prediction as a GIF, as `python -m dreamer_tf.dream` does.

        Args:
          path: of the GIF.
          actions: 'policy' or 'random' (both are carried out in the environment as well), or
            'replay' for stored sequences.
          context: observations that the model sees first.
          length: predicted steps after them.
          sequences: number of stored sequences, for 'replay'.
          seed: of environment, prediction and the choice of sequences.

        Returns:
          What was drawn.

        Raises:
          UserError: an argument is none of these, the agent has no world model, the path cannot be
            written, or the episodes are too short.
        """
        if actions not in _ACTIONS:
            raise UserError(f"actions is {actions!r}, but must be one of {', '.join(_ACTIONS)}.")
        for name, count in (("context", context), ("length", length), ("sequences", sequences)):
            if count < 1:
                raise UserError(f"{name} is {count}, but must be 1 or more.")
        path = os.fspath(path)
        gif.check_path(path)
        agent = dreaming.with_world_model(self.agent)
        if actions == "replay":
            dream = dreaming.in_replay(agent, self.open_replay(), sequences, context, length, seed)
        else:
            random = actions == "random"
            dream = dreaming.in_environment(agent, self.environment, context, length, random, seed)
            self.reset()  # the agent has acted in another episode
        gif.write_gif(path, drawing.frames(dream, scale=2))
        return dream


def load_policy(
    base_dir: str | os.PathLike,
    seed: int = 0,
    environment: Given | None = None,
    trust_imports: bool = False,
) -> Policy:
    """Loads the newest checkpoint of a run as a policy.

    gin's configuration of the caller is neither used nor changed. Policies of several runs can act
    in turn.

        policy = dreamer_tf.load_policy("runs/quickstart/KungFuMaster/0")
        observation = policy.environment.reset(seed=1)
        action = policy(observation)

    Args:
      base_dir: base directory of the run.
      seed: of the sampling of latents (and of actions, if the evaluation samples them).
      environment: for a run that `train_agent` started with an environment of its own.
      trust_imports: whether the run's gin configuration may import Python modules, read files and
        call any function. It may use modules of your own without that if you have imported them.

    Raises:
      UserError: there is no run, it has no checkpoint yet, or it imports modules.
    """
    return Policy(base_dir, seed, environment, trust_imports)


def train_agent(
    environment: Given | None = None,
    *,
    base_dir: str | os.PathLike,
    gin_files: Sequence[str] = ("gym.gin",),
    gin_bindings: Sequence[str] = (),
    seed: int = 0,
    init_from: str | os.PathLike | None = None,
    init_parts: Literal["both", "world_model", "behavior"] | None = None,
) -> Policy:
    """Trains an agent, as `python -m dreamer_tf.train` does; the same call resumes it.

    gin's configuration of the caller is neither used nor changed.

    Args:
      environment: a `gymnasium.Env` or an environment of this package; by default the environment
        of the gin files.
      base_dir: base directory of the run.
      gin_files: as the flag.
      gin_bindings: as the flag.
      seed: as the flag.
      init_from: as the flag.
      init_parts: as the flag.

    Returns:
      The trained policy.

    Raises:
      UserError: as the command.
      EnvironmentFailure: the environment failed. Everything before has been saved.
      Interrupted: a signal asked the run to stop. Everything has been saved.
    """
    with Configuration().active(), _one_sentence():
        beginning = initial.bindings(init_from, init_parts)
        gin_files_module.parse(gin_files, [*gin_bindings, *beginning])
        factory = None if environment is None else only(environment)
        runner = launch.make_runner(os.fspath(base_dir), seed, factory, init_from=init_from)
        try:
            print(launch.describe(runner), flush=True)
            launch.rehearse(runner)
            runner.run_experiment()
            for line in recorded(runner, environment):
                print(line)
            print(launch.closing_words(runner))
            launch.check_learned(runner)
        finally:
            # This process may train again, also in the environment that it was given.
            runner.close(keep_environment=environment is not None)
    return Policy(base_dir, seed, environment, trust_imports=True)  # they are imported already


def recorded(
    runner: DreamerRunner,
    environment: Given | None = None,
) -> list[str]:
    """Records the policy of a finished run, if its gin configuration asks for it.

    Args:
      runner: has run all iterations.
      environment: as for `load_policy`.

    Returns:
      Lines for people, from `record_policy`.
    """
    if not recordings.wanted():
        return []
    policy = Policy(runner.base_dir, runner.seed, environment, trust_imports=True)
    with policy._configuration.active():
        return recordings.record_policy(policy, runner.base_dir, runner.seed)
