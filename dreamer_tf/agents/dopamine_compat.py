"""Works around faults of dopamine-rl 4.1. No other module knows them.

Priorities: Dopamine's Rainbow sets its `replay_scheme` before the constructor of JaxDQNAgent
overwrites it with 'uniform', so it never uses priorities. `make_jax_agent` sets it again.

Import: Dopamine imports two modules that are not there, so empty ones stand in meanwhile.
`baselines.common.atari_wrappers` (OpenAI Baselines) is not declared and no longer installs; only
its PPO preprocessing uses it. The replay buffer of SPR is missing from the wheel, and
`dopamine_subsequences.py` takes its place.
"""

import contextlib
import importlib
import inspect
import io
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import gin

_BASELINES = ("baselines", "baselines.common", "baselines.common.atari_wrappers")
_LABS = "dopamine.labs.atari_100k.replay_memory"
_SUBSEQUENCES = (_LABS, f"{_LABS}.subsequence_replay_buffer")


@contextlib.contextmanager
def _stand_in(missing: Sequence[str]) -> Iterator[None]:
    """Lets imports of missing modules succeed inside the block, and leaves no trace after it.

    Args:
      missing: a module below its packages, as in ("a", "a.b").
    """
    try:
        importlib.import_module(missing[-1])
    except ImportError:
        pass
    else:
        yield
        return
    before = {name: sys.modules.get(name) for name in missing}
    parent: types.ModuleType | None = None
    for name in missing:
        module = types.ModuleType(name)
        module.__path__ = []
        sys.modules[name] = module
        if parent is not None:
            setattr(parent, name.rpartition(".")[2], module)
        parent = module
    try:
        yield
    finally:
        for name, earlier in before.items():
            if earlier is None:
                del sys.modules[name]
            else:
                sys.modules[name] = earlier


# gym, which Dopamine imports, prints an advertisement for Gymnasium to standard error.
with _stand_in(_BASELINES), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")
    from dopamine.discrete_domains import atari_lib, iteration_statistics, run_experiment
    from dopamine.jax.agents.dqn.dqn_agent import JaxDQNAgent
    from dopamine.jax.agents.full_rainbow import full_rainbow_agent
    from dopamine.jax.agents.implicit_quantile.implicit_quantile_agent import (
        JaxImplicitQuantileAgent,
    )
    from dopamine.jax.agents.quantile.quantile_agent import JaxQuantileAgent
    from dopamine.jax.agents.rainbow.rainbow_agent import JaxRainbowAgent
    from dopamine.jax.replay_memory import elements, samplers
    from dopamine.jax.replay_memory.replay_buffer import ReplayBuffer  # noqa: F401 - for importers
    from dopamine.labs.atari_100k.atari_100k_rainbow_agent import (  # noqa: F401 - for importers
        Atari100kRainbowAgent,
    )
    from dopamine.metrics import (
        collector,
        collector_dispatcher,
        statistics_instance,
        tensorboard_collector,
    )
with _stand_in(_SUBSEQUENCES):
    from dopamine.labs.atari_100k import spr_agent  # noqa: F401 - for importers

Runner = run_experiment.Runner
IterationStatistics = iteration_statistics.IterationStatistics
Collector = collector.Collector
CollectorDispatcher = collector_dispatcher.CollectorDispatcher
TensorboardCollector = tensorboard_collector.TensorboardCollector
StatisticsInstance = statistics_instance.StatisticsInstance
add_collector = collector_dispatcher.add_collector
COLLECTORS = collector_dispatcher.AVAILABLE_COLLECTORS  # constructors by name
# By the names that Dopamine gives them; C51 is a Rainbow agent with other settings.
JAX_AGENTS = {
    "jax_dqn": JaxDQNAgent,
    "jax_rainbow": JaxRainbowAgent,
    "jax_quantile": JaxQuantileAgent,
    "jax_implicit_quantile": JaxImplicitQuantileAgent,
    "full_rainbow": full_rainbow_agent.JaxFullRainbowAgent,
}
PrioritizedSamplingDistribution = samplers.PrioritizedSamplingDistribution
ReplayElement = elements.ReplayElement
RainbowNetworkType = atari_lib.RainbowNetworkType
TransitionElement = elements.TransitionElement


def collector_names(dispatcher: Any) -> list[str]:
    """Names of the collectors that a dispatcher writes to, which Dopamine does not tell."""
    return [found.get_name() for found in dispatcher._collectors]


def make_jax_agent(agent_class: type, **settings: Any) -> Any:
    """Makes one of Dopamine's agents, with the replay scheme that its gin parameter names.

    Args:
      agent_class: one of `JAX_AGENTS`, or derived from an agent of Dopamine's.
      **settings: arguments of the class; others come from gin.

    Raises:
      ValueError: the scheme is unknown, or the agent cannot use it.
    """
    agent = agent_class(**settings)
    owner = with_parameter(agent_class, "replay_scheme")
    if owner is None:
        return agent
    # IQN has the parameter too, but its replay is always uniform.
    prioritized = isinstance(agent._replay._sampling_distribution, PrioritizedSamplingDistribution)
    name = f"{owner.__name__}.replay_scheme"
    try:
        scheme = gin.query_parameter(name)
    except ValueError:  # not bound
        default = inspect.signature(owner).parameters["replay_scheme"].default
        scheme = default if prioritized else "uniform"
    schemes = ("uniform", "prioritized") if prioritized else ("uniform",)
    if scheme not in schemes:
        raise ValueError(f"{name} is '{scheme}', but must be {' or '.join(map(repr, schemes))}")
    agent._replay_scheme = scheme
    return agent


def with_parameter(agent_class: type, name: str) -> type | None:
    """The class whose constructor has a parameter: an agent's, or one that it is derived from."""
    for found in agent_class.__mro__:
        if found is not object and name in inspect.signature(found).parameters:
            return found
    return None
