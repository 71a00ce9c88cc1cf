"""Collects what a comparison asks for, and writes it as a page, a table or a picture."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.scores import charts, curves, page, report, standings, subsets, tables, wins
from dreamer_tf.scores.names import listed
from dreamer_tf.storage.files import replace_text

PICTURES = ("png", "svg")
FORMATS = ("html", "md", "csv", *PICTURES)
TABLES = ("games", "aggregates", "wins", "origins", "predicted")
DEFAULT_BASELINES = ("DreamerV2", "Rainbow", "IQN", "C51", "DQN")


class Request(NamedTuple):
    """What is compared. The fields are the flags of `python -m dreamer_tf.compare`."""

    runs: Sequence[str] = ()  # base directories or score files, with wildcards
    baselines: Sequence[str] = DEFAULT_BASELINES
    games: Sequence[str] = ()  # none for all
    phase: str = "eval"  # 'train' or 'eval': which returns of our runs
    frames: int | None = None  # compares after this many; None for the end of each run
    mixed: bool = False  # whether runs of different protocols are compared
    subset: str = "atari5"  # games from which a median is predicted, of `subsets.SUBSETS`


def collect(request: Request) -> report.Report:
    """Reads the curves that a request names, and says what it names in vain.

    Raises:
      UserError: there is nothing to compare, or our runs have different protocols.
    """
    runs, absent = _own(request)
    chosen = {curves.game_key(game): game for game in request.games}
    runs = [curve for curve in runs if not chosen or curves.game_key(curve.game) in chosen]
    names = [curves.RENAMED.get(name, name) for name in request.baselines if name]
    # Without games or runs, everything published is shown.
    games = set(chosen) or ({curve.game for curve in runs} if runs else None)
    baselines = curves.published(names, games)
    if games is None and {curve.agent for curve in baselines} != set(names):
        # Some of these agents were only measured on the control suite; perhaps all of them there.
        tasks = curves.published(names, curves.control_suite_tasks())
        alike = {curve.agent for curve in tasks} == set(names)
        baselines = tasks if alike else baselines + tasks
    baselines = [_as_the_paper_compares(curve) for curve in baselines]
    if request.frames is not None:
        late = sum(curve.begins_after(request.frames) for curve in runs)
        short = sum(curve.ended_before(request.frames) for curve in runs)
        if late:
            absent.append(f"{late} of the runs have no score before --frames={request.frames}.")
        if short:
            absent.append(f"{short} of the runs ended before --frames={request.frames}.")
        runs, baselines = _until(runs, request.frames), _until(baselines, request.frames)
    if not request.mixed:
        curves.check_comparable(runs)
        curves.check_published([*runs, *baselines])
    found = report.Report(runs, baselines, subset=request.subset, frames=request.frames)
    absent += _absent(request, found, chosen, names) + curves.repeated(runs)
    if not found.all:
        nothing = f"There is nothing to compare{_limit(request)}: add --runs or --baselines."
        raise UserError(" ".join(absent) or nothing)
    return found._replace(absent=tuple(absent))


def _own(request: Request) -> tuple[list[curves.Curve], list[str]]:
    """Our runs, and sentences about directories without returns."""
    runs = curves.own(request.runs, request.phase)
    sources = {curve.source for curve in runs}
    named = [curves.source(path) for path in curves.files(request.runs)]
    absent = [
        f"{place} has no returns of --phase={request.phase} yet."
        for place in named
        if place not in sources
    ]
    if request.runs and not runs:
        raise UserError(f"None of the runs has returns of --phase={request.phase}.")
    return runs, absent


def _as_the_paper_compares(curve: curves.Curve) -> curves.Curve:
    """Leaves out the last point that some of the DreamerV2 runs have."""
    of_the_paper = not curves.PUBLISHED[curve.agent].apart and curve.game in curves.atari_games()
    end = curves.COMPARED_AT
    return curve.until(end) if of_the_paper and curve.end > end else curve


def _until(found: Sequence[curves.Curve], frames: int) -> list[curves.Curve]:
    """Curves up to this point; those that begin within 5% after it count, as `until` says."""
    return [
        curve.until(frames)
        for curve in found
        if not curve.begins_after(frames) and not curve.ended_before(frames)
    ]


def _absent(
    request: Request, found: report.Report, chosen: dict[str, str], names: Sequence[str]
) -> list[str]:
    """Sentences about games and baselines that have no score."""
    absent = []
    present = {curves.game_key(game) for game in found.games}
    known = {*curves.published_games(), *present}
    for key, game in chosen.items():
        if key not in present:
            hint = "" if key in known else did_you_mean(key, known)
            absent.append(f"There is no score of --games={game}{_limit(request)}.{hint}")
    published = {curve.agent for curve in found.baselines}
    missing = [name for name in names if name not in published]
    if missing:
        absent.append(f"Nothing is published of {listed(missing)} on these games{_limit(request)}.")
    return absent


def _limit(request: Request) -> str:
    return "" if request.frames is None else f" up to --frames={request.frames}"


def choose_format(out: str | None, form: str | None) -> str:
    """The format of a file, from its name or as given.

    Args:
      out: the file, or None for standard output.
      form: one of `FORMATS`, or None to take what the name ends with.

    Raises:
      UserError: the format is unclear, needs a file, or contradicts the name.
    """
    chosen = form or (Path(out).suffix.removeprefix(".") if out else "md")
    if chosen not in FORMATS:
        raise UserError(
            f"--out={out}: the format is unclear; end the name with one of "
            f".{', .'.join(FORMATS)} or add --format."
        )
    if out is None:
        if chosen in ("html", *PICTURES):
            raise UserError(f"--format={chosen} needs a file: add --out=report.{chosen}.")
        return chosen
    if not os.path.isdir(os.path.dirname(os.path.abspath(out))):
        raise UserError(f"--out={out}: its directory does not exist; make it first.")
    if form and Path(out).suffix not in ("", f".{form}"):
        raise UserError(
            f"--out={out} does not end as --format={form}: leave --format out, or end the name "
            f"with .{form}."
        )
    return chosen


def write(found: report.Report, out: str, form: str, table: str = "games") -> None:
    """Writes a comparison into a file.

    Args:
      found: from `collect`.
      out: the file.
      form: one of `FORMATS`.
      table: one of `TABLES`, for 'md' and 'csv'.

    Raises:
      UserError: the file cannot be written, or the table is empty.
    """
    if form in PICTURES:
        charts.save_chart(found, out)
        return
    save(text(found, form, table), out)


def save(content: str, out: str) -> None:
    """Writes a text that somebody asked for with --out.

    Raises:
      UserError: the file cannot be written.
    """
    try:
        if os.path.exists(out) and not os.path.isfile(out):  # as /dev/stdout
            Path(out).write_text(content, encoding="utf-8")
        else:  # the report of before stays, if this one cannot be written
            replace_text(out, content)
    except OSError as error:
        raise UserError(f"--out={out} cannot be written ({error}).") from error


def text(found: report.Report, form: str, table: str = "games") -> str:
    """A comparison as 'html', 'md' or 'csv'; arguments as for `write`."""
    if form == "html":
        return page.to_html(found)
    rows = _rows(found, form, table)
    if form == "csv":
        return tables.to_csv(rows)
    return tables.to_markdown(rows) + "".join(
        f"\n{tables.in_markdown(sentence)}\n" for sentence in found.absent
    )


def _rows(found: report.Report, form: str, table: str) -> list[dict[str, Any]]:
    if table == "games":
        return report.game_rows(found)
    if table == "origins":
        return report.origin_rows(found)
    if table == "wins":
        return _win_rows(found)
    if table == "predicted":
        return subsets.rows(found, found.subset)
    rows = standings.aggregate_rows(found, standings.compute(found))
    if not rows:
        raise UserError(
            "No Atari game with reference scores has runs of all agents, so there are no "
            "aggregates: name fewer --baselines or runs, or use --table=games."
        )
    return tables.with_intervals(rows) if form == "md" else rows


def _win_rows(found: report.Report) -> list[dict[str, Any]]:
    rows = wins.rows(found)
    if not rows:
        raise UserError(
            "There are no two agents on one of the 55 Atari games of the paper, so there are no "
            "wins to count: name more --baselines or runs, or use --table=games."
        )
    return rows
