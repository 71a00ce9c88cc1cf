"""Finds, reads and records gin files, with errors that say what to change."""

import contextlib
import functools
import hashlib
import importlib.util  # noqa: F401 - gin uses it without importing it
import inspect
import json
import os
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import gin
from absl import logging

from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.experiment import gin_stack, trust
from dreamer_tf.experiment.places import check_local
from dreamer_tf.settings import isolation
from dreamer_tf.settings.bindings import check_values
from dreamer_tf.settings.roles import CHANGEABLE, TASK
from dreamer_tf.storage import identity
from dreamer_tf.storage.files import replace_text
from dreamer_tf.version import VERSION

CONFIG_FILE = "config.gin"
OPERATIVE_FILE = "operative_config.gin"
RUN_FILE = identity.FILE

# What gin raises for what it cannot read; the tokenizer's error is of no other class.
_GIN_ERRORS = (
    *(ValueError, SyntaxError, OSError, KeyError, RuntimeError, ImportError, tokenize.TokenError),
)

# Shipped files by their old names. Commands and gin files of users may still say these.
RENAMED = {
    "pixels.gin": "catch.gin",
    "ablations/atari_released.gin": "variants/atari_released.gin",
    "ablations/learning_rate_and_kl_schedules.gin": "variants/learning_rate_and_kl_schedules.gin",
    "ablations/montezuma.gin": "variants/montezuma.gin",
    "ablations/schedules.gin": "variants/schedules.gin",
}


