"""Checks of gin's bindings: every value that is bound, and that it has an effect.

gin has no public list of its bindings, its configurables and what they were called with. This
module is the one place that reads them.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import gin

from dreamer_tf.errors import UserError
from dreamer_tf.settings import dopamine
from dreamer_tf.settings.configurable import check, parameters


def check_values() -> None:
    """Checks every bound value by its type, before anything is made.

    References such as `@linear_schedule()` are checked when the object is made.

    Raises:
      UserError: a value does not fit.
    """
    for scope, selector, parameter, value in _bound():
        kind = _kinds(selector).get(parameter)
        if kind is not None and not _has_reference(value):
            check(selector.rpartition(".")[2], parameter, value, kind, scope)


def check_effects() -> None:
    """Checks that no binding is hidden by others in every scope where it could act.

    Called once everything has been made. Then gin knows in which scopes a configurable was called.

    Raises:
      UserError: a value has no effect, because each scope has one of its own.
    """
    scopes: dict[str, set[str]] = {}
    for scope, selector in gin.config._OPERATIVE_CONFIG:
        scopes.setdefault(selector, set()).add(scope)
    bound = {(scope, selector, parameter): value for scope, selector, parameter, value in _bound()}
    for (scope, selector, parameter), value in bound.items():
        hiding: set[str] = set()
        for called in scopes.get(selector, set()):
            acting = _acting_scope(bound, called, selector, parameter)
            if acting == scope:
                hiding.clear()
                break
            if acting is not None and _contains(called, scope):
                hiding.add(acting)
        if hiding:
            name = f"{selector.rpartition('.')[2]}.{parameter}"
            shown = f"{scope}/{name}" if scope else name
            others = " and ".join(f"{other}/{name}" if other else name for other in sorted(hiding))
            raise UserError(
                f"{shown} = {value!r} has no effect, because {others} "
                f"{'are' if len(hiding) > 1 else 'is'} set: set {others} instead."
            )


def _bound() -> Iterator[tuple[str, str, str, Any]]:
    """Scope, complete selector, parameter and value of every binding."""
    for (scope, selector), values in gin.config._CONFIG.items():
        for parameter, value in values.items():
            yield scope, selector, parameter, value


def _kinds(selector: str) -> dict[str, Any]:
    registered = gin.config._REGISTRY.get(selector)
    if registered is None:
        return {}
    target = registered.wrapped
    if not getattr(target, "__module__", "").startswith("dreamer_tf"):
        return dopamine.parameters(registered.name)
    return parameters(target.__init__ if inspect.isclass(target) else target)


def _has_reference(value: Any) -> bool:
    """Whether gin still has to look something up to know the value."""
    if isinstance(value, dict):
        return any(_has_reference(item) for item in (*value, *value.values()))
    if isinstance(value, (list, tuple)):
        return any(_has_reference(item) for item in value)
    return type(value).__module__.startswith("gin")


def _contains(called: str, scope: str) -> bool:
    """Whether a call in one scope sees the bindings of another, an outer one."""
    return not scope or called == scope or called.startswith(f"{scope}/")


def _acting_scope(
    bound: dict[tuple[str, str, str], Any], called: str, selector: str, parameter: str
) -> str | None:
    """The scope whose binding a call in `called` gets: the innermost one that has one."""
    parts = called.split("/") if called else []
    for length in range(len(parts), -1, -1):
        scope = "/".join(parts[:length])
        if (scope, selector, parameter) in bound:
            return scope
    return None
