"""The table of games and agents: one row for each game, the best score in bold."""

import html
from collections.abc import Sequence
from typing import Any

from dreamer_tf.scores import aggregate, budgets, curves, names, wins
from dreamer_tf.scores.document import paragraph, scroll
from dreamer_tf.scores.report import Report, value_range


def to_html(
    rows: Sequence[dict[str, Any]],
    report: Report,
    called: dict[str, str],
    printed: dict[tuple[str, str], float],
    noted: set[str],
) -> str:
    """The table with the text above it.

    Args:
      rows: from `report.game_rows`.
      report: what is compared.
      called: label -> what the page calls the agent.
      printed: game and label -> what Table K1 prints.
      noted: games whose score differs from a printed one.
    """
    cells = {(row["game"], row["agent"]): row for row in rows}
    games = sorted(report.games, key=names.game)
    standards = _standards(games)
    head = _header("Game", [], numeric=False)
    for agent, name in called.items():
        head += _header(name, _behind([cells[game, agent] for game in games]))
    head += "".join(_header(name, ["reference"], dim=True) for name in standards)
    body = ""
    for game in games:
        mark = " <a href='#noted' title='Table K1 prints another score'>†</a>" * (game in noted)
        line = f'<th scope="row">{html.escape(names.game(game))}{mark}</th>'
        # Only agents with similar frames compete for the bold score.
        groups = budgets.ranked(report, [game])
        bold = {a for group in groups for a in _best([cells[game, agent] for agent in group])}
        line += "".join(
            _cell(cells[game, agent], agent in bold, printed.get((game, agent))) for agent in called
        )
        line += "".join(_reference(values.get(game)) for values in standards.values())
        body += f"<tr>{line}</tr>"
    table = (
        f'<table class="games" id="games"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table>"
    )
    boxes = _box("ends", "Show 95% intervals and runs")
    if printed:
        boxes += _box("k1", "Show what Table K1 prints")
    return _text(report, bool(noted)) + f'<p class="control">{boxes}</p>' + scroll(table)


def _box(kind: str, text: str) -> str:
    return f'<label><input type="checkbox" data-show="{kind}"> {text}</label>'


def _best(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Agents of one group within 5% of the best of them; nobody is the best of one."""
    scores = {row["agent"]: row["score"] for row in rows if row["runs"]}
    best = max(scores.values(), default=0.0)
    return [a for a, score in scores.items() if len(scores) > 1 and wins.close(score, best)]


def _behind(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The frames and the runs of an agent."""
    found = [row for row in rows if row["runs"]]
    if not found:
        return []
    runs = value_range([row["runs"] for row in found], "{:,}")
    words = f"{runs} run{'s' * (runs != '1')}"
    if any("note" in row for row in found):
        words = "a published mean"
    ends = [row["frames"] for row in found]
    return [names.frames_between(min(ends), max(ends)), words]


def _text(report: Report, noted: bool) -> str:
    at = "last return"
    if report.frames is not None:
        at = (
            f"return at {names.frames(report.frames)} (the nearest point within "
            f"{curves.NEAR:.0%}, or else the line between two points)"
        )
    text = (
        f"Mean {at} over runs, as the game counts it. Bold is within 5% of the best agent of the "
        f"row, as in the paper, among those whose frames differ by less than {budgets.SIMILAR:g} "
        "times. A run that ended before 95% of the agent's longest run on the game is left out. A "
        "click on a heading sorts."
    )
    return paragraph(text + " † Table K1 prints another score: see below." * noted)


def _standards(games: Sequence[str]) -> dict[str, dict[str, float]]:
    """The scores of random play and of the gamer, for games that have them."""
    known = [game for game in games if aggregate.has_reference(game)]
    if not known:
        return {}
    pairs = {game: aggregate.reference(game, "Gamer") for game in known}
    return {
        "Random": {game: pair[0] for game, pair in pairs.items()},
        "Human": {game: pair[1] for game, pair in pairs.items()},
    }


def _header(name: str, below: Sequence[str], numeric: bool = True, dim: bool = False) -> str:
    kind = f' class="{"n " * numeric}{"dim" * dim}"' if numeric or dim else ""
    small = "".join(f"<small>{html.escape(text)}</small>" for text in below)
    return f'<th scope="col"{kind}><button>{html.escape(name)}</button>{small}</th>'


def _reference(value: float | None) -> str:
    if value is None:
        return '<td class="n gap">-</td>'
    return f'<td class="n dim" data-value="{value!r}">{names.score(value)}</td>'


def _cell(row: dict[str, Any], bold: bool, printed: float | None) -> str:
    if not row["runs"]:
        return '<td class="n gap">-</td>'
    score = names.score(row["score"])
    if bold:
        score = f"<b>{score}</b>"
    below = [names.interval(row["low"], row["high"])] if row["runs"] > 1 else []
    runs = "a published mean" if "note" in row else names.number_of(row["runs"], "run")
    if row["ended early"]:
        runs += f", {row['ended early']} ended early"
    below.append(runs)
    small = "".join(f'<small class="ends">{html.escape(text)}</small>' for text in below)
    if printed is not None:
        small += f'<small class="k1">{names.score(printed)} printed</small>'
    return f'<td class="n" data-value="{row["score"]!r}">{score}{small}</td>'
