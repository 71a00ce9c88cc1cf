"""The page of a comparison: one self-contained HTML file that works without a network."""

import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_tf.scores import aggregate, charts, curves, tables
from dreamer_tf.scores.report import (
    Report,
    aggregate_rows,
    game_rows,
    improvement_rows,
    missing,
    origin_rows,
)
from dreamer_tf.storage.files import read_bytes

_CONFIG_BYTES = 1 << 20  # the most that a shown configuration may have
_EARLY = (
    "A run that ended before 95% of the frames of the agent's longest run on the game is left out."
)


class Section(NamedTuple):
    """A part of the page."""

    title: str
    text: str  # HTML
    body: str = ""  # HTML
    chart: Any = None  # Altair


class _Numbers(NamedTuple):
    """What several sections show."""

    report: Report
    games: list[dict[str, Any]]  # rows
    aggregates: list[dict[str, Any]]  # rows
    common: list[str]  # games that all agents have


def to_html(report: Report) -> str:
    """The whole page.

    Args:
      report: what is compared.

    Returns:
      HTML with tables, charts and the JavaScript that draws them.
    """
    numbers = _Numbers(report, game_rows(report), *aggregate_rows(report))
    sections = [section for build in _BUILDERS for section in build(numbers)]
    return assemble("Comparison of agents", [Section("", _INTRODUCTION), *sections])


def assemble(title: str, sections: Sequence[Section]) -> str:
    """A page of sections, with the JavaScript that draws their charts.

    Args:
      title: of the page, plain text.
      sections: in their order; one without a title follows the one before it.
    """
    import vl_convert

    parts, embeds = [], []
    for number, section in enumerate(sections):
        heading = f"<h2>{html.escape(section.title)}</h2>" if section.title else ""
        text = f"<p>{section.text}</p>" if section.text else ""
        parts.append(f"{heading}{text}{section.body}")
        if section.chart is not None:
            place = f"chart{number}"
            parts.append(f"<div id='{place}'></div>")
            embeds.append(
                f"vegaEmbed('#{place}', {_safe(section.chart.to_dict())}, {{actions: false}})"
                f".catch(error => {{document.getElementById('{place}').textContent = error}});"
            )
    return _PAGE.format(
        title=html.escape(title),
        body="\n".join(parts),
        # The JavaScript is part of the page, so it also opens on a cluster without a network.
        bundle=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        embeds="\n".join(embeds),
    )


def _aggregates(numbers: _Numbers) -> Iterator[Section]:
    if numbers.aggregates:
        yield Section(
            f"Aggregates over {len(numbers.common)} games",
            "Gamer and record normalized scores (section 3 of the DreamerV2 paper). Scores are "
            "normalized for each game and run, then averaged over runs, then over games. The 95% "
            "stratified bootstrap interval is in parentheses, if every game has several runs. "
            "Every game has the same weight, whatever its number of runs. Each agent is compared "
            f"at the end of its own runs, after the frames in the table. {_EARLY}",
            table(tables.with_intervals(numbers.aggregates)),
        )


def _printed(numbers: _Numbers) -> Iterator[Section]:
    if numbers.report.baselines and set(numbers.common) == set(aggregate.games()):
        yield Section(
            "As printed",
            "Table 1 of the DreamerV2 paper (Hafner et al., 2021). It follows from the published "
            "runs, all of them at 199M frames; a run that ended early counts with its last value. "
            "<code>--paper=table1</code> computes it. The aggregates above leave such runs out and "
            "take the last value of the others, at 199M or 200M frames, so they differ a little.",
            table(curves.table("table_1")),
        )


def _improvements(numbers: _Numbers) -> Iterator[Section]:
    rows = improvement_rows(numbers.report)
    if rows:
        yield Section(
            "Probability of improvement",
            "The probability that a run of the first agent has a higher score than a run of the "
            "second on a random game, with a 95% stratified bootstrap interval if every game has "
            "several runs. Each agent is compared at the end of its own runs, after the frames in "
            "the table.",
            table(rows),
        )


def _over_frames(numbers: _Numbers) -> Iterator[Section]:
    points = charts.aggregates_over_frames(numbers.report, numbers.common)
    if points:
        yield Section(
            "Aggregates over frames",
            f"Over the {len(numbers.common)} games that all agents have, with 95% stratified "
            "bootstrap intervals if every game has several runs. Runs that have ended are not "
            "extended, so their number falls.",
            chart=charts.aggregates_chart(points),
        )


