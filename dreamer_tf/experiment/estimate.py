"""What a run will cost, measured before it begins: `train --dry_run`."""

import os
import resource
import time

import numpy as np
import tensorflow as tf

from dreamer_tf.environments.interface import Environment
from dreamer_tf.experiment import guard
from dreamer_tf.experiment.dreaming import random_action
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.networks import workers
from dreamer_tf.storage.checkpoints import Checkpoint

_ENVIRONMENT_SECONDS = 2.0
_REPETITIONS = 2


def estimate(runner: DreamerRunner) -> str:
    """Measures updates, policy and environment, and says what the whole run takes.

    Args:
      runner: a run that has not begun. Its environment is stepped.

    Returns:
      Lines for people: seconds per update, hours, disk and memory.
    """
    agent = runner.agent
    measured = agent.rehearse(_REPETITIONS)
    steps = runner.total_agent_steps
    environment = _environment_seconds(runner.environment)
    shared = steps / workers.current().count  # agent steps of each worker
    acting = shared * environment / 3600
    lines = {"environment": f"{environment * 1000:.2f} ms per agent step, with random actions"}
    updates = agent.planned_updates(steps)
    if measured is None or updates is None:
        lines["hours"] = (
            f"{acting:.2f} of training in the environment; the updates of {agent.label} are not "
            "measured before they are due"
        )
    else:
        lines["update"] = (
            f"{measured.update:.3f} s; the first one {measured.first_update:.1f} s with its "
            "compilation"
        )
        lines["policy"] = f"{measured.policy_step * 1000:.2f} ms per step"
        acting += shared * measured.policy_step / runner.num_environments / 3600
        learning = updates * measured.update / 3600
        lines["hours"] = (
            f"{max(acting, learning):.2f} to {acting + learning:.2f} of training: {learning:.2f} "
            f"for {updates:,} updates and {acting:.2f} for {steps:,} agent steps, which overlap "
            "where cores are free; evaluations not included"
        )
    lines["disk"] = f"replay: {agent.describe(steps)['replay']}; {_checkpoints(runner)}"
    lines["memory"] = _memory()
    return "\n".join(f"{name:15} {text}" for name, text in lines.items())


def _environment_seconds(environment: Environment) -> float:
    """Mean seconds of an agent step, resets included."""
    rng = np.random.default_rng(0)
    environment.action_space.seed(0)
    started = time.perf_counter()
    observation = guard.reset(environment, int(rng.integers(2**31)))
    steps = 0
    while steps < 20 or time.perf_counter() - started < _ENVIRONMENT_SECONDS:
        action = random_action(environment, observation)
        observation, _, terminated, truncated, _ = guard.step(environment, action)
        steps += 1
        if terminated or truncated:
            observation = guard.reset(environment)
    return (time.perf_counter() - started) / steps


def _checkpoints(runner: DreamerRunner) -> str:
    checkpoint = Checkpoint({}, {})
    runner.agent.save(checkpoint)
    size = sum(array.nbytes for array in checkpoint.arrays.values())
    return f"up to {runner.store.keep} checkpoints of {size / 1e6:,.1f} MB"


def _memory() -> str:
    """Peak memory of this process so far, which has made updates."""
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    text = f"{peak / 1e9:.2f} GB at its peak, with the updates above"
    if tf.config.list_logical_devices("GPU"):
        used = tf.config.experimental.get_memory_info("GPU:0")["peak"]
        text += f"; {used / 1e9:.2f} GB on the GPU"
    return text
