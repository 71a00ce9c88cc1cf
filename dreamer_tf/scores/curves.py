"""Score curves in one form: published ones, and those of our own runs."""

import functools
import glob
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.scores import configurations, names, score_files
from dreamer_tf.scores.published import MODERN, PUBLISHED, facts
from dreamer_tf.scores.published import PROTOCOLS as PROTOCOLS
from dreamer_tf.scores.published import RENAMED as RENAMED
from dreamer_tf.scores.published import VARIED as VARIED
from dreamer_tf.storage import identity

FRAMES_PER_ITERATION = 1_000_000  # of the published Atari curves
# Where the DreamerV2 paper compares. Some of its runs have a later point, of less than 1M frames.
COMPARED_AT = 199e6
NEAR = 0.05  # two numbers of frames that differ by less count as one


class Curve(NamedTuple):
    """Returns of one run over its frames of training."""

    agent: str
    game: str  # key, as in 'upndown', or the name of an environment that nobody published
    run: str  # seed; of Dopamine's published runs, which have none, the number
    phase: str  # 'train' or 'eval'; 'unknown' where the source does not say
    protocol: str
    source: str  # 'published', the directory of the run, or a score file from elsewhere
    frames: np.ndarray  # [K], ascending
    values: np.ndarray  # [K], mean returns
    gin_hash: str = ""
    iterations: int | None = None  # complete ones of our runs; None for others
    budget: float = 0.0  # frames of training, where they are known to be others than the last ones
    is_mean: bool = False  # a published mean over runs, so nobody knows how they differ
    episodes: int | None = None  # of the last value; None where the source does not say

    @property
    def end(self) -> float:
        """Frames of training."""
        return self.budget or float(self.frames[-1])

    @property
    def length(self) -> float:
        """How long the run is, to be compared with others of its agent on its game.

        Our iterations end with whole episodes, so complete runs have different frames.
        """
        return self.end if self.iterations is None else float(self.iterations)

    def at(self, frames: float) -> float:
        """The last value up to a number of frames; NaN if there is none."""
        index = np.searchsorted(self.frames, frames, side="right") - 1
        return float(self.values[index]) if index >= 0 else float("nan")

    def until(self, frames: float) -> "Curve":
        """The curve up to a number of frames that it covers.

        It ends with the nearest point, if there is one within 5%; else with a point on the line
        between its neighbors, because thinned curves have few points.
        """
        nearest = int(np.argmin(np.abs(self.frames - frames)))
        if abs(self.frames[nearest] - frames) <= NEAR * frames:
            seen, values = self.frames[: nearest + 1], self.values[: nearest + 1]
        else:
            before = self.frames <= frames
            seen = np.append(self.frames[before], frames)
            between = np.interp(frames, self.frames, self.values)
            values = np.append(self.values[before], between)
        found = self._replace(frames=seen, values=values, iterations=None, budget=frames)
        return found if np.array_equal(seen, self.frames) else found._replace(episodes=None)

    def covers(self, frames: float) -> bool:
        """Whether the run has values at this point; it may end up to 5% earlier."""
        return bool(self.frames[0] <= frames) and not self.ended_before(frames)

    def ended_before(self, frames: float) -> bool:
        """Whether the run ended more than 5% before this point."""
        return bool(self.end < frames * (1.0 - NEAR))

    def begins_after(self, frames: float) -> bool:
        """Whether the first value comes more than 5% after this point.

        An iteration ends with a whole episode, so its value never lies before the nominal point.
        """
        return bool(self.frames[0] > frames * (1.0 + NEAR))


_ALIASES = {"ballincupcatch": "cupcatch"}  # of the suite, and of DreamerV2's score files


_GYMNASIUM_ID = re.compile(r"(?:ALE/)?([A-Za-z]+?)(?:NoFrameskip|Deterministic)?-v[0-9]+")


