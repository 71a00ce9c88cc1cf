"""Works around faults of dopamine-rl 4.1. No other module knows them.

Priorities: Dopamine's Rainbow sets its `replay_scheme` before the constructor of JaxDQNAgent
overwrites it with 'uniform', so it never uses priorities. `make_jax_agent` sets it again.

Import: Dopamine imports `baselines.common.atari_wrappers` (OpenAI Baselines), which it does not
declare and which no longer installs. Only its PPO preprocessing uses it, so an empty module stands
in while Dopamine is imported.
"""

import contextlib
import importlib
import inspect
import io
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import gin

_MISSING = ("baselines", "baselines.common", "baselines.common.atari_wrappers")


@contextlib.contextmanager
def _stand_in() -> Iterator[None]:
    """Lets `import baselines...` succeed inside the block, and leaves no trace after it."""
    try:
        importlib.import_module(_MISSING[-1])
    except ImportError:
        pass
    else:
        yield
        return
    before = {name: sys.modules.get(name) for name in _MISSING}
    parent: types.ModuleType | None = None
    for name in _MISSING:
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
with _stand_in(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")
    from dopamine.discrete_domains import iteration_statistics, run_experiment
    from dopamine.jax.agents.dqn.dqn_agent import JaxDQNAgent
    from dopamine.jax.agents.full_rainbow.full_rainbow_agent import JaxFullRainbowAgent
    from dopamine.jax.agents.implicit_quantile.implicit_quantile_agent import (
        JaxImplicitQuantileAgent,
    )
    from dopamine.jax.agents.quantile.quantile_agent import JaxQuantileAgent
    from dopamine.jax.agents.rainbow.rainbow_agent import JaxRainbowAgent
    from dopamine.jax.replay_memory import samplers
    from dopamine.jax.replay_memory.elements import ReplayElement  # noqa: F401 - for importers
    from dopamine.metrics import collector, collector_dispatcher, statistics_instance

Runner = run_experiment.Runner
IterationStatistics = iteration_statistics.IterationStatistics
Collector = collector.Collector
CollectorDispatcher = collector_dispatcher.CollectorDispatcher
StatisticsInstance = statistics_instance.StatisticsInstance
add_collector = collector_dispatcher.add_collector
COLLECTORS = collector_dispatcher.AVAILABLE_COLLECTORS  # constructors by name
# By the names that Dopamine gives them; C51 is a Rainbow agent with other settings.
JAX_AGENTS = {
    "jax_dqn": JaxDQNAgent,
    "jax_rainbow": JaxRainbowAgent,
    "jax_quantile": JaxQuantileAgent,
    "jax_implicit_quantile": JaxImplicitQuantileAgent,
    "full_rainbow": JaxFullRainbowAgent,
}


def collector_names(dispatcher: Any) -> list[str]:
    """Names of the collectors that a dispatcher writes to, which Dopamine does not tell."""
    return [found.get_name() for found in dispatcher._collectors]


def make_jax_agent(agent_class: type, **settings: Any) -> Any:
    """Makes one of Dopamine's agents, with the replay scheme that its gin parameter names.

    Args:
      agent_class: one of `JAX_AGENTS`.
      **settings: arguments of the class; others come from gin.

    Raises:
      ValueError: the scheme is unknown, or the agent cannot use it.
    """
    agent = agent_class(**settings)
    parameter = inspect.signature(agent_class).parameters.get("replay_scheme")
    # IQN has the parameter too, but its replay is always uniform.
    prioritized = isinstance(
        agent._replay._sampling_distribution, samplers.PrioritizedSamplingDistribution
    )
    if parameter is None:
        return agent
    name = f"{agent_class.__name__}.replay_scheme"
    try:
        scheme = gin.query_parameter(name)
    except ValueError:  # not bound
        scheme = parameter.default if prioritized else "uniform"
    schemes = ("uniform", "prioritized") if prioritized else ("uniform",)
    if scheme not in schemes:
        raise ValueError(f"{name} is '{scheme}', but must be {' or '.join(map(repr, schemes))}")
    agent._replay_scheme = scheme
    return agent
