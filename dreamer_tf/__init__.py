"""DreamerV2 inside Dopamine: discrete world models in TensorFlow 2, configured with Gin.

    policy = dreamer_tf.train_agent(environment, base_dir="runs/mine/MyEnvironment/0")
    policy = dreamer_tf.load_policy("runs/mine/MyEnvironment/0", environment=environment)
    action = policy(observation)

What is public:

* `train_agent` trains on a `gymnasium.Env`, or on the environment of gin files; returns a policy.
* `load_policy` loads the newest checkpoint of a run as a policy.
* `load_metrics` returns the metrics of runs as one pandas DataFrame.
* `dreamer_tf.agents.protocol.Agent` is what an agent of yours derives from.
* `dreamer_tf.environments.interface.Environment` is an environment that is none of Gymnasium's.
* `dreamer_tf.networks.parts` has the parts that gin can replace.
* `dreamer_tf.world_model.world_model.WorldModel` and `dreamer_tf.behavior.actor_critic.ActorCritic`
  can be derived from.
* `dreamer_tf.errors.UserError` is every error that its sentence tells how to mend.

gin's configuration of the caller is left alone.

`python -m dreamer_tf.train --help` lists the flags of the command; `docs/` has the pages.
"""

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
        import gin

        from dreamer_tf.native_log import load_tensorflow

        load_tensorflow()
        # Importing registers names, which gin refuses once its configuration is locked.
        with gin.unlock_config():
            from dreamer_tf.experiment import policy

        return getattr(policy, name)
    if name == "load_metrics":
        from dreamer_tf.scores import run_metrics

        return run_metrics.load_metrics
    raise AttributeError(f"module 'dreamer_tf' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Names for `help` and for completion, which look here before anything is imported."""
    return sorted({*globals(), *__all__})