def game_key(name: str) -> str:
    """'UpNDown', 'Up N Down', 'up_n_down' and 'ALE/UpNDown-v5' are the same game."""
    found = _GYMNASIUM_ID.fullmatch(name)
    if found is not None and found[1].lower() in atari_games():
        return found[1].lower()
    key = re.sub(r"[^a-z0-9]", "", name.lower())
    return _ALIASES.get(key, key)


def task_key(name: str) -> str:
    """The key of a game or task: one for all spellings of what is published, else the name itself.

    Nobody else spells the name of your own environment, and a key would lose its capitals. Names
    with other signs than those of Gymnasium's ids become keys, because score files are anybody's.
    """
    key = game_key(name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,79}", name):
        return key
    published = key in atari_games() or key in published_games()
    of_the_suite = name == name.lower() and names.is_of_the_suite(key)
    return key if published or of_the_suite else name


def directory() -> Path:
    """Directory of the published scores, in an installation or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "baselines"
    return installed if installed.is_dir() else package.parent / "baselines"


@functools.cache
def table(name: str) -> list[dict[str, object]]:
    """A table of `baselines/`: 'table_1', 'table_2', 'table_k1' or 'reference_scores'."""
    return json.loads((directory() / f"{name}.json").read_text())


@functools.cache
def control_suite_tasks() -> tuple[str, ...]:
    """Keys of the tasks of the control suite with published scores."""
    files = (_dreamerv3(name) for name in ("dmc_vision", "dmc_proprio"))
    rows = {str(row["Game"]) for found in files for row in found}
    return tuple(sorted(rows | {game_key(p.stem) for p in _published_files(("control_suite",))}))


@functools.cache
def published_games() -> tuple[str, ...]:
    """Keys of the games and tasks with published scores."""
    return tuple(game_key(path.stem) for path in _published_files(("atari", "control_suite")))


def _published_files(suites: Sequence[str]) -> list[Path]:
    return [path for suite in suites for path in sorted((directory() / suite).glob("*.json"))]


def published(agents: Sequence[str], games: Iterable[str] | None = None) -> list[Curve]:
    """Published curves on Atari and on the control suite.

    Args:
      agents: names of `PUBLISHED`.
      games: keys of games and tasks; all Atari games by default.

    Raises:
      UserError: an unknown agent.
    """
    for agent in agents:
        if agent not in PUBLISHED:
            hint = did_you_mean(agent, PUBLISHED) or f" Use {', '.join(PUBLISHED)}."
            raise UserError(f"Unknown agent '{agent}' in --baselines.{hint}")
    wanted = None if games is None else set(games)
    suites = ("atari",) if wanted is None else ("atari", "control_suite")
    found = _at_400k(agents, wanted) + _of_dreamerv3(agents, wanted)
    for path in _published_files(suites):
        game = game_key(path.stem)
        if wanted is not None and game not in wanted:
            continue
        runs: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for record in json.loads(path.read_text()):
            if record["Agent"] in agents:
                points = runs.setdefault((record["Agent"], record["Run"]), [])
                frames = (record["Iteration"] + 1) * FRAMES_PER_ITERATION
                points.append((record.get("Frames", frames), record["Value"]))
        for (agent, run), points in runs.items():
            found.append(_published_curve(agent, game, run, *zip(*sorted(points), strict=True)))
    return sorted(found, key=lambda curve: agents.index(curve.agent))


def _published_curve(
    agent: str, game: str, run: int, frames: Sequence[float], values: Sequence[float]
) -> Curve:
    known = facts(agent, game, atari=game in atari_games())
    points = (np.array(frames, float), np.array(values, float))
    curve = Curve(agent, game, str(run), known.phase, known.protocol, "published", *points)
    return curve._replace(budget=known.budget, is_mean=known.is_mean)


@functools.cache
def _dreamerv3(name: str) -> list[dict[str, Any]]:
    """Runs of a file of `baselines/dreamerv3`: agent, game, run, frames and values."""
    return json.loads((directory() / "dreamerv3" / f"{name}.json").read_text())["Runs"]


def _of_dreamerv3(agents: Sequence[str], games: set[str] | None) -> list[Curve]:
    """Curves that were published with DreamerV3; those of the control suite only by name."""
    files = ["atari57", "atari100k", *(["dmc_vision", "dmc_proprio"] if games else [])]
    return [
        _published_curve(row["Agent"], row["Game"], row["Run"], row["Frames"], row["Values"])
        for name in files
        if set(agents) & MODERN[name]
        for row in _dreamerv3(name)
        if row["Agent"] in agents and (games is None or row["Game"] in games)
    ]


def _at_400k(agents: Sequence[str], games: set[str] | None) -> list[Curve]:
    """Scores that were published for one number of frames only."""
    return [
        _published_curve(agent, str(row["Game"]), 0, [400_000.0], [float(str(row[agent]))])
        for row in table("reference_scores")
        for agent in agents
        if agent in row and (games is None or row["Game"] in games)
    ]


def own(patterns: Sequence[str], phase: str = "eval") -> list[Curve]:
    """Curves of runs of ours.

    Args:
      patterns: paths of base directories or score files, with wildcards.
      phase: 'train' or 'eval'.

    Returns:
      Where runs of one agent on one game, or on several of the 55 Atari games, have different
      configurations, they are different agents and named by what differs (`configurations.py`).

    Raises:
      UserError: nothing is found, a file is no score file, or two are of the same run.
    """
    curves = [curve for path in files(patterns) for curve in _curves_of_file(path, phase)]
    _refuse_copies(curves)
    return _named_by_protocol(_named_by_configuration(curves))


def files(patterns: Sequence[str]) -> list[Path]:
    """Score files that the patterns name, each of them once.

    Raises:
      UserError: a pattern finds nothing.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        several = glob.has_magic(pattern)
        named = [_score_file(Path(path), several) for path in sorted(glob.glob(pattern))]
        paths = [path for path in named if path is not None]
        if not paths:
            raise UserError(
                f"--runs={pattern}: there is no {score_files.FILE} in such a place; name base "
                "directories, as in --runs='runs/*/*/*', and repeat the flag for several patterns."
            )
        for path in paths:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _score_file(path: Path, several: bool) -> Path | None:
    """The score file that a path is, or that of the run that it is or lies in.

    Beside runs there may be anything, such as their archives: of several paths that a pattern
    finds, only files that end in .json count.
    """
    if path.is_dir() and (path / score_files.FILE).is_file():
        return path / score_files.FILE
    around = identity.run_around(path)
    if path.is_file() and around is None and several and path.suffix != ".json":
        return None
    if path.is_file() and (path.name == score_files.FILE or around is None):
        return path
    found = None if around is None else around / score_files.FILE
    return found if found is not None and found.is_file() else None


