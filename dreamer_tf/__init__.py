"""DreamerV2 inside Dopamine: discrete world models in TensorFlow 2, configured with Gin."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_policy"]


def __getattr__(name: str) -> Any:
    """Imports TensorFlow only when something that needs it is used."""
    if name == "load_policy":
        from dreamer_tf.policy import load_policy

        return load_policy
    raise AttributeError(f"module 'dreamer_tf' has no attribute '{name}'")
