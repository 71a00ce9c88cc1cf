"""DreamerV2 inside Dopamine: discrete world models in TensorFlow 2, configured with Gin."""

import os
from typing import Any

from dreamer_tf.version import VERSION

# TensorFlow's native code tells which kernels it has, in every process. Warnings and errors stay.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

__version__ = VERSION
__all__ = ["__version__", "load_metrics", "load_policy", "train_agent"]


def __getattr__(name: str) -> Any:
    """Imports TensorFlow only when something that needs it is used."""
    if name in ("load_policy", "train_agent"):
        from dreamer_tf.native_log import load_tensorflow

        load_tensorflow()
        from dreamer_tf.experiment import policy

        return getattr(policy, name)
    if name == "load_metrics":
        from dreamer_tf.scores import run_metrics

        return run_metrics.load_metrics
    raise AttributeError(f"module 'dreamer_tf' has no attribute '{name}'")
