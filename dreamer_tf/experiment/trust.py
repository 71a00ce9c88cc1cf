"""What the configuration of a run may say if nobody vouches for the run.

A run directory is data from a stranger. Its `config.gin` is parsed, but not applied, and each
statement is compared with lists of what is allowed. Everything else is refused:

    statement                   allowed
    import, from                what the caller has imported: importing it again runs nothing
    include                     never
    parameters of this package  numbers; text and references where `allowed.py` says so
    parameters of Dopamine      those that `allowed.py` lists
    what the caller registered  everything, because the caller has chosen this code

The caller chooses code with `--import=my.module`, or in Python by importing it. The run never does.
"""

import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gin
from gin import config_parser

from dreamer_tf.errors import UserError
from dreamer_tf.experiment.allowed import (
    BY_NAME,
    DOPAMINE,
    DOPAMINE_REFERENCES,
    IMPORTING,
    PACKAGES,
    REFERENCES,
    TEXTS,
    WORD,
)
from dreamer_tf.native_log import quietly
from dreamer_tf.settings import gin_text
from dreamer_tf.storage.files import read_bytes

LARGEST = 1_000_000  # bytes; a configuration of this package has a few thousand


def import_modules(names: Sequence[str] | None) -> list[str]:
    """Imports the modules that the caller names with `--import`; what they register is allowed.

    Args:
      names: modules as in an import statement.

    Returns:
      The import statements of gin, for the record of a run and for its workers.

    Raises:
      UserError: a module cannot be imported.
    """
    names = names or []
    for name in names:
        try:
            with quietly():
                importlib.import_module(name)
        except Exception as error:  # whatever the module raises is its author's to mend
            hint = ""
            if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
                hint = ": put the directory that has it on PYTHONPATH"
            raise UserError(
                f"--import={name} cannot be imported ({type(error).__name__}: {error}){hint}."
            ) from error
    return [f"import {name}" for name in names]


def warn_about_working_directory(base_dir: str | None) -> None:
    """Warns if Python looks for modules inside a run, as `cd run; python -m ...` makes it do.

    Python puts the working directory on its path before any code of this package runs, so files of
    the run can take the place of modules. The console scripts do not.
    """
    # What `python -m` puts first is the working directory.
    searched = sys.path[0] if sys.path else None
    if base_dir is None or searched is None:
        return
    run, place = Path(base_dir).resolve(), Path(searched or os.curdir).resolve()
    if place == Path.cwd() and (place == run or run in place.parents):
        print(
            f"Warning: Python imports modules from the working directory, which lies in the run "
            f"{run}: call the command from another directory, or use the console scripts "
            "(dreamer-evaluate, dreamer-dream).",
            file=sys.stderr,
        )


def read(path: str | os.PathLike) -> str:
    """The text of a run's configuration.

    Raises:
      UserError: it is no regular file, or larger than any configuration.
    """
    try:
        return read_bytes(path, LARGEST).decode(errors="replace")
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): restore it from a copy of the run."
        ) from error


def check(text: str, source: str) -> None:
    """Checks a configuration before anything of it is applied.

    Args:
      text: the configuration, as in config.gin.
      source: its path, for messages.

    Raises:
      UserError: it says something that is not allowed, or cannot be parsed.
    """
    statements = gin_text.statements(text, source)
    bindings = [item for item in statements if isinstance(item, config_parser.BindingStatement)]
    checker = _Checker(source, bindings)
    for statement in statements:
        checker.statement(statement)


def flags() -> list[str]:
    """The flags that `evaluate` and `dream` need for the configuration of this process."""
    text = gin.config_str(max_line_length=120)
    statements = gin_text.statements(text, "the configuration")
    modules = {
        item.module for item in statements if isinstance(item, config_parser.ImportStatement)
    }
    names = set(re.findall(r"[\w.]+", text))
    for configurable in _configurables():
        short = configurable.selector.rpartition(".")[2]
        module = configurable.wrapped.__module__
        # The caller's own script cannot be imported by its name.
        if _is_callers(configurable) and module != "__main__":
            used = any(short in name.split(".") for name in names)
            covered = any(f"{module}.".startswith(f"{name}.") for name in modules)
            if used and not covered:
                modules.add(module)
    try:
        check(text, "the configuration")
    except UserError:
        return ["--trust_imports"]
    return [f"--import={module}" for module in sorted(modules)]


