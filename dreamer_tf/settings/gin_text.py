"""What the text of a gin configuration says, without applying it.

gin itself drops bindings of what is not imported, so names of runs, which must be known without
TensorFlow, are made from the text.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gin import config_parser

from dreamer_tf.errors import UserError


class Reference(NamedTuple):
    """`@scope/selector` or `@scope/selector()` in a configuration that is not applied."""

    name: str
    evaluate: bool

    def __repr__(self) -> str:
        return f"@{self.name}{'()' if self.evaluate else ''}"


class Macro(NamedTuple):
    """`%name`."""

    name: str

    def __repr__(self) -> str:
        return f"%{self.name}"


class _Collector(config_parser.ParserDelegate):
    """Keeps references and macros as text. Gin's own delegate looks them up and makes objects."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Reference:
        return Reference(scoped_configurable_name, evaluate)

    def macro(self, macro_name: str) -> Macro:
        return Macro(macro_name)


def statements(text: str, source: str) -> list[Any]:
    """Parses without applying: names are not looked up, and nothing is imported or read.

    Args:
      text: of a configuration.
      source: where it comes from, for messages.

    Returns:
      Statements of `gin.config_parser`, with `Reference` and `Macro` as values.

    Raises:
      UserError: it is no gin configuration.
    """
    try:
        return list(config_parser.ConfigParser(text, _Collector()))
    except Exception as error:  # of the tokenizer, of the parser, or of Python's literals
        problem = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{source} is no gin configuration ({problem[0].strip()}).") from error


def bound(found: Iterable[Any]) -> dict[str, Any]:
    """What bindings set, the last one of each parameter.

    Args:
      found: from `statements`; those that are no bindings are passed over.

    Returns:
      Values by `scope/Name.parameter`. Names have no module, because gin allows any part of it.
    """
    bindings = (item for item in found if isinstance(item, config_parser.BindingStatement))
    return {key(item.scope, item.selector, item.arg_name): item.value for item in bindings}


def value(found: Mapping[str, Any], name: str) -> Any:
    """What a parameter is bound to, also behind macros; None if it is not bound.

    Args:
      found: from `bound`.
      name: `scope/Name.parameter`.
    """
    seen, result = set(), found.get(name)
    while isinstance(result, Macro) and result.name not in seen:
        seen.add(result.name)
        result = found.get(result.name)
    return None if isinstance(result, Macro) else result


def key(scope: str, selector: str, parameter: str) -> str:
    """A parameter's name without the module; a macro has no parameter."""
    name = ".".join(filter(None, (selector.rpartition(".")[2], parameter)))
    return "/".join(filter(None, (scope, name)))
