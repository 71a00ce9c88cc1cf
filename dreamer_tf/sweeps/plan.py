"""Which runs a sweep has: configurations x games x seeds x varied parameters."""

import itertools
import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import naming, preflight
from dreamer_tf.settings import gin_text
from dreamer_tf.settings.roles import CHANGEABLE
from dreamer_tf.sweeps import asking, games

# With the values of Dopamine's Runner.
_LENGTHS = {"Runner.num_iterations": 200, "Runner.training_steps": 250_000}
_LARGEST_SEED = 2**31 - 1
MOST_RUNS = 100_000


class Request(NamedTuple):
    """What is swept. The fields are flags of `python -m dreamer_tf.sweep`."""

    configs: str  # gin files; + joins those of a configuration, ; separates configurations
    games: Sequence[str] = ()  # none for the game of each configuration
    seeds: str = "0"
    vary: Sequence[str] = ()  # 'Name.parameter=value,value' each
    gin_bindings: Sequence[str] = ()  # of all runs
    imports: Sequence[str] = ()  # modules of the user
    root: str = naming.ROOT
    scratch: str | None = None  # directory of a node for the replay


class Run(NamedTuple):
    """One run of a sweep."""

    config: str  # name of the configuration
    game: str
    seed: int
    base_dir: str
    arguments: tuple[str, ...]  # of `python -m dreamer_tf.train`
    iterations: int | None  # None where the configuration does not say
    training_steps: int | None  # agent steps of an iteration

    @property
    def steps(self) -> int | None:
        """Agent steps of the whole run."""
        if self.iterations is None or self.training_steps is None:
            return None
        return self.iterations * self.training_steps


def make(request: Request, names: dict[str, str] | None = None) -> list[Run]:
    """The runs of a request; each base directory once.

    Args:
      request: what is swept.
      names: what environments have called themselves, by the question; an answer that is missing
        is asked for (seconds each) and added.

    Returns:
      The runs, those of one configuration and one game beside each other.

    Raises:
      UserError: something that it names does not exist, or two different runs share a directory.
    """
    configs = split_configs(request.configs)
    seeds = parse_seeds(request.seeds)
    chosen = games.expand(request.games)
    values_of = [split_variation(text) for text in request.vary]
    count = math.prod([len(configs), len(seeds), max(1, len(chosen)), *map(len, values_of)])
    if count > MOST_RUNS:
        raise UserError(
            f"The sweep has {count:,} runs, more than {MOST_RUNS:,}: name fewer --seeds, --games "
            "or values of --vary."
        )
    varied = list(itertools.product(*values_of))  # not before the count is known to be small
    runs: dict[str, Run] = {}
    names = {} if names is None else names
    for config, values in itertools.product(configs, varied):
        bindings = [*request.gin_bindings, *values]
        preflight.check(config, bindings)
        tasks: list[str | None] = [*chosen] or [None]
        for game in tasks:
            for run in _runs(config, bindings, game, seeds, request, names):
                before = runs.setdefault(run.base_dir, run)
                if before != run:
                    raise UserError(
                        f"Two runs of the sweep would share the directory {run.base_dir}: give "
                        "their gin files different names."
                    )
    return list(runs.values())


def _runs(
    config: list[str],
    bindings: list[str],
    game: str | None,
    seeds: Sequence[int],
    request: Request,
    names: dict[str, str],
) -> list[Run]:
    """The runs of one configuration on one game."""
    said = naming.said(tuple(config), bindings)
    if game is not None:
        bindings = [*bindings, *games.bindings("+".join(config), said, game)]
    name = naming.game_name(config, bindings)
    if name is None:
        # --vary varies no environment's name.
        question = json.dumps([config, [*request.gin_bindings], game, [*request.imports]])
        if question not in names:
            names[question] = asking.environment_name(config, bindings, request.imports)
        name = names[question]
    flags = [f"--gin_files={file}" for file in config]
    flags += [f"--gin_bindings={binding}" for binding in bindings]
    flags += [f"--import={module}" for module in request.imports]
    if request.scratch is not None:
        flags.append(f"--scratch={request.scratch}")
    label = naming.configuration_name(config, bindings)
    lengths = [_number(gin_text.value(said, name), usual) for name, usual in _LENGTHS.items()]
    found = []
    for seed in seeds:
        base_dir = naming.run_directory(config, bindings, name, seed, root=request.root)
        arguments = (f"--base_dir={base_dir}", *flags, f"--seed={seed}")
        found.append(Run(label, name, seed, base_dir, arguments, *lengths))
    return found


def split_configs(text: str) -> list[list[str]]:
    """'a.gin;b.gin+c.gin' as lists of gin files.

    Raises:
      UserError: there is none.
    """
    found = [
        [file.strip() for file in config.split("+") if file.strip()] for config in text.split(";")
    ]
    configs = [config for config in found if config]
    if not configs:
        raise UserError(
            "--configs is missing: name gin files, as in "
            "--configs='atari_small.gin;rainbow.gin+base/atari_100k.gin'."
        )
    return configs


def parse_seeds(text: str) -> list[int]:
    """'0-2,7' as [0, 1, 2, 7].

    Raises:
      UserError: a part is no number and no range of numbers.
    """
    found: list[int] = []
    for part in filter(None, map(str.strip, text.split(","))):
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= _LARGEST_SEED or last - first >= MOST_RUNS:
            raise UserError(
                f"--seeds={part}: write numbers and ascending ranges, as in --seeds=0-4,7."
            )
        found += range(first, last + 1)
    if not found:
        raise UserError("--seeds is empty: write numbers and ranges, as in --seeds=0-4.")
    return list(dict.fromkeys(found))


def split_variation(text: str) -> list[str]:
    """'A.b=1,(2, 3)' as ['A.b=1', 'A.b=(2, 3)'].

    Raises:
      UserError: there is no parameter or no value, or runs do not differ by it.
    """
    name, equals, values = text.partition("=")
    parts = [part.strip() for part in _split(values)]
    if not name.strip() or not equals or not all(parts):
        raise UserError(
            f"--vary={text}: write a gin parameter and its values, as in "
            "--vary=WorldModel.kl_scale=0.1,1.0."
        )
    scope, _, selector = name.strip().rpartition("/")
    selector, _, parameter = selector.rpartition(".")
    if gin_text.key(scope, selector, parameter) in CHANGEABLE:
        raise UserError(
            f"--vary={text}: {name.strip()} may change during a run, so runs that differ in it "
            "share a directory: set one value with --gin_bindings."
        )
    return [f"{name.strip()}={part}" for part in dict.fromkeys(parts)]


def _split(text: str) -> list[str]:
    """Splits at commas outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _number(value: Any, usual: int) -> int | None:
    """None for what only gin can evaluate."""
    if value is None:
        return usual
    return value if isinstance(value, int) and not isinstance(value, bool) else None