class _Checker:
    """Compares statements with the lists."""

    def __init__(self, source: str, bindings: Sequence[config_parser.BindingStatement]):
        self._source = source
        # A macro is checked wherever it is used, as if its value stood there.
        self._macros: dict[str, list[Any]] = {}
        for binding in bindings:
            name = self._macro_name(binding)
            if name is not None:
                self._macros.setdefault(name, []).append(binding.value)

    @staticmethod
    def _macro_name(binding: config_parser.BindingStatement) -> str | None:
        """The name of the macro that a statement defines: `name = 1` or `name/macro.value = 1`."""
        if not binding.arg_name:
            return "/".join(filter(None, (binding.scope, binding.selector)))
        if binding.selector in ("macro", "gin.macro"):
            return binding.scope
        return None

    def statement(self, statement: Any) -> None:
        """Checks one statement."""
        if isinstance(statement, config_parser.ImportStatement):
            # Importing what is loaded runs nothing. The exception is gin's own pseudo-package: it
            # makes every attribute of every module a configurable.
            if statement.module in sys.modules and not statement.module.startswith("__gin__"):
                return
            module = statement.module
            raise self._refused(
                f"says '{statement.format()}', which runs code from outside this package",
                f"--import={module} if you trust this module (in Python, import it before)",
            )
        if isinstance(statement, config_parser.IncludeStatement):
            raise self._refused(f"says 'include {statement.filename!r}', which reads another file")
        if isinstance(statement, config_parser.BlockDeclaration):
            self._find(statement.selector)
            return
        if self._macro_name(statement) is None:
            self._binding(statement)

    def _binding(self, statement: config_parser.BindingStatement) -> None:
        configurable = self._find(statement.selector)
        where = f"{statement.selector}.{statement.arg_name}"
        kind: _Kind
        if _is_callers(configurable):
            kind = _Caller()
        elif _is_own(configurable):
            short = configurable.selector.rpartition(".")[2]
            parameter = f"{short}.{statement.arg_name}"
            if parameter in BY_NAME or (
                short == "create_gym_environment" and _is_setting(configurable, statement.arg_name)
            ):
                kind = _Kind(WORD, (), settings=True)
            else:
                kind = _Kind(TEXTS.get(parameter), REFERENCES.get(parameter, ()))
        elif statement.arg_name in DOPAMINE.get(configurable.selector, "").split():
            kind = _Kind(WORD, DOPAMINE_REFERENCES.get(statement.arg_name, ()))
        else:
            raise self._refused(f"binds {where}, which is not on the list of what a run may set")
        for value in self._values(statement.value, ()):
            self._value(where, value, kind)

    def _values(self, value: Any, inside: tuple[str, ...]) -> Iterator[Any]:
        """The value, with every macro replaced by every value that it can have."""
        if not isinstance(value, gin_text.Macro):
            yield value
            return
        if value.name in ("gin.REQUIRED", "REQUIRED"):
            return
        # Gin looks a macro up in its scope and in the scopes around it.
        parts = value.name.split("/")
        scopes = ["/".join(parts[:count]) for count in range(len(parts) + 1)]
        found = [item for scope in scopes for item in self._macros.get(scope, [])]
        if not found or value.name in inside or len(inside) > 20:
            raise self._refused(f"uses {value!r}, which it does not define")
        for item in found:
            yield from self._values(item, (*inside, value.name))

    def _value(self, where: str, value: Any, kind: "_Kind") -> None:
        """Checks a value and all that is in it."""
        if value is None or isinstance(value, bool | int | float):
            return
        if isinstance(value, gin_text.Reference):
            self._reference(where, value, kind)
        elif isinstance(value, gin_text.Macro):
            for item in self._values(value, ()):
                self._value(where, item, kind)
        elif isinstance(value, str):
            self._text(where, value, kind)
        elif isinstance(value, list | tuple):
            for item in value:
                self._value(where, item, kind)
        elif isinstance(value, dict) and kind.settings:
            for item in (*value.keys(), *value.values()):
                self._value(where, item, kind)
        elif not isinstance(kind, _Caller):
            raise self._refused(f"binds {where} to {_short(value)}, which is not a plain value")

    def _text(self, where: str, value: str, kind: "_Kind") -> None:
        if isinstance(kind, _Caller):
            return
        match = kind.text is not None and re.fullmatch(kind.text, value, re.ASCII)
        if not match:
            raise self._refused(f"binds {where} to {_short(value)}, which is not allowed there")
        package = match.groupdict().get("package")
        if package is not None:
            self._package(where, value, package)

    def _package(self, where: str, value: Any, package: str) -> None:
        """Gymnasium imports the package before the colon of an id."""
        if package in sys.modules:
            return
        advice = f"--import={package} if you trust this package (in Python, import it before)"
        said = f"binds {where} to {_short(value)}"
        if package not in PACKAGES:
            raise self._refused(f"{said}, which imports the package '{package}'", advice)
        found = importlib.util.find_spec(package)
        origin = found.origin if found is not None else None
        if origin and Path(self._source).resolve().parent in Path(origin).resolve().parents:
            raise self._refused(f"{said}, and this package lies in the run itself", advice)

    def _reference(self, where: str, value: gin_text.Reference, kind: "_Kind") -> None:
        configurable = self._find(value.name.rpartition("/")[2], value)
        if _is_callers(configurable):
            return
        short = configurable.selector.rpartition(".")[2]
        ours = _is_own(configurable) or configurable.selector.startswith("dopamine.jax.")
        allowed = kind.references
        if isinstance(kind, _Caller):
            allowed = tuple({name for names in REFERENCES.values() for name in names})
        if not ours or short not in allowed:
            raise self._refused(f"binds {where} to {value!r}, which is not allowed there")
        if short in IMPORTING:
            self._package(where, value, IMPORTING[short])

    def _find(self, selector: str, reference: gin_text.Reference | None = None) -> Any:
        """The configurable of a name."""
        try:
            # gin has no public list of its configurables.
            found = gin.config._REGISTRY.get_match(selector)
        except KeyError:  # several have this name
            found = None
        if found is None:
            raise self._refused(
                f"names '{reference or selector}', which this package does not know",
                "--import=<the module that has it> if you trust that module (in Python, import it "
                "before)",
            )
        return found

    def _refused(self, what: str, advice: str = "") -> UserError:
        advice = f"{advice}, or " if advice else ""
        return UserError(
            f"{self._source} {what}: add {advice}--trust_imports (in Python trust_imports=True) if "
            "you trust this run."
        )


