"""The page of a comparison: who is better, by how much, how sure, and where it all comes from."""

import datetime
import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamer_tf import version
from dreamer_tf.errors import UserError
from dreamer_tf.scores import (
    budgets,
    checklist,
    citations,
    curves,
    games_table,
    names,
    page_charts,
    printed,
    scales,
    specs,
    standings,
    subsets,
    tables,
    verdict,
)
from dreamer_tf.scores.document import Canvas, Section, assemble, paragraph, table
from dreamer_tf.scores.report import Report, game_rows, label, origin_rows
from dreamer_tf.storage.files import read_bytes

_CONFIG_BYTES = 1 << 20  # the most that a shown configuration may have
_LONG = 500  # characters of a part of the first screen that is shown at once
_OPEN_RUNS = 30  # of ours; more of them are listed behind a click


def to_html(report: Report) -> str:
    """The whole page.

    Args:
      report: what is compared.

    Returns:
      HTML with tables, charts and the JavaScript that draws them.
    """
    called = names.agents(report.agents)
    canvas = Canvas(list(called.values()))
    found = standings.compute(report)
    # The aggregate of one game is the score of that game.
    rows = standings.aggregate_rows(report, found) if len(found.games) > 1 else []
    page = page_charts.Page(report, found, game_rows(report), rows, called, canvas)
    sections = [section for build in _BUILDERS for section in build(page)]
    *others, last = sections
    sections = [*others, *_citations(report, sections), last]
    return assemble(_title(page), sections, canvas, _subtitle(page))


def _citations(report: Report, sections: list[Section]) -> Iterator[Section]:
    """BibTeX of what the other sections quote, and how the page was made."""
    keys = citations.quoted(" ".join(section.body for section in sections))
    papers = [(key, citations.PAPERS[key]) for key in keys if key in citations.PAPERS]
    if not papers and not report.command:
        return
    links = "".join(
        f'<li>{html.escape(f"{name} et al., {year}")}: <a href="{paper.link}">'
        f"{html.escape(paper.title)}</a></li>"
        for (name, year), paper in papers
    )
    entries = html.escape("\n".join(citations.bibtex(key) for key, _ in papers))
    body = f'<ul class="plain">{links}</ul><details><summary>BibTeX</summary><pre>{entries}</pre>'
    body += "</details>"
    if report.command:
        body += f"<h3>How this page was made</h3><pre>{html.escape(report.command)}</pre>"
    yield Section("Cite what is quoted", body)


def _title(page: page_charts.Page) -> str:
    ours, published = (
        [label.removesuffix(end) for label in page.report.agents if label.endswith(end)]
        for end in (", ours", ", published")
    )
    if ours and published:
        text = f"{names.listed(ours)} (ours) against {names.listed(published)} (published)"
    else:
        first, *others = ours or published
        text = first + (f" against {names.listed(others, 5)}" if others else "")
    [*games] = page.report.games
    on = f" on {names.game(games[0])}" if len(games) == 1 else ""
    return text + on


def _subtitle(page: page_charts.Page) -> str:
    games = page.report.games
    atari = len(set(games) & curves.atari_games())
    kinds = [names.number_of(atari, "Atari game")] if atari else []
    if len(games) > atari:
        suite = all(names.is_of_the_suite(game) for game in games)
        count = names.number_of(len(games) - atari, "other task" if atari else "task")
        kinds.append(count + " of the control suite" * suite)
    ours = names.number_of(len(page.report.runs), "run") + " of ours"
    published = names.number_of(len(page.report.baselines), "published run")
    measured = [
        text
        for text, found in ((ours, page.report.runs), (published, page.report.baselines))
        if found
    ]
    day = datetime.datetime.now(datetime.timezone.utc)
    return (
        f"{names.listed(kinds)} · {names.listed(measured)} · {day.day} {day:%B %Y} · dreamer_tf "
        f"{version.VERSION}, numerics {version.NUMERICS}"
    )


def _first_screen(page: page_charts.Page) -> Iterator[Section]:
    answer, *more = verdict.sentences(page.report, page.standings, page.called)
    text = paragraph(answer, "answer") + (paragraph(" ".join(more)) if more else "")
    caveats = verdict.caveats(page.report, page.called)
    if caveats:
        text += paragraph(" ".join(caveats), "note")  # never behind a click
    absent = [*page.report.absent, *verdict.gaps(page.games, page.called)]
    if absent:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in absent)
        body = _folded(
            "Not every agent has a score on every game", f'<ul class="plain note">{items}</ul>'
        )
        text += f"<h3>Missing</h3>{body}"
    dots = _returns_of_one(page)
    for statistic, title in (
        ("IQM", "Interquartile mean"),
        (page.standings.scale.statistics["gamer_median"], "Median"),
    ):
        points = _estimates(page, statistic)
        if points:
            columns = page_charts.columns_of(points, page, value="value", low="low", high="high")
            order = _ranks(points, page, page.standings.groups)
            spec = specs.dots(page.agents, columns, page.standings.scale.title, rows=order)
            dots += page.canvas.figure(f"{title} over games", spec, columns)
    if dots:
        meaning = page.standings.scale.meaning.removeprefix("where ")
        text_below = (
            f"Normalized scores: {meaning}. They are normalized for each game and run, and every "
            "game has the same weight. Bars are 95% stratified bootstrap intervals"
            + (", for agents with several runs of each game." if page.standings.single else ".")
        )
        if not page.aggregates:
            text_below = "Last returns, means over runs. Bars are 95% bootstrap intervals."
        if len(budgets.ranked(page.report, page.common or None)) > 1:
            text_below += " Not all agents have as many frames: see the text and the table."
        dots = f'<div><div class="pair">{dots}</div>{paragraph(text_below, "note")}</div>'
    yield Section("", f'<section class="first"><div>{text}</div>{dots}</section>')


def _folded(summary: str, body: str) -> str:
    """What is long stands behind a click, so that the scores come soon."""
    if len(body) <= _LONG:
        return body
    return f'<details class="note"><summary>{summary}</summary>{body}</details>'


def _returns_of_one(page: page_charts.Page) -> str:
    """Dots of the last returns, where the page is about one game."""
    rows = [row for row in page.games if row["runs"]]
    if len(page.report.games) > 1 or len(rows) < 2:
        return ""
    points = [
        {"agent": row["agent"], "value": row["score"]}
        | ({"low": row["low"], "high": row["high"]} if row["runs"] > 1 else {})
        for row in rows
    ]
    columns = page_charts.columns_of(points, page, value="value", low="low", high="high")
    groups = budgets.ranked(page.report)
    spec = specs.dots(page.agents, columns, "return", rows=_ranks(points, page, groups))
    return page.canvas.figure(names.game(page.report.games[0]), spec, columns)


def _ranks(
    points: list[dict[str, Any]], page: page_charts.Page, groups: list[list[str]]
) -> list[str]:
    """The agents, the best first among those that are ranked together."""
    values = {point["agent"]: point["value"] for point in points}
    return [
        page.called[agent]
        for group in groups
        for agent in sorted(set(group) & set(values), key=lambda agent: -values[agent])
    ]


def _estimates(page: page_charts.Page, statistic: str) -> list[dict[str, Any]]:
    points = []
    for row in page.aggregates:
        point = {"agent": row["agent"], "value": row[statistic]}
        if row[f"{statistic} low"] != "":
            point |= {"low": row[f"{statistic} low"], "high": row[f"{statistic} high"]}
        points.append(point)
    return points


def _scores(page: page_charts.Page) -> Iterator[Section]:
    notes = printed.notes(page.report)
    noted = {row["game"] for row in notes}
    beside = printed.scores(page.report)
    found = games_table.to_html(page.games, page.report, page.called, beside, noted)
    yield Section("Scores", found)
    if not notes:
        return
    body = paragraph(
        "Table K1 of the DreamerV2 paper (Hafner et al., 2021) prints scores that differ by more "
        f"than {printed.MARGIN:.0%} on {names.number_of(len(noted), 'game')}. This page leaves out "
        "runs that ended before 95% of the frames; the paper counts them with their last value."
    )
    body += table(notes, cell=_game_cell)
    yield Section("Beside the printed scores", f'<div id="noted">{body}</div>')


def _game_cell(column: str, value: Any) -> str:
    if column == "game":
        return html.escape(names.game(value))
    return names.score(value) if isinstance(value, float) else html.escape(tables.shown(value))


def _aggregates(page: page_charts.Page) -> Iterator[Section]:
    if not page.aggregates:
        return
    rows = []
    for row in tables.with_intervals(page.aggregates):
        del row["protocol"]  # said where the numbers come from
        row |= {"agent": page.called[str(row["agent"])], "phase": _returns(row["phase"])}
        rows.append(row)
    yield Section(
        f"Aggregates over {names.number_of(len(page.common), 'game')}",
        paragraph(
            (_ATARI if page.standings.scale is scales.ATARI else _CONTROL_SUITE)
            + "The interquartile mean leaves out the lowest and the highest quarter of all runs; "
            "the optimality gap is the mean distance to 1 of what is below it (Agarwal et al., "
            "2021). The 95% interval is below, if every game has several runs."
            + (" Each agent is compared at the end of its own runs." * (not page.report.frames))
        )
        + table(rows, "cards", _with_small),
    )
    whole = page.report.baselines and page.report.frames is None
    if whole and len(page.common) == len(curves.benchmark_games()):
        yield Section(
            "As printed",
            paragraph(
                "Table 1 of the DreamerV2 paper. It follows from the published runs at 199M "
                "frames, where a run that ended early counts with its last value: --paper=table1 "
                "computes it. The aggregates above leave such runs out, so they differ a little."
            )
            + table(curves.table("table_1"), "cards"),
        )


def _returns(phases: str) -> str:
    """'training' for 'train'."""
    return phases.replace("train", "training").replace("eval", "evaluation")


