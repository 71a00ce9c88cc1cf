"""Starts an experiment: makes the runner, locks its directory, and tells users about the run."""

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import gin

from dreamer_tf.environments.atari import AtariEnvironment
from dreamer_tf.environments.interface import Environment, boxes
from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.errors import UserError, printable
from dreamer_tf.experiment import (
    cluster,
    gin_files,
    initial,
    parts,
    recordings,  # noqa: F401 - registers
    signals,
    trust,
)
from dreamer_tf.experiment.devices import configure_devices
from dreamer_tf.experiment.estimate import estimate
from dreamer_tf.experiment.guard import construct
from dreamer_tf.experiment.places import check_local
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.networks import workers
from dreamer_tf.networks.workers import WorkersLost
from dreamer_tf.scores import aggregate, curves, score_files
from dreamer_tf.settings.bindings import check_effects, check_values
from dreamer_tf.storage import disk, identity, os_errors, removal
from dreamer_tf.storage.locking import DirectoryLock


def make_environment() -> Environment:
    """Makes the environment of the gin configuration.

    Raises:
      UserError: no environment is configured.
    """
    try:
        reference = gin.query_parameter(FACTORY)
    except ValueError as error:
        raise UserError(
            f"{FACTORY} is not set: name a gin file that sets it with --gin_files, as in atari.gin."
        ) from error
    if reference is None:
        raise UserError(
            "This run was started from Python with an environment of its own: pass the same one, "
            "as in dreamer_tf.load_policy(base_dir, environment=environment)."
        )
    if not isinstance(reference, gin.config.ConfigurableReference) or reference.evaluate:
        raise UserError(
            f"{FACTORY} is {reference}, but must name a class or function, as in @AtariEnvironment "
            "without parentheses."
        )
    return construct(reference.scoped_configurable_fn)


def environment_name() -> str:
    """Name of the environment of the gin configuration, which is made for it and closed.

    Raises:
      UserError: as `make_environment`.
    """
    environment = make_environment()
    try:
        return environment.name
    finally:
        with contextlib.suppress(Exception):  # the name is all that was wanted
            environment.close()


def make_runner(
    base_dir: str,
    seed: int,
    create_environment_fn: Callable[[], Environment] | None = None,
    label: str | None = None,
    init_from: str | os.PathLike | None = None,
) -> DreamerRunner:
    """Makes the runner of the gin configuration, and records the configuration.

    The directory stays locked until the runner is closed or the process ends.

    Args:
      base_dir: base directory of the run.
      seed: run seed.
      create_environment_fn: makes the environment; that of the gin configuration by default.
      label: name of the configuration in comparisons; by default what the run recorded before.
      init_from: base directory of a run whose weights a new run begins with (`initial`).

    Raises:
      UserError: the directory belongs to another run, is in use, or cannot be written; the weights
        of the other run do not fit.
      WorkersLost: another worker of the run is gone.
    """
    check_local("base_dir", base_dir)
    own = cluster.configured()
    with _errors_of(base_dir):
        if own is not None and own.index:
            return _make_worker(base_dir, seed, own.index, create_environment_fn, init_from)
        os.makedirs(base_dir, exist_ok=True)
        identity.refuse_foreign(base_dir)
        with contextlib.ExitStack() as on_failure:
            lock = on_failure.enter_context(DirectoryLock(base_dir))
            check_values()
            identity.restore(base_dir)
            # Before anything is made: another configuration must not touch the run's logs.
            gin_files.check(base_dir, seed)
            if identity.has_progress(base_dir):
                before = identity.facts(base_dir).get("workers", 1)
                parts.check_count(before, 1 if own is None else own.count)
            else:
                # No checkpoint refers to these steps, and a corrected configuration may need files
                # of another shape.
                for name in ("replay", cluster.WORKERS):
                    shutil.rmtree(os.path.join(base_dir, name), ignore_errors=True)
            device = configure_devices()
            runner = _construct(base_dir, seed, create_environment_fn)
            _check_game(base_dir, runner.environment.name)
            began = initial.begin(runner.agent, base_dir, init_from)
            check_effects()
            # Only now: a configuration that fails must not claim the directory.
            gin_files.record(base_dir, seed, began | _facts(runner, device, label))
            runner.lock = lock
            on_failure.pop_all()
    return runner


