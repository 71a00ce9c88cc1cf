"""Types of the parameters of Dopamine's classes."""

import inspect

import gin
import pytest

from dreamer_tf.experiment import launch  # noqa: F401 - registers all with gin
from dreamer_tf.settings import dopamine

AGENTS = [name for name in dopamine._TABLE if name.startswith("Jax")]


def parameters_in_dopamine(name) -> set[str]:
    """Of all configurables of this name; there may be several."""
    found = set()
    for selector, registered in gin.config._REGISTRY.items():
        if registered.name == name and selector.startswith("dopamine."):
            target = registered.wrapped
            classes = inspect.getmro(target) if inspect.isclass(target) else ()
            for function in [base.__init__ for base in classes] or [target]:
                found |= set(inspect.signature(function).parameters)
    return found


@pytest.mark.parametrize("name", sorted(set(dopamine._TABLE) - set(AGENTS)))
def test_every_parameter_in_the_table_exists_in_dopamine(name):
    """Otherwise a renamed parameter of Dopamine would silently go unchecked."""
    assert set(dopamine.parameters(name)) <= parameters_in_dopamine(name)


def test_every_parameter_of_the_agents_exists_in_one_of_them():
    assert all(parameters_in_dopamine(name) for name in AGENTS)
    known = set().union(*(parameters_in_dopamine(name) for name in AGENTS))
    assert set(dopamine.parameters(AGENTS[0])) <= known


def test_unknown_classes_are_not_checked():
    assert dopamine.parameters("Unheard") == {}
