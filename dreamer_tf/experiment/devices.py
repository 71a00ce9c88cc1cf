"""Chooses the device that computes, and how its memory is used."""

import os

import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import NonNegativeInt, PositiveInt, Size


@configurable
def configure_devices(
    gpu: NonNegativeInt | None = 0,
    memory_growth: bool = True,
    memory_limit_mb: PositiveInt | None = None,
    deterministic: bool = False,
    cpu_threads: Size | None = None,
) -> str:
    """Sets up TensorFlow's devices. Must be called before anything is computed.

    Args:
      gpu: number of the GPU; None for the CPU even if there is a GPU.
      memory_growth: TensorFlow and JAX (Dopamine's agents) take GPU memory as they need it.
        Otherwise the first of them takes nearly all of it.
      memory_limit_mb: MiB of GPU memory for TensorFlow, instead of `memory_growth`.
      deterministic: uses only kernels that give the same numbers in every run, also on a GPU.
        Slower.
      cpu_threads: threads of one CPU operation; all cores by default. Fewer threads let several
        runs share a machine.

    Returns:
      A description of the device, for people.

    Raises:
      UserError: there is no such GPU, or TensorFlow already runs with other settings.
    """
    if memory_growth:
        # JAX reads this when it starts. Its default is three quarters of the GPU's memory.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    present = tf.config.list_physical_devices("GPU")
    # The default, 0, must also work on a machine without a GPU.
    if gpu is not None and not 0 <= gpu < max(len(present), 1):
        raise UserError(f"configure_devices.gpu is {gpu}, but there are {len(present)} GPUs here.")
    chosen = [] if gpu is None else present[gpu : gpu + 1]
    # This pass of Grappler fuses our ELU with the operation before it and leaves nodes without an
    # operation behind. The passes after it then fail with an error for every function.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    try:
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
    except RuntimeError as error:
        raise UserError(
            f"configure_devices comes too late ({error}): TensorFlow is already in use with other "
            "settings; start a new process."
        ) from error
    # Not the default: some GPU kernels have no deterministic version, and others get slower.
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    if chosen:
        details = tf.config.experimental.get_device_details(chosen[0])
        return f"GPU {gpu}, {details.get('device_name', 'of unknown kind')}"
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    return f"CPU, {threads} threads"