def _check_game(base_dir: str, name: str) -> None:
    """Checks that a run goes on in the environment in which it began.

    gin's configuration does not tell apart environments that `train_agent` is given, or that one
    function makes.

    Raises:
      UserError: it is another one.
    """
    before = identity.facts(base_dir).get("game") if identity.has_progress(base_dir) else None
    if isinstance(before, str) and before != name:
        raise UserError(
            f"{base_dir} belongs to a run in the environment '{printable(before):.80}', not "
            f"'{name}': use that environment, or another --base_dir."
        )


def _construct(
    directory: str, seed: int, create_environment_fn: Callable[[], Environment] | None
) -> DreamerRunner:
    if create_environment_fn is None:
        return DreamerRunner(directory, seed=seed)
    return DreamerRunner(directory, create_environment_fn, seed=seed)


def _make_worker(
    base_dir: str,
    seed: int,
    index: int,
    create_environment_fn: Callable[[], Environment] | None,
    init_from: str | os.PathLike | None,
) -> DreamerRunner:
    """Makes the runner of a worker that is not the chief; it has a directory within the run's."""
    check_values()
    gin_files.check(base_dir, seed)
    # The chief shows and logs what happens.
    gin.bind_parameter("CollectorDispatcher.collectors", ())
    gin.bind_parameter("DreamerRunner.progress_bar", False)
    gin.bind_parameter("DreamerRunner.dream_every", 0)
    gin.bind_parameter("record_policy.video_length", 0)
    # Connects with the chief, which has prepared the base directory by then.
    device = configure_devices()
    directory = cluster.directory(base_dir, index)
    os.makedirs(directory, exist_ok=True)
    with contextlib.ExitStack() as on_failure:
        lock = on_failure.enter_context(DirectoryLock(directory))
        runner = _construct(directory, seed, create_environment_fn)
        initial.begin(runner.agent, base_dir, init_from)
        check_effects()
        runner.session.device = device
        runner.lock = lock
        on_failure.pop_all()
    return runner


@contextlib.contextmanager
def _errors_of(base_dir: str) -> Iterator[None]:
    """Turns failures of the disk into a sentence about the base directory."""
    try:
        yield
    except disk.ERRORS as error:
        found = os_errors.original(error)
        reason = disk.reason(found) or getattr(found, "strerror", None)
        if reason is None:
            raise
        inner = getattr(found, "filename", None)
        if isinstance(inner, str) and inner != base_dir:
            reason = f"{inner}: {reason}"
        raise UserError(
            f"{base_dir} cannot be used as --base_dir ({reason}): choose a directory that can be "
            "written and has space."
        ) from error


def _facts(runner: DreamerRunner, device: str, label: str | None) -> dict[str, Any]:
    """What `run.json` says besides the configuration."""
    environment = runner.environment
    return {
        # Mirrors of the metrics know the run by it, wherever it is moved.
        "id": identity.facts(runner.base_dir).get("id", uuid.uuid4().hex),
        "agent": runner.agent.label,
        "game": environment.name,
        "frames_per_step": environment.frames_per_step,
        "workers": workers.current().count,
        **({} if label is None else {"label": label}),
        **runner.session.begin(device),
    }


def rehearse(runner: DreamerRunner) -> None:
    """Tries an update before a run without updates spends time on its random start.

    Raises:
      UserError: the agent cannot learn with these settings on this machine.
    """
    # Later the next update comes at once, and there is no need to try.
    if not runner.finished and not runner.agent.updates:
        runner.agent.rehearse()