@functools.cache
def benchmark_games() -> tuple[str, ...]:
    """The 55 Atari games of Table K1."""
    return tuple(str(row["Game"]) for row in table("table_k1"))


@functools.cache
def atari_games() -> frozenset[str]:
    """All Atari games with a reference score or a published curve."""
    scored = {str(row["Game"]) for row in table("reference_scores")}
    return frozenset(scored | {game_key(path.stem) for path in _published_files(("atari",))})


def suite(game: str) -> str:
    """What scores are aggregated over: the 55 Atari games together, other tasks alone."""
    return "atari" if game in benchmark_games() else game


def _refuse_copies(found: Sequence[Curve]) -> None:
    seen: dict[tuple, Curve] = {}
    for curve in found:
        key = (curve.agent, curve.game, curve.run, curve.protocol, curve.gin_hash)
        before = seen.setdefault(key, curve)
        # A copy may have been made while the run went on, so only the common part is compared.
        both = min(len(before.values), len(curve.values))
        if before is not curve and np.array_equal(before.values[:both], curve.values[:both]):
            raise UserError(
                f"{before.source} and {curve.source} are the same run, with the same seed, "
                "configuration and scores, and would count as two: leave one out of --runs."
            )


def _named_by_configuration(found: list[Curve]) -> list[Curve]:
    called = configurations.names(
        [
            configurations.Run(curve.agent, suite(curve.game), curve.gin_hash, curve.source)
            for curve in found
        ]
    )
    return [curve._replace(agent=called[curve.agent, curve.gin_hash]) for curve in found]