class _Kind(NamedTuple):
    """What a parameter may be, besides numbers, booleans, None and sequences of these."""

    text: str | None
    references: tuple[str, ...]
    settings: bool = False  # whether it may be a dict


class _Caller(_Kind):
    """A parameter of the caller's own code, which knows what it does with its values."""

    def __new__(cls) -> "_Caller":
        return super().__new__(cls, None, (), True)


def _configurables() -> list[Any]:
    return [configurable for _, configurable in gin.config._REGISTRY.items()]


def _is_own(configurable: Any) -> bool:
    """Whether it belongs to this package, by its name and by its code."""
    module = configurable.wrapped.__module__ or ""
    return configurable.selector.startswith("dreamer_tf.") and module.startswith("dreamer_tf.")


def _is_callers(configurable: Any) -> bool:
    """Whether somebody else than this package, Dopamine and gin has registered it."""
    module = configurable.wrapped.__module__ or ""
    names = (configurable.selector, f"{module}.")
    return not any(name.startswith(("dopamine.", "dreamer_tf.", "gin.")) for name in names)


def _is_setting(configurable: Any, name: str) -> bool:
    """Whether a parameter is one of `**settings`, which Gymnasium passes to the environment."""
    return name not in inspect.signature(configurable.wrapped).parameters


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