def dry_run(base_dir: str, seed: int, init_from: str | None = None) -> None:
    """Checks a run, and prints what it is and what it will cost; leaves nothing behind.

    Args:
      base_dir: base directory of the run; it is not touched.
      seed: run seed.
      init_from: as for `make_runner`.

    Raises:
      UserError: as `make_runner` and `rehearse`.
    """
    gin_files.check(base_dir, seed)
    if identity.has_progress(base_dir):
        initial.forget()  # it has weights of its own
    with temporary_runner(Path(base_dir).absolute().parent, seed, init_from) as runner:
        print(describe(runner).replace(runner.base_dir, base_dir), flush=True)
        print(estimate(runner))


@contextlib.contextmanager
def temporary_runner(
    parent: Path, seed: int, init_from: str | None = None
) -> Iterator[DreamerRunner]:
    """Makes the runner of the gin configuration in a directory that is removed afterwards.

    Args:
      parent: the directory is made there, or in the nearest directory above that exists, so that
        it is on the disk of a run.
      seed: run seed.
      init_from: as for `make_runner`.

    Raises:
      UserError: as `make_runner`, or nothing can be written there.
    """
    while not parent.is_dir():
        parent = parent.parent
    try:
        directory = tempfile.mkdtemp(prefix=".dry_run-", dir=parent)
    except OSError as error:
        raise UserError(
            f"{parent} cannot be written ({error.strerror}): choose another --base_dir."
        ) from error
    with removal.removing(directory):
        runner = make_runner(directory, seed, init_from=init_from)
        try:
            yield runner
        finally:
            runner.close()


def verify(runner: DreamerRunner) -> str:
    """Reads everything that the checkpoint of a run refers to; what that was, in a few words.

    Raises:
      UserError: something is damaged.
    """
    if not runner.agent.agent_steps:
        return "nothing: there is no checkpoint"
    return ", ".join(filter(None, ("the checkpoint", runner.agent.verify())))


def describe(runner: DreamerRunner) -> str:
    """Says what a run will do: sizes, bytes, updates and imagined states."""
    agent, environment = runner.agent, runner.environment
    steps = runner.total_agent_steps
    found = agent.describe(steps)
    found["schedule"] = (
        f"{steps:,} agent steps = {steps * environment.frames_per_step:,} frames, "
        + found["schedule"]
    )
    found = {
        "base directory": runner.base_dir,
        "environment": f"{_times(runner)}{environment.name}, protocol {environment.protocol}, "
        f"{environment.frames_per_step} frames per agent step, seed {runner.seed}",
        "device": runner.session.device,
        "observations": _observations(environment),
        **found,
    }
    began = initial.words(runner.base_dir)
    if began is not None:
        found["initial weights"] = began
    lines = [f"{name:15} {text}" for name, text in found.items()]
    if agent.agent_steps:
        lines.append(
            f"resumed         at {agent.agent_steps:,} agent steps and {agent.updates:,} updates"
        )
    return "\n".join(lines)


def _times(runner: DreamerRunner) -> str:
    return f"{runner.num_environments} times " if runner.num_environments > 1 else ""


def _observations(environment: Environment) -> str:
    """Names and shapes of the observations, and how the environment changed them."""
    spaces = boxes(environment.observation_space).items()
    shapes = ", ".join(f"{key} {list(box.shape)}" for key, box in spaces)
    return "; ".join([shapes, *environment.notes])


def python() -> str:
    """This Python in a shell, for commands that users can paste."""
    path = os.environ.get("PYTHONPATH")
    prefix = f"PYTHONPATH={shlex.quote(path)} " if path else ""
    # A virtual environment that is not activated needs its path.
    if shutil.which("python") == sys.executable:
        return f"{prefix}python"
    relative = os.path.relpath(sys.executable)
    return prefix + shlex.quote(sys.executable if relative.startswith("..") else relative)


