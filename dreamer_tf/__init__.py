"""DreamerV2 inside Dopamine: discrete world models in TensorFlow 2, configured with Gin."""

from typing import Any

from dreamer_tf.version import VERSION

__version__ = VERSION
__all__ = ["__version__", "load_policy", "train_agent"]


def __getattr__(name: str) -> Any:
    """Imports TensorFlow only when something that needs it is used."""
    if name in ("load_policy", "train_agent"):
        from dreamer_tf.experiment import policy

        return getattr(policy, name)
    raise AttributeError(f"module 'dreamer_tf' has no attribute '{name}'")
