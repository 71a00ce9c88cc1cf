"""Names of runs: where a run is, from what was asked for. Nothing here loads TensorFlow.

    runs/<configuration>/<game>/<seed>

The configuration is the first gin file, with what differs from it: further files by name, then
bindings by parameter, as in `atari_small+atari_100k+kl_scale=1.0`. What may change on resume and
the task are left out. A run that exists is found also under another name of its configuration.
"""

import functools
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gin import config_parser

from dreamer_tf.environments import registry
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, gin_stack
from dreamer_tf.settings import gin_text
from dreamer_tf.settings.roles import is_fixed
from dreamer_tf.storage import identity

ROOT = "runs"
LONGEST = 100  # characters of a name; file systems take 255 bytes
# Parameters that several classes have; a name says of which class they are. A test keeps the list.
_SHARED = """action_repeat action_space activation base_dir batch_size create_environment_fn
    depth distributional double_dqn dueling epsilon_decay_period epsilon_eval epsilon_fn
    epsilon_train features final fourier_basis_order gamma hidden_units image_keys
    image_size initial kappa kernels learning_rate log_every loss_type max_capacity
    min_replay_history minimum_std mse_loss name network nn_scale noisy num_atoms
    num_blocks num_environments num_layers num_quantile_samples num_tau_prime_samples
    num_tau_samples num_updates_per_train_step observation_space optimizer precision
    prioritize_ends quantile_embedding_dim replay_scheme rng scale seed stack_size
    stack_sizes steps target_update_period units update_horizon update_period variables vector_keys
    vmax vmin"""
SHARED = frozenset(_SHARED.split())


def run_directory(
    gin_file_names: Sequence[str],
    gin_bindings: Sequence[str],
    game: str,
    seed: int,
    label: str | None = None,
    root: str | os.PathLike = ROOT,
) -> str:
    """The default base directory of a run.

    Args:
      gin_file_names: as for `gin_files.parse`; at least one.
      gin_bindings: as for `gin_files.parse`.
      game: name of the environment, as score files have it; `game_name` knows most.
      seed: run seed.
      label: replaces the name of the configuration.
      root: directory of all runs.

    Returns:
      `<root>/<configuration or label>/<game>/<seed>`, or the directory of an existing run of the
      same configuration, game and seed with an older name.

    Raises:
      UserError: a file is missing or cannot be read, or the label is no name of a directory.
    """
    below = os.path.join(safe(game), str(seed))
    if label is not None:
        return os.path.join(root, check_label(label), below)
    files, bindings = tuple(gin_file_names), tuple(gin_bindings)
    chosen = os.path.join(root, configuration_name(files, bindings), below)
    if not identity.has_progress(chosen):
        wanted = _fixed(said(files, bindings))
        for path in _older_names(files, root, game, seed):
            if path != chosen and identity.has_progress(path) and _recorded(path) == wanted:
                return path
    return chosen


def configuration_name(gin_file_names: Sequence[str], gin_bindings: Sequence[str] = ()) -> str:
    """Name of a configuration: its first gin file, and what was changed.

    Args:
      gin_file_names: as for `gin_files.parse`; at least one.
      gin_bindings: as for `gin_files.parse`.

    Returns:
      At most `LONGEST` characters that every file system takes, as in `atari_small+kl_scale=1.0`.
      Of a longer name the end is replaced by a hash.

    Raises:
      UserError: a file is missing or cannot be read.
    """
    first, *others = (Path(gin_files.locate(name)[0]) for name in gin_file_names)
    parts = [safe(first.stem)]
    for path in dict.fromkeys(others):
        if path != first and _fixed(_said_by_files((str(path),))):
            parts.append(safe(path.stem))
    files = tuple(gin_file_names)
    before, after = _fixed(_said_by_files(files)), _fixed(said(files, gin_bindings))
    # What a binding only repeats makes no other configuration.
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    parts += sorted(f"{_short_key(key)}={_short_value(value)}" for key, value in changed.items())
    return _bounded("+".join(parts))


def game_name(gin_file_names: Sequence[str], gin_bindings: Sequence[str] = ()) -> str | None:
    """Name of the environment of a configuration, without making it.

    Args:
      gin_file_names: as for `gin_files.parse`.
      gin_bindings: as for `gin_files.parse`.

    Returns:
      The name as score files have it. None where only the environment itself knows it, as one that
      your own function makes.

    Raises:
      UserError: a file is missing or cannot be read.
    """
    found = said(tuple(gin_file_names), tuple(gin_bindings))
    factory = found.get(registry.FACTORY)
    maker = factory.name.rpartition(".")[2] if isinstance(factory, gin_text.Reference) else ""
    if maker == "AtariEnvironment":
        return _text(gin_text.value(found, "AtariEnvironment.game_name"))
    if maker == "ControlSuiteEnvironment":
        parts = [
            _text(gin_text.value(found, f"{maker}.{name}_name")) for name in ("domain", "task")
        ]
        return "_".join(filter(None, parts)) if all(parts) else None
    made = found.get("create_gym_environment.factory")
    if maker == "Catch" or (maker and made == ("Catch", False)):
        return "Catch"
    # Gymnasium completes an id without a version by itself.
    environment = _text(gin_text.value(found, "create_gym_environment.id")) or ""
    named = re.fullmatch(r"(?:[\w.]+:)?([\w./-]+-v\d+)", environment)
    if maker != "create_gym_environment" or made is not None or named is None:
        return None
    return named[1].replace("/", "_")


def check_label(label: str, flag: str = "--label") -> str:
    """Checks the name that a user gives to a configuration, or with another flag.

    Raises:
      UserError: it is no name of a directory.
    """
    if not label or safe(label) != label or len(label) > LONGEST:
        raise UserError(
            f"{flag}={label[:200]} is no name of a directory: use at most {LONGEST} letters, "
            "digits and the signs _ - + = . , and begin with a letter or a digit."
        )
    return label


def safe(name: str) -> str:
    """A name as one part of a path. Names that are safe stay as they are.

    Two names that differ only in what no path can hold get different hashes.
    """
    clean = re.sub(r"[^A-Za-z0-9_.,=+-]", "-", name)
    if not re.match(r"[A-Za-z0-9_]", clean):
        clean = f"_{clean}"
    return clean if clean == name else f"{clean}~{_hash(name)}"


def said(gin_file_names: tuple[str, ...], gin_bindings: Sequence[str] = ()) -> dict[str, Any]:
    """What files and bindings set, without applying it: values by key, as in `gin_text.bound`.

    Raises:
      UserError: a file is missing or cannot be read.
    """
    found = dict(_said_by_files(gin_file_names))
    for statement in _expanded("\n".join(gin_bindings), "--gin_bindings"):
        found |= gin_text.bound([statement])
    return found


def _said_by_files(gin_file_names: tuple[str, ...]) -> dict[str, Any]:
    """The same of files alone."""
    paths = [os.path.abspath(gin_files.locate(name)[0]) for name in gin_file_names]
    return _read(tuple((path, os.stat(path).st_mtime_ns) for path in paths))


@functools.lru_cache(maxsize=64)
def _read(files: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    """What paths with their times of change say. A sweep asks once for every run."""
    found: dict[str, Any] = {}
    for text in gin_stack.texts([path for path, _ in files], gin_files.shipped_directory()):
        found |= gin_text.bound(_expanded(text.read(), text.name))
    return found


def _expanded(text: str, source: str) -> Iterator[Any]:
    """Statements, with those of included files in the place of an `include`."""
    for statement in gin_text.statements(text, source):
        if not isinstance(statement, config_parser.IncludeStatement):
            yield statement
            continue
        path = gin_files.locate_included(statement.filename)
        for inner in gin_stack.texts([path], gin_files.shipped_directory()):
            yield from _expanded(inner.read(), inner.name)


def _fixed(found: dict[str, Any]) -> dict[str, str]:
    """What makes the configuration, with values as text, which distinguishes 1 and 1.0."""
    return {key: repr(value) for key, value in found.items() if is_fixed(key)}


def _older_names(
    files: Sequence[str], root: str | os.PathLike, game: str, seed: int
) -> Iterator[str]:
    """Directories that a run of these files may have had by an earlier rule.

    That was the first file's name alone. It may be an old name of the file, and the order of files
    or a binding that only repeats a file may have made a longer one.
    """
    stems = [Path(name).name.removesuffix(".gin") for name in files]
    stems += [Path(gin_files.locate(name)[0]).stem for name in files]
    shipped = {new: old for old, new in gin_files.RENAMED.items()}
    for name in files:
        path = Path(gin_files.locate(name)[0]).resolve()
        directory = gin_files.shipped_directory().resolve()
        if directory in path.parents:
            stems.append(Path(shipped.get(str(path.relative_to(directory)), name)).stem)
    try:
        present = sorted(os.listdir(root))
    except OSError:
        return
    exact = [name for name in dict.fromkeys(stems) if name in present]
    longer = [name for name in present if any(name.startswith(f"{stem}+") for stem in stems)]
    games = dict.fromkeys((game, safe(game)))
    for name, folder in itertools.product([*exact, *longer], games):
        if "/" not in folder:
            yield os.path.join(root, name, folder, str(seed))


def _recorded(base_dir: str) -> dict[str, str] | None:
    """The configuration that a run has recorded; None if it cannot be read or has a label."""
    try:
        facts = identity.facts(base_dir)
        if facts.get("label") is not None:
            return None
        text = "\n".join(f"{key} = {value}" for key, value in facts["bindings"].items())
        return _fixed(gin_text.bound(gin_text.statements(text, base_dir)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError):
        return None


def _short_key(key: str) -> str:
    scope, _, name = key.rpartition("/")
    parameter = name.rpartition(".")[2]
    return safe("-".join(filter(None, (scope, name if parameter in SHARED else parameter))))


def _short_value(value: str) -> str:
    text = value[1:-1] if re.fullmatch(r"'[\w.-]+'", value) else value
    if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", text):
        return text.replace("+", "")  # between parts a plus means more
    if re.fullmatch(r"@[\w./]+(\(\))?", text):
        text = text[1:].removesuffix("()").rpartition(".")[2]
    if re.fullmatch(r"[(\[][\w., -]*[)\]]", text):
        text = text[1:-1].rstrip(",").replace(" ", "")
    if not re.fullmatch(r"[\w.,-]+", text, re.ASCII):
        text = re.sub(r"[^A-Za-z0-9_.,-]+", "-", text).strip("-")[:40] + f"~{_hash(value)}"
    return text


def _bounded(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 7]}~{_hash(name)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:6]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