def closing_words(runner: DreamerRunner) -> str:
    """Says where scores, logs and the checkpoint of a run are, and how to look at each."""
    own = cluster.configured()
    if own is not None and own.index:
        return f"Worker {own.index} has finished; the chief has scores, logs and checkpoints."
    base_dir = shlex.quote(runner.base_dir)
    logs = os.path.join(base_dir, "metrics", "tensorboard")
    last = {score.phase: score for score in runner.scores}
    lines = []
    for phase, score in last.items():
        lines.append(
            f"{phase:5} return    {score.value:.2f} (mean of {score.episodes} episodes, "
            f"iteration {score.iteration}, {score.frames:,} frames)"
        )
    lines += _standard(runner)
    numbers = runner.store.numbers()
    if os.path.isdir(os.path.join(runner.base_dir, "dreams")):
        lines.append(f"dreams          {os.path.join(base_dir, 'dreams')}")
    lines += [
        f"scores          {os.path.join(base_dir, score_files.FILE)}",
        f"TensorBoard     {python()} -m tensorboard.main --logdir={logs}",
        f"checkpoint      {runner.store.path(numbers[-1]) if numbers else 'none yet'}",
        f"evaluate        {_evaluate(runner, base_dir)}",
    ]
    lines += _longer(runner, base_dir)
    return "\n".join(lines)


def _standard(runner: DreamerRunner) -> list[str]:
    """What random play and people reach in the game, where that was published."""
    game = curves.game_key(runner.environment.name)
    atari = isinstance(runner.environment, AtariEnvironment)
    if not (runner.scores and atari and aggregate.has_reference(game)):
        return []
    random, gamer = aggregate.reference(game, "Gamer")
    normalized = (runner.scores[-1].value - random) / (gamer - random)
    return [
        f"random play     {random:.2f}, a human gamer {gamer:.2f} (published), so the last return "
        f"is {normalized:.2f} gamer normalized"
    ]


def _longer(runner: DreamerRunner, base_dir: str) -> list[str]:
    """The command that goes on with a finished run."""
    if not runner.finished or gin.query_parameter(FACTORY) is None:
        return []
    needed = trust.flags()
    if "--trust_imports" in needed:  # only its first command can resume it
        return []
    iterations = gin_files.parameter("Runner.num_iterations", 1)
    words = [f"{python()} -m dreamer_tf.train --base_dir={base_dir}", *needed]
    words.append(f"--gin_bindings=Runner.num_iterations={2 * iterations}")
    return [f"train longer    {' '.join(words)}"]


def end_without(lost: WorkersLost, code: int) -> NoReturn:
    """Ends this worker where another one is gone; nothing is saved.

    Args:
      lost: says what happened.
      code: exit code.
    """
    text = (
        f"\nAnother worker is gone ({lost}). Nothing was saved, and the last checkpoint is intact."
    )
    signals.say(f"{text} Start all workers again with the same commands.")
    sys.stdout.flush()
    # TensorFlow would wait for the others once more.
    os._exit(code)


def check_learned(runner: DreamerRunner) -> None:
    """Refuses to call a run a success that never made an update.

    Raises:
      UserError: the run is complete, and its agent has not learned.
    """
    agent = runner.agent
    if agent.updates:
        return
    reason = (
        "no stored episode was long enough to sample from: lower EpisodeReplay.sequence_length, or "
        "ReleasedSampling.minimum_length where it is used"
    )
    if not agent.planned_updates(runner.total_agent_steps):
        reason = (
            f"its {runner.total_agent_steps:,} agent steps (Runner.num_iterations times "
            "Runner.training_steps) are all part of the random start: raise them, or lower "
            "DreamerV2Agent.prefill_steps (min_replay_history of Dopamine's agents)"
        )
    raise UserError(f"The run ended without an update, because {reason}.")


def _evaluate(runner: DreamerRunner, base_dir: str) -> str:
    """The command or call that evaluates this run, with the flags that its environment needs."""
    if gin.query_parameter(FACTORY) is None:  # train_agent got an environment
        return f"dreamer_tf.load_policy({runner.base_dir!r}, environment=...).run_episode()"
    words = [f"{python()} -m dreamer_tf.evaluate --base_dir={base_dir} --episodes=10"]
    if runner.environment.records:
        words.append("--video=episode.gif")
    words += trust.flags()
    return " ".join(words)
