"""Which processes train one agent together: from `TF_CONFIG`, or from SLURM's variables.

    TF_CONFIG='{"cluster": {"worker": ["host1:12345", "host2:12345"]},
                "task": {"type": "worker", "index": 0}}'

Worker 0 is the chief. `TF_CONFIG` is TensorFlow's own format. Without it, and in a step of SLURM
with several tasks, every task is a worker.
"""

import contextlib
import dataclasses
import json
import os
import random
import re
import socket
from collections.abc import Mapping
from typing import Any

from dreamer_tf.errors import UserError
from dreamer_tf.experiment.gin_files import parameter

STRATEGY = "multi_worker"  # value of `configure_devices.strategy`
VARIABLE = "TF_CONFIG"
WORKERS = "workers"  # directory in the base directory of a run
_TASKS, _RANK = "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"
_NODES, _TASKS_PER_NODE = "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE"
# Ports of workers that SLURM or a sweep starts: free for users, below those that Linux gives out.
_FIRST_PORT, _PORTS = 20_000, 10_000


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers, and which of them this process is."""

    addresses: list[str]  # host:port of each worker
    index: int

    @property
    def count(self) -> int:
        """Number of workers."""
        return len(self.addresses)


_EXAMPLE = Cluster(["host1:12345", "host2:12345"], 0)


def configured() -> Cluster | None:
    """The workers of the gin configuration and the environment; None for a process of its own.

    Raises:
      UserError: several workers are configured, but nothing says which.
    """
    if parameter("configure_devices.strategy", None) != STRATEGY:
        return None
    return find(os.environ)


def find(environment: Mapping[str, str]) -> Cluster:
    """Reads the workers from environment variables.

    Args:
      environment: variables by name.

    Raises:
      UserError: there are none, or they contradict each other.
    """
    text = environment.get(VARIABLE)
    if text:
        return _from_text(text)
    if int_or(environment.get(_TASKS), 1) > 1:
        return _from_slurm(environment)
    raise UserError(
        f"configure_devices.strategy is '{STRATEGY}', but nothing says where the workers are: set "
        f"{VARIABLE}='{to_text(_EXAMPLE)}' with another index for each worker, or start them with "
        "srun --ntasks or `python -m dreamer_tf.sweep --workers_per_run`, or set the strategy to "
        "None."
    )


def to_text(cluster: Cluster) -> str:
    """The value of `TF_CONFIG` for one worker."""
    task = {"type": "worker", "index": cluster.index}
    return json.dumps({"cluster": {"worker": cluster.addresses}, "task": task})


def free_port(index: int, count: int) -> int:
    """A port of this machine that is free now.

    Args:
      index: of the worker.
      count: number of workers. They get different ports also on one machine.
    """
    while True:
        port = _FIRST_PORT + random.randrange(_PORTS // count) * count + index
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("", port))
            return port


def directory(base_dir: str | os.PathLike, worker: int) -> str:
    """Where a worker has its replay and its part of the checkpoints; the chief has the run's.

    Args:
      base_dir: base directory of the run.
      worker: its number.
    """
    return os.path.join(base_dir, WORKERS, str(worker)) if worker else os.fspath(base_dir)


def int_or(text: str | None, default: int) -> int:
    """A number in a variable, or a default if it is none."""
    return int(text) if text is not None and text.isdigit() else default


def _from_text(text: str) -> Cluster:
    try:
        found = json.loads(text)
        jobs, task = found["cluster"], found["task"]
        if not isinstance(jobs, dict) or set(jobs) - {"chief", "worker"}:
            raise ValueError("its cluster must have workers only")
        addresses = [*jobs.get("chief", []), *jobs.get("worker", [])]
        index = task["index"] + (len(jobs.get("chief", [])) if task["type"] == "worker" else 0)
        _check(addresses, index)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise UserError(
            f"{VARIABLE} cannot be used ({type(error).__name__}: {error}): write it as "
            f"{VARIABLE}='{to_text(_EXAMPLE)}'."
        ) from error
    return Cluster(addresses, index)


def _check(addresses: list[Any], index: Any) -> None:
    """Raises a ValueError where the numbers cannot be right."""
    for address in addresses:
        if not isinstance(address, str) or not re.fullmatch(r"[^\s:]+:\d+", address):
            raise ValueError(f"{address!r} is not host:port")
    if len(set(addresses)) < len(addresses):
        raise ValueError("two workers have one address")
    if len(addresses) < 2:
        raise ValueError("there must be two workers at least")
    if type(index) is not int or not 0 <= index < len(addresses):
        raise ValueError(f"there is no worker with index {index!r}")


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    try:
        hosts = expand_hosts(environment[_NODES])
        counts = expand_counts(environment[_TASKS_PER_NODE])
        # Steps of one job have other ports, and so have jobs on one node.
        job = int_or(environment.get("SLURM_JOB_ID"), 0) * 7
        step = int_or(environment.get("SLURM_STEP_ID"), 0)
        first = _FIRST_PORT + (job + step) * 61 % _PORTS
        addresses = [
            f"{host}:{first + task}"
            for host, count in zip(hosts, counts, strict=True)
            for task in range(count)
        ]
        index = int(environment[_RANK])
        if len(addresses) != int(environment[_TASKS]):
            raise ValueError(f"{len(addresses)} places for {environment[_TASKS]} tasks")
        _check(addresses, index)
    except (ValueError, LookupError) as error:
        raise UserError(
            f"SLURM's variables do not say where the workers are ({type(error).__name__}: {error}):"
            f" set {VARIABLE} in every task, as docs/distributed.md shows."
        ) from error
    return Cluster(addresses, index)


def expand_hosts(text: str) -> list[str]:
    """Hosts of SLURM's short form, in its order: 'a[1-2,07],b' is a1, a2, a07, b.

    Raises:
      ValueError: it is not of that form.
    """
    hosts = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        match = re.fullmatch(r"([^\[\]]*)(?:\[([\d,-]+)\])?([^\[\]]*)", part)
        if match is None:
            raise ValueError(f"unknown hosts {part!r}")
        prefix, ranges, suffix = match.groups()
        for item in ranges.split(",") if ranges else [""]:
            first, _, last = item.partition("-")
            numbers = range(int(first), int(last or first) + 1) if first else [None]
            hosts += [
                prefix + ("" if number is None else str(number).zfill(len(first))) + suffix
                for number in numbers
            ]
    return hosts


def expand_counts(text: str) -> list[int]:
    """Tasks of each node in SLURM's short form: '2(x3),1' is 2, 2, 2, 1.

    Raises:
      ValueError: it is not of that form.
    """
    counts = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise ValueError(f"unknown counts {part!r}")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts
