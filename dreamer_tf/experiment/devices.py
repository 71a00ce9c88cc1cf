"""Chooses the devices that compute, and how their memory is used."""

import os
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import cluster
from dreamer_tf.networks import replicas
from dreamer_tf.networks.workers import Workers, patiently
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import NonNegativeInt, PositiveInt, Size

_CONNECTING = 900.0  # seconds for all workers to start


@configurable
def configure_devices(
    gpu: NonNegativeInt | None = 0,
    memory_growth: bool = True,
    memory_limit_mb: PositiveInt | None = None,
    deterministic: bool = False,
    cpu_threads: Size | None = None,
    strategy: Literal["mirrored", "multi_worker"] | None = None,
    devices: Size | None = None,
) -> str:
    """Sets up TensorFlow's devices. Must be called before anything is computed.

    Args:
      gpu: number of the GPU, or of the first of several; None for the CPU even if there is a GPU.
      memory_growth: TensorFlow and JAX (Dopamine's agents) take GPU memory as they need it.
        Otherwise the first of them takes nearly all of it.
      memory_limit_mb: MiB of memory of each GPU for TensorFlow, instead of `memory_growth`.
      deterministic: uses only kernels that give the same numbers in every run, also on a GPU.
        Slower.
      cpu_threads: threads of one CPU operation; all cores by default. Fewer threads let several
        runs share a machine.
      strategy: 'mirrored' splits every batch over several devices of this machine,
        'multi_worker' over several processes, each with its own environments and replay
        (docs/distributed.md); None for one device.
      devices: how many of this machine, with a strategy: all GPUs from `gpu` on by default. Without
        a GPU, and for 'mirrored' only, that many logical CPUs, which share the cores; 1 by default.

    Returns:
      A description of the devices, for people.

    Raises:
      UserError: there are no such GPUs, TensorFlow already runs with other settings, or nothing
        says where the other workers are.
      WorkersLost: a worker did not come.
    """
    if memory_growth:
        # JAX reads this when it starts. Its default is three quarters of the GPU's memory.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if devices is not None and strategy is None:
        raise UserError(
            f"configure_devices.devices is {devices}, but one device computes: set "
            "configure_devices.strategy to 'mirrored', or leave it out."
        )
    present = tf.config.list_physical_devices("GPU")
    # The default, 0, must also work on a machine without a GPU.
    if gpu is not None and not 0 <= gpu < max(len(present), 1):
        raise UserError(f"configure_devices.gpu is {gpu}, but there are {len(present)} GPUs here.")
    chosen = [] if gpu is None else present[gpu : None if strategy else gpu + 1]
    if chosen and devices is not None:
        if devices > len(chosen):
            raise UserError(
                f"configure_devices.devices is {devices}, but there are {len(chosen)} GPUs here "
                f"from number {gpu} on."
            )
        chosen = chosen[:devices]
    workers = cluster.find(os.environ) if strategy == cluster.STRATEGY else None
    if workers is not None and not chosen and devices not in (None, 1):
        raise UserError(
            f"configure_devices.devices is {devices}, but a worker without a GPU has one device: "
            "leave it out, and start more workers."
        )
    leave_out_remapping()
    try:
        _set_up(chosen, present, memory_growth, memory_limit_mb, cpu_threads)
        if not chosen and devices is not None and workers is None:
            parts = [tf.config.LogicalDeviceConfiguration()] * devices
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0], parts
            )
    except RuntimeError as error:
        raise UserError(
            f"configure_devices comes too late ({error}): TensorFlow is already in use with other "
            "settings; start a new process."
        ) from error
    # Not the default: some GPU kernels have no deterministic version, and others get slower.
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    count = len(chosen) or devices or 1
    if workers is not None:
        _connect(workers, len(chosen))
        return f"{_description(chosen, gpu, count)}, worker {workers.index} of {workers.count}"
    replicas.use(_mirrored("GPU" if chosen else "CPU", count) if count > 1 else None)
    return _description(chosen, gpu, count)


def leave_out_remapping() -> None:
    """Switches one pass of Grappler off, for functions that are compiled from now on.

    It fuses our ELU with the operation before it and leaves nodes without an operation behind. The
    passes after it then fail with an error for every function.
    """
    tf.config.optimizer.set_experimental_options({"remapping": False})


def _set_up(
    chosen: list[Any],
    present: list[Any],
    memory_growth: bool,
    memory_limit_mb: int | None,
    cpu_threads: int | None,
) -> None:
    """Makes the chosen GPUs visible, with their memory; raises RuntimeError if it is too late."""
    if chosen != present:
        tf.config.set_visible_devices(chosen, "GPU")
    for device in chosen:
        if memory_limit_mb is not None:
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=memory_limit_mb)
            tf.config.set_logical_device_configuration(device, [limit])
        else:
            tf.config.experimental.set_memory_growth(device, memory_growth)
    if cpu_threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(cpu_threads)


def _mirrored(kind: str, count: int) -> tf.distribute.Strategy:
    # Starts TensorFlow, so everything else must be set up by now.
    return tf.distribute.MirroredStrategy([f"/{kind}:{index}" for index in range(count)])


def _connect(workers: cluster.Cluster, gpus: int) -> None:
    """Connects this worker with the others; like `_mirrored`, it starts TensorFlow."""
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=kinds.AUTO if gpus else kinds.RING
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": workers.addresses}),
        task_type="worker",
        task_id=workers.index,
        num_accelerators={"GPU": gpus},
        rpc_layer="grpc",
    )
    strategy = patiently(
        lambda: tf.distribute.MultiWorkerMirroredStrategy(
            cluster_resolver=resolver, communication_options=options
        ),
        _CONNECTING,
    )
    group = Workers(workers.index, workers.count, strategy)
    replicas.use(strategy, group)
    # With different numbers TensorFlow would wait for ever.
    found = group.gather(np.array([float(gpus)]))[:, 0]
    if len(set(found)) > 1:
        raise UserError(
            f"The workers have {', '.join(f'{number:.0f}' for number in found)} GPUs, but all must "
            "have the same number: set configure_devices.devices."
        )


def _description(chosen: list[Any], gpu: int | None, count: int) -> str:
    if chosen:
        details = tf.config.experimental.get_device_details(chosen[0])
        name = details.get("device_name", "of unknown kind")
        if count == 1:
            return f"GPU {gpu}, {name}"
        return f"{count} GPUs from number {gpu} on, {name}, mirrored"
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    text = f"CPU, {threads} threads"
    return text if count == 1 else f"{text}, as {count} logical CPUs, mirrored"
