"""`configurable`: gin's decorator, with a check of every value by the annotations."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import gin

from dreamer_tf.errors import UserError
from dreamer_tf.settings.types import problem

T = TypeVar("T", bound=Callable[..., Any])


def configurable(
    target: T | None = None, *, denylist: Sequence[str] = (), module: str = "dreamer_tf"
) -> Any:
    """Makes a class or function configurable by gin, and checks the values that it gets.

    Every parameter that gin may set is checked against its annotation when the object is made,
    wherever the value comes from. The module is explicit, so a name in a gin file can always be
    told apart from one of Dopamine's, and stays when the code moves.

    Args:
      target: the class or function.
      denylist: parameters that gin may not set; their values come from code and are not checked.
      module: the module of the name in gin.

    Returns:
      The decorated class or function, or a decorator if `target` is None.
    """

    def decorate(target: T) -> T:
        if inspect.isclass(target):
            target.__init__ = _checked(target.__init__, target.__name__, denylist)  # type: ignore
            return gin.configurable(module=module, denylist=list(denylist) or None)(target)
        checked = _checked(target, target.__name__, denylist)
        return gin.configurable(module=module, denylist=list(denylist) or None)(checked)

    return decorate if target is None else decorate(target)


def _checked(function: Callable[..., Any], name: str, denylist: Sequence[str]) -> Any:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # Python says best what is missing
        kinds = parameters(function, denylist)
        for key in kinds.keys() & given.keys():
            check(name, key, given[key], kinds[key], gin.current_scope_str())
        return function(*args, **kwargs)

    # gin reads the signature without following `__wrapped__`.
    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper


@functools.cache
def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    return typing.get_type_hints(inspect.unwrap(function), include_extras=True)


def parameters(function: Callable[..., Any], denylist: Sequence[str] = ()) -> dict[str, Any]:
    """Annotations of the parameters that gin may set, by name.

    Args:
      function: a function, or the `__init__` of a class.
      denylist: parameters to leave out.
    """
    hints = _hints(inspect.unwrap(function))
    named = inspect.signature(function).parameters.values()
    return {
        parameter.name: hints[parameter.name]
        for parameter in named
        if parameter.name in hints
        and parameter.name not in denylist
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def check(name: str, parameter: str, value: Any, kind: Any, scope: str = "") -> None:
    """Checks one value of a gin parameter.

    Args:
      name: the configurable, as in a gin file.
      parameter: its parameter.
      value: what was given.
      kind: the annotation.
      scope: gin's scope in which it was given; '' for none.

    Raises:
      UserError: the value does not fit.
    """
    if value is gin.REQUIRED:
        return  # gin says that it is missing
    expected = problem(value, kind)
    if expected is not None:
        prefix = f"{scope}/" if scope and _is_bound(f"{scope}/{name}.{parameter}") else ""
        shown = f"{value:,}" if type(value) is int else repr(value)
        raise UserError(f"{prefix}{name}.{parameter} is {shown}, but must be {expected}.")


def _is_bound(key: str) -> bool:
    try:
        gin.query_parameter(key)
    except ValueError:
        return False
    return True