def _named_by_protocol(found: list[Curve]) -> list[Curve]:
    """Scores under two protocols have no mean, so their agents are two.

    Runs of ours have another configuration then. Score files from elsewhere may have none.
    """
    protocols: dict[tuple[str, str], set[str]] = {}
    for curve in found:
        protocols.setdefault((curve.agent, suite(curve.game)), set()).add(curve.protocol)
    several = {agent for (agent, _), ones in protocols.items() if len(ones) > 1}
    return [
        curve._replace(agent=f"{curve.agent} ({curve.protocol})")
        if curve.agent in several
        else curve
        for curve in found
    ]


def repeated(found: Iterable[Curve]) -> list[str]:
    """A sentence for each seed that an agent has several times on a game.

    Such runs begin with the same weights, so they are no two independent ones.
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for curve in found:
        groups.setdefault((curve.agent, curve.game, curve.run), []).append(curve.source)
    return [
        f"Seed {run} of {agent} on {names.game(game)} stands {len(sources)} times "
        f"({names.listed(sources, 3)}): each counts as a run, so the interval is too narrow."
        for (agent, game, run), sources in groups.items()
        if len(sources) > 1
    ]


def _curves_of_file(path: str | Path, phase: str) -> list[Curve]:
    groups: dict[tuple, list[score_files.Score]] = {}
    for score in score_files.read(path):
        if score.phase == phase:
            key = (score.agent, score.game, score.seed, score.protocol, score.configuration)
            groups.setdefault(key, []).append(score)
    return [
        Curve(
            agent,
            task_key(game),
            str(seed),
            phase,
            protocol,
            source(Path(path)),
            np.array([score.frames for score in scores], float),
            np.array([score.value for score in scores], float),
            configuration,
            scores[-1].iteration + 1,
            episodes=scores[-1].episodes,
        )
        for (agent, game, seed, protocol, configuration), scores in groups.items()
    ]


def source(path: Path) -> str:
    """Where scores come from: the directory of a run, or a file that may be one of several in it.

    Args:
      path: of the score file.
    """
    found = path.parent if path.name == score_files.FILE else path
    # A name in a file system need not be UTF-8, and no page could hold it.
    return os.fsencode(found).decode(errors="backslashreplace")


def check_published(found: Iterable[Curve]) -> None:
    """Refuses published curves of today beside curves of another protocol of the same suite.

    DreamerV2 and Dopamine's agents, which the paper compares, are always shown together.

    Raises:
      UserError: names both.
    """
    suites: dict[str, list[Curve]] = {}
    for curve in found:
        suites.setdefault(suite(curve.game), []).append(curve)
    for several in suites.values():
        modern = [c for c in several if c.source == "published" and PUBLISHED[c.agent].apart]
        for curve in modern:
            other = next((c for c in several if c.protocol != curve.protocol), None)
            if other is not None:
                raise UserError(
                    f"The published scores of {curve.agent} were measured under "
                    f"'{curve.protocol}' and those of {other.agent} under '{other.protocol}', so "
                    "they do not mean the same: name fewer --baselines, or add --mixed to compare "
                    "them anyway."
                )


def check_comparable(curves: Iterable[Curve]) -> None:
    """Refuses to put runs of different protocols of the same suite side by side.

    Raises:
      UserError: names both.
    """
    seen: dict[str, Curve] = {}
    for curve in curves:
        before = seen.setdefault(suite(curve.game), curve)
        if before.protocol != curve.protocol:
            where = curve.game if curve.game == before.game else f"{before.game} and {curve.game}"
            raise UserError(
                f"{before.source} was run under the protocol '{before.protocol}' and "
                f"{curve.source} under '{curve.protocol}', so their scores of {where} do not "
                "mean the same: leave one out of --runs, or add --mixed to compare them anyway."
            )
