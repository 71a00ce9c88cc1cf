"""All gin parameters of this package: what each of them means, and its default.

Everything comes from the code: signatures, docstrings and gin's registry.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gin

from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.experiment import launch  # noqa: F401 - registers all with gin
from dreamer_tf.settings.configurable import parameters

ALL = "all"
_WIDTH = 100


class Parameter(NamedTuple):
    """One parameter that gin may set."""

    name: str  # as in a gin file
    default: str  # Python's text of the value; 'required' if there is none
    meaning: str  # from the docstring

    def text(self) -> str:
        """Lines for people."""
        lines = textwrap.wrap(self.meaning, _WIDTH - 4)
        return "\n".join([f"{self.name} = {self.default}", *(f"    {line}" for line in lines)])


def find(asked: str) -> list[Parameter]:
    """The parameters whose name has this text in it, in any case; sorted by name.

    Args:
      asked: a part of a name, or `ALL`.

    Raises:
      UserError: there is none.
    """
    known = sorted(every())
    if asked == ALL:
        return known
    found = [parameter for parameter in known if asked.lower() in parameter.name.lower()]
    if not found:
        words = sorted({word for parameter in known for word in parameter.name.split(".")})
        raise UserError(
            f"--parameters={asked}: no parameter of dreamer_tf has such a name; --parameters={ALL} "
            f"prints all.{did_you_mean(asked, words)}"
        )
    return found


def every() -> Iterator[Parameter]:
    """Every parameter of what this package registers with gin."""
    # gin has no public list of its configurables.
    for _, configurable in gin.config._REGISTRY.items():
        wrapped = configurable.wrapped
        if not wrapped.__module__.startswith("dreamer_tf."):
            continue
        function = wrapped.__init__ if inspect.isclass(wrapped) else wrapped
        meanings = _meanings(function)
        for name in parameters(function, configurable.denylist or ()):
            default = inspect.signature(function).parameters[name].default
            required = default is inspect.Parameter.empty or default is gin.REQUIRED
            yield Parameter(
                f"{configurable.name}.{name}",
                "required" if required else repr(default),
                meanings.get(name, ""),
            )


def _meanings(function: Callable[..., Any]) -> dict[str, str]:
    """What the section `Args` of a docstring says, by name of the argument."""
    text = inspect.getdoc(inspect.unwrap(function)) or ""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", text, re.MULTILINE)
    entries = re.split(r"^  (?=\w+: )", section[1] if section else "", flags=re.MULTILINE)
    pairs = (entry.partition(": ") for entry in entries)
    return {name.strip(): " ".join(meaning.split()) for name, _, meaning in pairs}