def _profiles(numbers: _Numbers) -> Iterator[Section]:
    points = charts.profile_points(numbers.report)
    if points:
        yield Section(
            "Performance profiles",
            f"The share of runs over the {len(numbers.common)} games with more than a score. Bands "
            "are pointwise 95% stratified bootstrap intervals, if there are several runs. Each "
            "agent is compared at the end of its own runs.",
            chart=charts.profiles_chart(points),
        )


def _curves(numbers: _Numbers) -> Iterator[Section]:
    yield Section(
        "Curves",
        "Mean over runs. The band is a 95% bootstrap interval of the mean; for two runs, it is the "
        "two runs. Thin lines are single runs, if there are few.",
        chart=charts.curves_chart(charts.curve_points(numbers.report.all)),
    )


def _differences(numbers: _Numbers) -> Iterator[Section]:
    first, *others = numbers.report.agents
    for other in others:
        chart = charts.difference_chart(numbers.games, first, other)
        if chart is not None:
            yield Section(f"{first} against {other}", "Last scores of each agent.", chart=chart)


def _last_scores(numbers: _Numbers) -> Iterator[Section]:
    yield Section(
        "Last scores",
        "Means over runs with 95% bootstrap intervals; the interval of two runs is the two runs. "
        f"{_EARLY}",
        table([row for row in numbers.games if row["runs"]]),
    )


def _missing(numbers: _Numbers) -> Iterator[Section]:
    gaps = missing(numbers.games)
    if gaps:
        yield Section(
            "Missing",
            f"{len(gaps)} of {len(numbers.games)} have no score here: "
            f"{html.escape('; '.join(gaps))}.",
        )
    if numbers.report.absent:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in numbers.report.absent)
        yield Section("Nothing found", "", f"<ul>{items}</ul>")


def _origins(numbers: _Numbers) -> Iterator[Section]:
    yield Section("Where the numbers come from", "", table(origin_rows(numbers.report)))
    names = {curve.protocol.split(",")[0] for curve in numbers.report.all}
    rows = [
        {"protocol": name, "means": text}
        for name, text in curves.PROTOCOLS.items()
        if name in names
    ]
    yield Section("Protocols", "The text after a comma names what was changed.", table(rows))


def _configurations(numbers: _Numbers) -> Iterator[Section]:
    """The gin configuration of each hash, if a run's directory still has it."""
    texts: dict[str, str] = {}
    for curve in numbers.report.runs:
        try:
            texts[curve.gin_hash] = read_bytes(
                Path(curve.source, "config.gin"), _CONFIG_BYTES
            ).decode(errors="replace")
        except OSError:
            texts.setdefault(curve.gin_hash, "missing: its directory has only scores")
    if texts:
        details = "".join(
            f"<details><summary>{html.escape(gin_hash)}</summary>"
            f"<pre>{html.escape(text)}</pre></details>"
            for gin_hash, text in texts.items()
        )
        yield Section("Configurations of our runs", "", details)


# In the order of the page.
_BUILDERS = (
    _aggregates,
    _printed,
    _improvements,
    _over_frames,
    _profiles,
    _curves,
    _differences,
    _last_scores,
    _missing,
    _origins,
    _configurations,
)


def _safe(specification: dict[str, Any]) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(specification).replace("<", "\\u003c")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as an HTML table."""
    if not rows:
        return "<p>Nothing.</p>"
    names = tables.columns(rows)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(tables.shown(row.get(name, '')))}</td>" for name in names)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_INTRODUCTION = (
    "Published curves are labelled as such. Dopamine's are training returns; its agents act with "
    "the minimal action set of each game. DreamerV2's are evaluation returns on Atari and training "
    "returns on the control suite; the files do not say so, it follows from their values. The "
    "tables name the returns and the protocol of our runs."
)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; font-size: 13px; }}
td, th {{ padding: 2px 10px; border-bottom: 1px solid #ddd; text-align: left; }}
</style></head><body>
<h1>{title}</h1>
{body}
<script>{bundle}</script>
<script>{embeds}</script>
</body></html>
"""