def _predicted(page: page_charts.Page) -> Iterator[Section]:
    """The median that few games predict, beside the one over 55 games where it is known."""
    try:
        rows = subsets.rows(page.report, page.report.subset)
    except UserError:  # nobody has the games
        return
    subset = page.report.subset
    model = subsets.fit(subset)
    body = paragraph(
        f"Predicted from {names.listed(map(names.game, model.games), 10)} (Aitchison et al., 2023) "
        f"by a regression over {len(model.agents)} published agents (R2 {model.r_squared:.3f}). "
        f"The {subsets.LEVEL:.0%} interval is a factor of {10**model.margin:.2f} up and down. It "
        f"covers {subsets.covered(subset)} of these agents, each of them left out of the "
        f"regression, but only {subsets.COVERED_HERE[subset]} of the {len(subsets.HERE)} agents "
        "whose 55 games are published here: protocols differ. So it ranks agents of one protocol, "
        "and does not replace 55 games."
    )
    rows = [row | {"agent": page.called[row["agent"]]} for row in rows]
    yield Section("Predicted median", body + table(rows, "cards"))


def _with_small(_: str, value: Any) -> str:
    """A value, and below it the interval that follows it in parentheses."""
    first, _, rest = html.escape(tables.shown(value)).partition(" (")
    return (
        f"{first}<small>{rest.removesuffix(')')}</small>"
        if rest[:1].isdigit()
        else (html.escape(tables.shown(value)))
    )


def _origins(page: page_charts.Page) -> Iterator[Section]:
    found = {curve.protocol.split(",")[0] for curve in page.report.all}
    rows = [
        {"protocol": name, "meaning": text}
        for name, text in curves.PROTOCOLS.items()
        if name in found
    ]
    yield Section(
        "Where the numbers come from",
        paragraph(_INTRODUCTION)
        + _origin_tables(page.report)
        + "<h3>Protocols</h3>"
        + paragraph("The text after a comma names what was changed.")
        + table(rows, "cards")
        + _configurations(page.report),
    )


def _origin_tables(report: Report) -> str:
    """Published agents, and every run of ours; many runs are folded away."""
    rows = [row | {"returns of": _returns(row["returns of"])} for row in origin_rows(report)]
    count = len(rows) - len(report.runs)
    if len(report.runs) <= _OPEN_RUNS:
        return table(rows, "cards wide")
    body = table(rows[:count], "cards wide") if count else ""
    many = f"<summary>All {names.number_of(len(report.runs), 'run')} of ours</summary>"
    return f"{body}<details>{many}{table(rows[count:], 'cards wide')}</details>"


def _configurations(report: Report) -> str:
    """The gin configuration of each agent, if a run's directory still has it."""
    texts: dict[tuple[str, str], str] = {}
    for curve in report.runs:
        name = (label(curve), curve.gin_hash)
        try:
            texts[name] = read_bytes(Path(curve.source, "config.gin"), _CONFIG_BYTES).decode(
                errors="replace"
            )
        except OSError:
            texts.setdefault(name, "missing: its directory has only scores")
    details = "".join(
        f"<details><summary>{html.escape(agent)} <code>{html.escape(gin_hash)}</code></summary>"
        f"<pre>{html.escape(text)}</pre></details>"
        for (agent, gin_hash), text in texts.items()
    )
    return f"<h3>Configurations of our runs</h3>{details}" if texts else ""


def _checklist(page: page_charts.Page) -> Iterator[Section]:
    signs = {"yes": "✓ yes", "no": "✗ no", "unknown": "? unknown"}

    def cell(column: str, value: Any) -> str:
        if column == "answer":
            return f'<span class="{value}">{signs[value]}</span>'
        return html.escape(str(value))

    answers = checklist.answers(page.report, page.standings, page.called)
    rows = [answer._asdict() for answer in answers]
    yield Section(
        "A reviewer's checklist",
        paragraph("Filled in from the score files. A no is a caveat, not a fault.")
        + table(rows, "cards", cell),
    )


_ATARI = (
    "The mean and the median are of gamer normalized scores, the record means of scores normalized "
    "by the human world record (section 3 of the DreamerV2 paper). The gamer mean mostly shows "
    "James Bond, whose reference scores are odd (docs/baselines.md). "
)
_CONTROL_SUITE = (
    "All are of returns divided by 1,000, the highest return that is possible on a task. "
)
_INTRODUCTION = (
    "Published curves are labelled as such. Dopamine's are training returns; its agents act with "
    "the minimal action set of each game. DreamerV2's are evaluation returns on Atari and training "
    "returns on the control suite; the files do not say so, it follows from their values. The "
    "tables name the returns and the protocol of our runs."
)

# In the order of the page.
_BUILDERS: tuple[Callable[[page_charts.Page], Iterator[Section]], ...] = (
    _first_screen,
    _scores,
    page_charts.learning_curves,
    page_charts.differences,
    page_charts.profiles,
    _aggregates,
    _predicted,
    page_charts.improvements,
    page_charts.over_frames,
    _origins,
    _checklist,
)
