"""What all benchmarks share: JSON lines, intervals, and the cores and memory of this process."""

import json
import os
import resource
import time
from typing import Any

import numpy as np
import psutil


def seconds_since_process_start() -> float:
    """Wall-clock seconds since the operating system started this process."""
    return time.time() - psutil.Process().create_time()


def peak_memory_gib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def report(**values: Any) -> None:
    """Prints one JSON line; floats with four significant digits."""
    rounded = {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in values.items()
    }
    print(json.dumps(rounded), flush=True)


def interval_of_mean(values: np.ndarray, coverage: float) -> list[float]:
    """Percentile bootstrap interval of the mean."""
    draws = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(1)
    tail = 50 * (1 - coverage)
    return [float(value) for value in np.percentile(draws, [tail, 100 - tail])]


def use_cores(count: int) -> None:
    """Keeps this process and its threads on some cores; call it before TensorFlow is imported.

    Args:
      count: how many; 0 for all that the process may use.
    """
    if count:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def one_thread() -> None:
    """Lets TensorFlow compute in one thread, so that CPU time is the time of the computation."""
    import tensorflow as tf

    from dreamer_tf.experiment.devices import configure_devices

    configure_devices(gpu=None, cpu_threads=1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
