"""The one place that knows what is broken in dopamine-rl 4.1.

Dopamine imports `baselines.common.atari_wrappers` (OpenAI Baselines), which it does not declare
and which no longer installs. Only its PPO preprocessing uses it, so an empty module stands in
while Dopamine is imported.
"""

import contextlib
import importlib
import io
import sys
import types
import warnings
from collections.abc import Iterator

_MISSING = ("baselines", "baselines.common", "baselines.common.atari_wrappers")


@contextlib.contextmanager
def _stand_in() -> Iterator[None]:
    try:
        importlib.import_module(_MISSING[-1])
    except ImportError:
        pass
    else:
        yield
        return
    before = {name: sys.modules.get(name) for name in _MISSING}
    parent = None
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
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


# gym, which Dopamine imports, prints an advertisement for Gymnasium to standard error.
with _stand_in(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")
    from dopamine.discrete_domains import iteration_statistics, run_experiment
    from dopamine.metrics import collector, collector_dispatcher, statistics_instance

Runner = run_experiment.Runner
IterationStatistics = iteration_statistics.IterationStatistics
Collector = collector.Collector
CollectorDispatcher = collector_dispatcher.CollectorDispatcher
StatisticsInstance = statistics_instance.StatisticsInstance
add_collector = collector_dispatcher.add_collector
