"""The table of games and agents: one row for each game, the best score in bold."""

import html
from collections.abc import Sequence
from typing import Any

from dreamer_tf.scores import aggregate, names, wins
from dreamer_tf.scores.document import paragraph, scroll
from dreamer_tf.scores.report import Report


def to_html(
    rows: Sequence[dict[str, Any]], report: Report, called: dict[str, str], noted: set[str]
) -> str:
    """The table with the text above it.

    Args:
      rows: from `report.game_rows`.
      report: what is compared.
      called: label -> what the page calls the agent.
      noted: games whose score differs from a printed one.
    """
    cells = {(row["game"], row["agent"]): row for row in rows}
    games = sorted(report.games, key=names.game)
    standards = _standards(games)
    head = _header("Game", "", numeric=False)
    for agent, name in called.items():
        ends = [cells[game, agent]["frames"] for game in games if cells[game, agent]["runs"]]
        head += _header(name, _frames(ends))
    head += "".join(_header(name, "reference", dim=True) for name in standards)
    body = ""
    for game in games:
        mark = " <a href='#noted' title='Table K1 prints another score'>†</a>" * (game in noted)
        line = f'<th scope="row">{html.escape(names.game(game))}{mark}</th>'
        found = [cells[game, agent] for agent in called]
        scores = [row["score"] for row in found if row["runs"]]
        best = max(scores, default=0.0)
        line += "".join(_cell(row, best, len(scores) > 1) for row in found)
        line += "".join(_reference(values.get(game)) for values in standards.values())
        body += f"<tr>{line}</tr>"
    table = (
        f'<table class="games" id="games"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table>"
    )
    box = (
        '<p class="control"><label><input type="checkbox" data-ends="games"> Show 95% intervals '
        "and runs</label></p>"
    )
    return _text(bool(noted)) + box + scroll(table)


def _frames(ends: Sequence[int]) -> str:
    if not ends:
        return ""
    low, high = names.frames(min(ends)), names.frames(max(ends))
    return high if low == high else f"{low.removesuffix(' frames')} to {high}"


def _text(noted: bool) -> str:
    text = (
        "Mean last return over runs, as the game counts it. Bold is within 5% of the best agent of "
        "the row, as in the paper. A run that ended before 95% of the frames of the agent's "
        "longest run on the game is left out. A click on a heading sorts."
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


def _header(name: str, below: str, numeric: bool = True, dim: bool = False) -> str:
    kind = f' class="{"n " * numeric}{"dim" * dim}"' if numeric or dim else ""
    small = f"<small>{html.escape(below)}</small>" if below else ""
    return f'<th scope="col"{kind}><button>{html.escape(name)}</button>{small}</th>'


def _reference(value: float | None) -> str:
    if value is None:
        return '<td class="n gap">-</td>'
    return f'<td class="n dim" data-value="{value!r}">{names.score(value)}</td>'


def _cell(row: dict[str, Any], best: float, several: bool) -> str:
    if not row["runs"]:
        return '<td class="n gap">-</td>'
    score = names.score(row["score"])
    if several and wins.close(row["score"], best):
        score = f"<b>{score}</b>"
    below = [names.interval(row["low"], row["high"])] if row["runs"] > 1 else []
    runs = names.number_of(row["runs"], "run")
    if row["ended early"]:
        runs += f", {row['ended early']} ended early"
    below.append(runs)
    small = "".join(f"<small>{html.escape(text)}</small>" for text in below)
    return f'<td class="n" data-value="{row["score"]!r}">{score}{small}</td>'
