"""Types of gin parameters, with bounds, and their description for people.

    def __init__(self, batch_size: PositiveInt = 50, discount: Fraction = 0.995): ...

`Annotated` and `msgspec.Meta` carry the bounds, so signatures stay true for type checkers.
"""

import collections.abc
import math
import types
import typing
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

# Far above every sensible value, and below what overflows inside TensorFlow.
_MANY = 10**12

NonNegativeInt = Annotated[int, Meta(ge=0, le=_MANY)]
PositiveInt = Annotated[int, Meta(ge=1, le=_MANY)]
AtLeastTwo = Annotated[int, Meta(ge=2, le=100_000)]
Size = Annotated[int, Meta(ge=1, le=100_000)]  # units, steps: every one costs memory
Pixels = Annotated[int, Meta(ge=1, le=4096)]  # of a side of an image
Layers = Annotated[int, Meta(ge=0, le=1000)]
NonNegativeFloat = Annotated[float, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
BelowOne = Annotated[float, Meta(ge=0, lt=1)]
PositiveFraction = Annotated[float, Meta(gt=0, le=1)]
Activation = Literal[  # names of Keras
    "elu",
    "relu",
    "relu6",
    "leaky_relu",
    "selu",
    "gelu",
    "silu",
    "swish",
    "mish",
    "tanh",
    "sigmoid",
    "softplus",
    "softsign",
    "linear",
]


def problem(value: Any, kind: Any) -> str | None:
    """Says what a value must be, if it is not.

    Args:
      value: what was given.
      kind: the annotation of the parameter.

    Returns:
      None if the value fits; otherwise a phrase for after "must be".
    """
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        value = item()  # a scalar of NumPy
    return None if _fits(value, kind) else describe(kind)


def _fits(value: Any, kind: Any) -> bool:
    if _is_union(kind):
        return any(_fits(value, member) for member in typing.get_args(kind))
    origin = typing.get_origin(kind) or kind
    if kind is Any:
        return True
    if origin is Annotated and typing.get_origin(kind.__origin__) is collections.abc.Callable:
        kind = origin = kind.__origin__  # what is not a number has a description, but no bounds
    if collections.abc.Callable in (origin, typing.get_origin(origin)):
        return callable(value)
    members = [member for member in typing.get_args(kind) if member is not Ellipsis]
    if origin in (tuple, list) and any(_is_callable(member) for member in members):
        return isinstance(value, tuple | list) and all(_fits(item, members[0]) for item in value)
    if origin is dict and any(_is_callable(member) for member in members):
        return isinstance(value, dict) and all(
            _fits(name, members[0]) and _fits(item, members[1]) for name, item in value.items()
        )
    if _is_other_class(origin):
        if getattr(origin, "_is_protocol", False):
            if _is_callable(origin):
                return callable(value)
            # A class has the functions of its objects: @Name where @Name() is meant.
            members = interface_members(origin)
            return not isinstance(value, type) and all(hasattr(value, name) for name in members)
        return isinstance(value, origin)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeError):  # half of a surrogate pair is no text
        return False
    return True


def interface_members(interface: type) -> list[str]:
    """Names of the attributes and functions of a `Protocol`, sorted."""
    functions = (name for name, value in vars(interface).items() if callable(value))
    names = {*functions, *vars(interface).get("__annotations__", {})}
    return sorted(name for name in names if not name.startswith("_"))


def _is_callable(kind: Any) -> bool:
    called = getattr(kind, "_is_protocol", False) and "__call__" in vars(kind)
    return called or collections.abc.Callable in (kind, typing.get_origin(kind))


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _is_other_class(origin: Any) -> bool:
    """Whether a type is none of those that can be written in a gin file."""
    plain = (bool, int, float, str, bytes, tuple, list, dict, type(None), Annotated)
    return isinstance(origin, type) and origin not in plain


def describe(kind: Any) -> str:
    """What a parameter of this type may be, as in 'a whole number of 1 or more'."""
    if _is_union(kind):
        return _listed([describe(member) for member in typing.get_args(kind)])
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        meta = next(item for item in arguments[1:] if isinstance(item, Meta))
        return meta.description or describe(arguments[0]) + _bounds(meta)
    if origin is Literal:
        return _listed([repr(value) for value in arguments])
    if origin in (tuple, list):
        inner = [value for value in arguments if value is not Ellipsis]
        if len(inner) > 1:
            return "(" + ", ".join(describe(value) for value in inner) + ")"
        return f"a tuple in which each entry is {describe(inner[0])}" if inner else "a tuple"
    if origin is dict:
        return f"a dict from {describe(arguments[0])} to {describe(arguments[1])}"
    names = {
        bool: "True or False",
        int: "a whole number",
        float: "a number",
        str: "text in quotes",
        type(None): "None",
    }
    if kind in names:
        return names[kind]
    if origin is not None or not isinstance(kind, type) or _is_callable(kind):
        return "a function or class, as in @name"
    if getattr(kind, "_is_protocol", False):
        *first, last = interface_members(kind)
        members = " and ".join(filter(None, (", ".join(first), last)))
        return f"an object with {members}, as in @My{kind.__name__}()"
    return f"an object as in @{kind.__name__}()"


def _bounds(meta: Meta) -> str:
    if meta.le is not None and meta.le < _MANY and meta.ge is not None:
        return f" from {meta.ge:,} to {meta.le:,}"
    if meta.gt is not None:
        return f" above {meta.gt:,}" + ("" if meta.le is None else f" and up to {meta.le:,}")
    if meta.lt is not None:
        return f" from {meta.ge:,} to less than {meta.lt:,}"
    return f" of {meta.ge:,} or more" if meta.ge is not None else ""


def _listed(words: list[str]) -> str:
    unique = list(dict.fromkeys(words))
    return " or ".join(filter(None, (", ".join(unique[:-1]), unique[-1])))