@functools.cache
def shipped_directory() -> Path:
    """Directory of the gin files of this package, in an installation or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "gin_configs"
    return installed if installed.is_dir() else package.parent / "gin_configs"


def shipped_files() -> list[Path]:
    """All gin files that come with the package."""
    return list(_shipped().values())


@functools.cache
def _shipped() -> dict[str, Path]:
    """The same by their path in the directory. A sweep asks thousands of times."""
    directory = shipped_directory()
    return {str(path.relative_to(directory)): path for path in sorted(directory.rglob("*.gin"))}


def find(name: str) -> str:
    """Finds a gin file by path, or by name among the shipped ones.

    An old name of a shipped file still finds it, with a note on standard error.

    Args:
      name: a path relative to the working directory, or the name of a shipped file with or
        without its folder and '.gin'.

    Returns:
      The path.

    Raises:
      UserError: there is no such file.
    """
    path, old_name = locate(name)
    if old_name is not None:
        _tell_renamed(old_name)
    return path


def locate(name: str) -> tuple[str, str | None]:
    """As `find`, but tells nobody.

    Args:
      name: as for `find`.

    Returns:
      The path, and the old name that was used for it, if it was one.

    Raises:
      UserError: there is no such file.
    """
    candidates = [name, f"{name}.gin"]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return candidate, None
    for candidate in candidates:
        for relative, path in _shipped().items():
            if candidate in (relative, path.name):
                return str(path), None
    for candidate in candidates:
        if candidate in RENAMED:
            return str(shipped_directory() / RENAMED[candidate]), candidate
    valid = [path.name for path in shipped_files()]
    hint = did_you_mean(os.path.basename(name), valid) or f" The shipped ones: {', '.join(valid)}."
    raise UserError(f"There is no gin file {name}, neither here nor among the shipped ones.{hint}")


def locate_included(name: str) -> str:
    """The file that an `include` names: gin looks here, then in every shipped folder.

    Raises:
      UserError: there is no such file.
    """
    shipped = shipped_directory()
    folders = (Path(), shipped, *sorted(path for path in shipped.iterdir() if path.is_dir()))
    for path in (folder / name for folder in folders):
        if path.is_file():
            return str(path)
        if _is_old_name(str(path)):
            return str(shipped / RENAMED[os.path.relpath(path, shipped)])
    raise UserError(f"gin: include '{name}': there is no such file.")


def _tell_renamed(old_name: str) -> None:
    print(f"Note: the gin file '{old_name}' is now '{RENAMED[old_name]}'.", file=sys.stderr)


def _is_old_name(path: str) -> bool:
    """Whether an `include` asks for a shipped file by its old name."""
    return os.path.relpath(path, shipped_directory()) in RENAMED


def _open_old_name(path: str) -> IO[str]:
    name = os.path.relpath(path, shipped_directory())
    # gin looks for a bare name in every shipped folder, also in the one that a file has left. Then
    # the user's file says nothing that is old, so a note would puzzle.
    if os.path.basename(name) != os.path.basename(RENAMED[name]):
        _tell_renamed(name)
    return open(shipped_directory() / RENAMED[name])


def parse(
    gin_files: Sequence[str],
    gin_bindings: Sequence[str] = (),
    skip_unknown: bool | Sequence[str] = False,
) -> None:
    """Reads gin files and bindings into gin's configuration.

    Shipped ablations and variants can be combined in any order (`gin_stack`).

    Args:
      gin_files: as for `find`.
      gin_bindings: "Name.parameter=value" each; they override the files.
      skip_unknown: names that may be unknown, or True for all names. For programs that import
        only a part of the package.

    Raises:
      UserError: a missing file, an unknown name, a value that gin cannot read, or two shipped
        changes of one parameter.
    """
    gin_files, gin_bindings = _several(gin_files), _several(gin_bindings)
    paths = [find(name) for name in gin_files]
    shipped = shipped_directory()
    for directory in (shipped, *(path for path in shipped.iterdir() if path.is_dir())):
        isolation.look_in(str(directory))
    gin.config.register_file_reader(_open_old_name, _is_old_name)
    try:
        with gin.unlock_config(), _quiet():
            gin_stack.read(paths, shipped, skip_unknown)
            gin.parse_config(list(gin_bindings), skip_unknown=skip_unknown)
    except _GIN_ERRORS as error:
        raise UserError(explain(error)) from error
    check_values()


def _several(names: Sequence[str]) -> Sequence[str]:
    """A single text, which Python also takes for a sequence, as a list of one."""
    return [names] if isinstance(names, str) else names


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences gin, which logs an error for every directory that lacks an included file."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def explain(error: Exception) -> str:
    """Turns an error of gin into a sentence, with suggestions for misspelt names."""
    if isinstance(error, tokenize.TokenError):
        return "gin: a bracket or a quote in a file or in --gin_bindings is not closed."
    text = str(error)
    if isinstance(error, RecursionError) or "recursion depth" in text:
        return "gin: files include each other in a circle: take one include out."
    line = re.search(r"\n  In (.*) line (\d+)\n\s*(.*)", text)
    place = f" (in `{line[3].strip()}`, {line[1].rstrip(',')} line {line[2]})" if line else ""
    first = text.split("\n")[0].rstrip(".")
    # gin has no public list of its configurables.
    configurables = dict(gin.config._REGISTRY.items())
    short = {name.rpartition(".")[2]: value for name, value in configurables.items()}
    if match := re.match(r"Configurable '(\S+)' doesn't have a parameter named '(\w+)'", text):
        wrapped = short.get(match[1].rpartition(".")[2])
        parameters = list(inspect.signature(wrapped.wrapped).parameters) if wrapped else []
        hint = did_you_mean(match[2], parameters)
        return f"gin: {match[1]} has no parameter '{match[2]}'{place}.{hint}"
    if match := re.match(r"No configurable matching (?:reference '@)?'?([\w./]+)", text):
        hint = did_you_mean(match[1].rpartition("/")[2].rpartition(".")[2], list(short))
        return f"gin: nothing is named '{match[1]}'{place}.{hint}"
    if match := re.match(r"Required bindings for `(\S+)` not provided in config: (\[.*\])", text):
        missing = [f"{match[1]}.{name}" for name in re.findall(r"'(\w+)'", match[2])]
        return f"gin: {' and '.join(missing)} must be set: add it with --gin_bindings."
    if match := re.search(r"Failed to parse token '(.*)' \(line (\d+)\)", text):
        return (
            f"gin: the value {match[1]} in line {match[2]} of a file or binding cannot be read; "
            f"text needs quotes, as in '{match[1]}'."
        )
    if first.startswith("No module named"):
        # `python -m` looks in the working directory, and the console scripts do not.
        first += ": put the directory that has it on PYTHONPATH"
    return f"gin: {first}{place}."


def bindings() -> dict[str, str]:
    """Every bound parameter, with its value as text."""
    text = gin.config_str(max_line_length=120).replace("\\\n", "")
    found: dict[str, str] = {}
    key = None
    for line in text.split("\n"):
        if line.startswith("#") or not line.strip():
            continue
        if line[0] != " " and " =" in line:
            key, _, value = line.partition(" =")
            found[key] = value.strip()
        elif key is not None:
            found[key] += " " + line.strip()
    return found


def parameter(name: str, default: Any) -> Any:
    """Value of a gin parameter, also behind a macro, or a default if it is not bound.

    Raises:
      UserError: a macro stands for itself.
    """
    try:
        value = gin.query_parameter(name)
        # What a macro stands for is looked up, not called: nothing of a stranger's file may run.
        seen = {name}
        while isinstance(value, gin.config.ConfigurableReference) and repr(value)[0] == "%":
            if repr(value) in seen:
                raise UserError(f"{name} is {value}, a macro that stands for itself: name a value.")
            seen.add(repr(value))
            value = gin.query_parameter(repr(value))
        return value
    except ValueError:
        return default


def fingerprint(found: dict[str, str]) -> str:
    """Hash of a configuration, without the task and what may change during a run."""
    # Sorted text, so that the order of files and bindings does not change the hash.
    fixed = {key: value for key, value in found.items() if key not in (*CHANGEABLE, *TASK)}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:16]


def check(base_dir: str | os.PathLike, seed: int) -> None:
    """Checks that a directory is new, or belongs to a run with this configuration and seed.

    A run that never completed a checkpoint has lost nothing yet, so it may be corrected.

    Args:
      base_dir: base directory of the run.
      seed: run seed.

    Raises:
      UserError: the directory belongs to a run with another configuration or seed.
    """
    path = Path(base_dir) / RUN_FILE
    if not os.path.lexists(path):
        return
    found, stored = bindings(), identity.recorded(base_dir)
    before, stored_seed = stored.get("bindings"), stored.get("seed")
    if not isinstance(before, dict) or not isinstance(stored_seed, int):
        raise UserError(f"{path} is damaged: restore it from a copy or choose another --base_dir.")
    if not identity.has_progress(base_dir):
        return
    if stored_seed != seed:
        raise UserError(
            f"{base_dir} belongs to a run with --seed={stored_seed}, not {seed}: use that seed or "
            "another --base_dir."
        )
    for key in sorted({*before, *found}):
        old, new = before.get(key, "its default"), found.get(key, "its default")
        if old != new and key not in CHANGEABLE:
            raise UserError(
                f"{base_dir} belongs to a run of another configuration: {key} was {old} and is now "
                f"{new}; use the same configuration, a --label, or another --base_dir."
            )


def record(base_dir: str | os.PathLike, seed: int, more: Mapping[str, Any] | None = None) -> None:
    """Writes the configuration of a run. Called once the runner exists, so it is known to work.

    Args:
      base_dir: base directory of the run.
      seed: run seed.
      more: what else is worth knowing, JSON-compatible. What was recorded before stays.
    """
    found = bindings()
    facts = {
        "version": VERSION,
        "seed": seed,
        "gin_hash": fingerprint(found),
        "bindings": found,
    }
    replace_text(Path(base_dir, CONFIG_FILE), gin.config_str(max_line_length=120))
    replace_text(Path(base_dir, OPERATIVE_FILE), gin.operative_config_str(max_line_length=120))
    identity.claim(base_dir, identity.facts(base_dir) | facts | dict(more or {}))


def config_path(base_dir: str | os.PathLike) -> str:
    """Where the configuration of a stored run is.

    Raises:
      UserError: there is no run.
    """
    check_local("base_dir", base_dir)
    path = os.path.join(base_dir, CONFIG_FILE)
    if not os.path.exists(path):
        raise UserError(f"--base_dir={base_dir}: there is no run in this directory.")
    return path


def recorded_seed(base_dir: str | os.PathLike) -> int:
    """The seed of a stored run.

    Raises:
      UserError: there is no run, or it has recorded no seed.
    """
    config_path(base_dir)
    seed = identity.facts(base_dir).get("seed")
    if not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise UserError(
            f"{Path(base_dir, RUN_FILE)} does not say the seed of the run: restore it from a copy."
        )
    return seed


def parse_recorded(base_dir: str | os.PathLike, trust_imports: bool = False) -> None:
    """Reads the configuration of a stored run into gin's configuration.

    Args:
      base_dir: base directory of the run.
      trust_imports: whether the configuration may import Python modules, and so run their code,
        include files, and set everything else that `trust.check` refuses.

    Raises:
      UserError: there is no run, or it says what only a trusted run may say.
    """
    path = config_path(base_dir)
    if trust_imports:
        parse([path])
        return
    text = trust.read(path)
    trust.check(text, path)
    # The text that was checked, because the file may be another one by now.
    parse([], [text])
