"""The page that compares agents: tables and charts, self-contained."""

import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.scores import aggregate, curves

_POINTS = 40  # of a drawn curve
_SINGLES = 60  # runs; more of them are not drawn one by one
_EARLY = (
    "A run that ended before 95% of the frames of the agent's longest run on the game is left out."
)


class Report(NamedTuple):
    """What is compared."""

    runs: list[curves.Curve]  # ours
    baselines: list[curves.Curve]  # published
    absent: tuple[str, ...] = ()  # what was asked for and has no score at all, in words

    @property
    def all(self) -> list[curves.Curve]:
        """Every curve."""
        return [*self.runs, *self.baselines]

    @property
    def games(self) -> list[str]:
        """Games that any curve is of."""
        return sorted({curve.game for curve in self.all})

    @property
    def agents(self) -> list[str]:
        """Labels of all agents, ours first."""
        return list(dict.fromkeys(label(curve) for curve in self.all))


def label(curve: curves.Curve) -> str:
    """An agent's name on the page: ours and the published one of the same name are two."""
    return f"{curve.agent}, published" if curve.source == "published" else f"{curve.agent}, ours"


def _grouped(found: Iterable[curves.Curve]) -> dict[tuple[str, str], list[curves.Curve]]:
    """Runs by game and label."""
    groups: dict[tuple[str, str], list[curves.Curve]] = {}
    for curve in found:
        groups.setdefault((curve.game, label(curve)), []).append(curve)
    return groups


def whole_runs(found: Sequence[curves.Curve]) -> list[curves.Curve]:
    """Runs of one agent on one game without those that ended before the others."""
    end = max(curve.frames[-1] for curve in found)
    return [curve for curve in found if curve.covers(end)]


def game_rows(report: Report) -> list[dict[str, Any]]:
    """One row for every game and agent: the last score, its interval, and what it is made of."""
    groups = _grouped(report.all)
    rows = []
    for game in report.games:
        for agent in report.agents:
            found = groups.get((game, agent))
            if found is None:
                rows.append({"game": game, "agent": agent, "runs": 0})
                continue
            whole = whole_runs(found)
            interval = aggregate.mean_interval([curve.values[-1] for curve in whole])
            several = len(whole) > 1
            rows.append(
                {
                    "game": game,
                    "agent": agent,
                    "score": interval.value,
                    "low": interval.low if several else "",
                    "high": interval.high if several else "",
                    "runs": len(whole),
                    "ended early": len(found) - len(whole),
                    "frames": int(max(curve.frames[-1] for curve in whole)),
                    "phase": found[0].phase,
                    "protocol": ", ".join(sorted({curve.protocol for curve in found})),
                }
            )
    return rows


def common_scores(report: Report) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """Last scores of whole runs, label -> game -> scores, and the games that all agents have.

    Only games that have reference scores count.
    """
    scores: dict[str, dict[str, list[float]]] = {}
    for (game, agent), found in _grouped(report.all).items():
        scores.setdefault(agent, {})[game] = [float(c.values[-1]) for c in whole_runs(found)]
    known = set(aggregate.games())
    return scores, sorted(known.intersection(*(set(table) for table in scores.values())))


def aggregate_rows(report: Report) -> tuple[list[dict[str, Any]], list[str]]:
    """The paper's aggregates, IQM and optimality gap, over the games that all agents have.

    Returns:
      One row for each agent, with the ends of each interval where every game has several runs,
      and the games; no rows where no game is common to all.
    """
    scores, common = common_scores(report)
    if not common:
        return [], []
    facts = _facts(report, common)
    rows = []
    for agent, found in aggregate.intervals(scores, common).items():
        row: dict[str, Any] = {"agent": agent}
        several = _fewest_runs(scores[agent], common) > 1
        for name, interval in found.items():
            row[name] = interval.value
            row[f"{name} low"] = interval.low if several else ""
            row[f"{name} high"] = interval.high if several else ""
        rows.append(row | facts[agent])
    return rows, common


def _fewest_runs(table: aggregate.Scores, over: Sequence[str]) -> int:
    return min(len(table[game]) for game in over)


def _facts(report: Report, over: Sequence[str]) -> dict[str, dict[str, str]]:
    """Label -> what an aggregate over games is made of."""
    groups = _grouped(report.all)
    facts = {}
    for agent in report.agents:
        found = [curve for game in over for curve in groups.get((game, agent), [])]
        whole = [whole_runs(groups[game, agent]) for game in over if (game, agent) in groups]
        facts[agent] = {
            "runs a game": _range([len(runs) for runs in whole], "{:,}"),
            "ended early": f"{len(found) - sum(map(len, whole)):,}",
            "frames": _range([max(c.frames[-1] for c in runs) / 1e6 for runs in whole], "{:.3g}M"),
            "phase": ", ".join(sorted({curve.phase for curve in found})),
            "protocol": ", ".join(sorted({curve.protocol for curve in found})),
        }
    return facts


def _range(values: Sequence[float], form: str) -> str:
    ends = list(dict.fromkeys(form.format(value) for value in (min(values), max(values))))
    return " to ".join(ends)


def improvement_rows(report: Report) -> list[dict[str, Any]]:
    """How probable it is that a run of the first agent beats one of another on a random game."""
    scores, common = common_scores(report)
    if not common or len(scores) < 2:
        return []
    first, *others = report.agents
    facts = _facts(report, common)
    rows = []
    for other in others:
        found = aggregate.probability_of_improvement(scores[first], scores[other], common)
        several = min(_fewest_runs(scores[agent], common) for agent in (first, other)) > 1
        rows.append(
            {
                "agent": first,
                "better than": other,
                "probability": found.value,
                "low": found.low if several else "",
                "high": found.high if several else "",
            }
            | {
                name: f"{facts[first][name]} against {facts[other][name]}"
                for name in ("runs a game", "frames", "protocol")
            }
        )
    return rows


def profile_points(report: Report, count: int = 41) -> list[dict[str, Any]]:
    """Performance profiles with pointwise 95% stratified bootstrap intervals."""
    scores, common = common_scores(report)
    if not common:
        return []
    normalized = [aggregate.evenly(table, common) for table in scores.values()]
    # Most games lie within a few gamers' scores; a single one reaches a hundred.
    end = max(float(np.quantile(np.concatenate([m.ravel() for m in normalized]), 0.95)), 1.0)
    taus = np.linspace(0.0, end, count)
    points = []
    for agent, profile in aggregate.performance_profiles(scores, common, taus).items():
        several = _fewest_runs(scores[agent], common) > 1
        for tau, (share, low, high) in zip(taus, profile.tolist(), strict=True):
            point = {"agent": agent, "score": float(tau), "share": share}
            points.append(point | ({"low": low, "high": high} if several else {}))
    return points


def profiles_chart(points: Sequence[dict[str, Any]]) -> Any:
    """Performance profiles (Agarwal et al., 2021), an Altair chart."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(points))).encode(
        x=alt.X("score:Q", title="gamer normalized score"), color="agent:N"
    )
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("low:Q", title="share of runs and games above"), y2="high:Q"
    )
    line = base.mark_line().encode(y="share:Q", tooltip=["agent:N", "score:Q", "share:Q"])
    return alt.layer(band, line).properties(width=480, height=260)


def curve_points(found: Iterable[curves.Curve]) -> list[dict[str, Any]]:
    """Means over runs with 95% bootstrap intervals, on a common grid of frames.

    Returns:
      Points with 'return', 'low', 'high' and 'runs', the number of runs. Where the runs are few
      enough to be told apart, also points of single ones, with 'run' and 'single'.
    """
    groups = _grouped(found)
    singles = sum(map(len, groups.values())) <= _SINGLES
    points = []
    for (game, agent), runs in groups.items():
        if singles:
            for curve in runs:
                place = {"game": game, "agent": agent, "run": curve.run}
                for frames, value in zip(curve.frames, curve.values, strict=True):
                    points.append(place | {"frames": float(frames), "single": float(value)})
        grid = sorted({float(frames) for curve in runs for frames in curve.frames})
        # Runs report after whole episodes, at nearly the same frames: the last is enough.
        close = 0.02 * grid[-1]
        grid = [a for a, b in zip(grid, [*grid[1:], np.inf], strict=True) if b - a > close]
        if len(grid) > _POINTS:
            picks = np.linspace(0, len(grid) - 1, _POINTS).round().astype(int)
            grid = [grid[pick] for pick in picks]
        for frames in grid:
            values = [curve.at(frames) for curve in runs if curve.covers(frames)]
            if len(values) * 2 < len(runs):
                continue
            interval = aggregate.mean_interval(values, reps=300)
            points.append(
                {
                    "game": game,
                    "agent": agent,
                    "frames": frames,
                    "return": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "runs": len(values),
                }
            )
    return points


def curves_chart(points: Sequence[dict[str, Any]], columns: int = 3) -> Any:
    """Curves of all games with bands (figure F1), an Altair chart."""
    import altair as alt

    means = [point for point in points if "return" in point]
    ends: dict[str, dict[str, float]] = {}
    for point in means:
        ends.setdefault(point["game"], {})[point["agent"]] = point["frames"]  # ascending
    apart = any(max(last.values()) > 10 * min(last.values()) for last in ends.values())
    base = alt.Chart(alt.Data(values=list(points))).encode(
        x=alt.X(
            "frames:Q",
            title="frames",
            axis=alt.Axis(format="~s"),
            scale=alt.Scale(type="log" if apart else "linear"),
        ),
        color=alt.Color("agent:N", title="agent"),
    )
    mean = base.transform_filter("isValid(datum.return)")
    band = mean.mark_area(opacity=0.25).encode(y=alt.Y("low:Q", title="return"), y2="high:Q")
    line = mean.mark_line(point=len(means) < 200).encode(
        y="return:Q",
        tooltip=["agent:N", "game:N", "frames:Q", "return:Q", "low:Q", "high:Q", "runs:Q"],
    )
    single = (
        base.transform_filter("isValid(datum.single)")
        .mark_line(strokeWidth=1, opacity=0.5)
        .encode(y="single:Q", detail="run:N", tooltip=["agent:N", "game:N", "run:N", "single:Q"])
    )
    layers = [band, single, line] if len(means) < len(points) else [band, line]
    return (
        alt.layer(*layers)
        .properties(width=260, height=180)
        .facet(facet=alt.Facet("game:N", title=None), columns=columns)
        .resolve_scale(x="independent", y="independent")
    )


def difference_chart(rows: Sequence[dict[str, Any]], left: str, right: str) -> Any | None:
    """Difference of gamer normalized scores for every game, on a log scale (figure E1)."""
    import altair as alt

    scores = {(row["game"], row["agent"]): row.get("score") for row in rows}
    values = []
    for game in sorted({row["game"] for row in rows} & set(aggregate.games())):
        pair = scores.get((game, left)), scores.get((game, right))
        if None not in pair:
            ours, theirs = (float(aggregate.normalize(game, score, "Gamer")) for score in pair)
            values.append({"game": game, "difference": ours - theirs})
    if not values:
        return None
    return (
        alt.Chart(alt.Data(values=values), title=f"{left} minus {right}, gamer normalized")
        .mark_bar()
        .encode(
            x=alt.X("game:N", sort="-y", title=None),
            y=alt.Y("difference:Q", scale=alt.Scale(type="symlog", constant=0.1)),
            color=alt.condition("datum.difference > 0", alt.value("#3b6fd4"), alt.value("#d4873b")),
            tooltip=["game:N", "difference:Q"],
        )
    )


def aggregates_over_frames(report: Report, over: Sequence[str], count: int = 12) -> list[dict]:
    """The paper's four aggregates at points of training (figure 4), with intervals."""
    if not over:
        return []
    points = []
    groups = _grouped(report.all)
    for agent in report.agents:
        found = [curve for game in over for curve in groups[game, agent]]
        for frames in np.linspace(0, max(curve.frames[-1] for curve in found), count + 1)[1:]:
            scores: dict[str, list[float]] = {}
            for curve in found:
                if curve.covers(frames):
                    scores.setdefault(curve.game, []).append(curve.at(frames))
            if len(scores) < len(over):
                continue
            runs = [len(values) for values in scores.values()]
            estimates = aggregate.paper_intervals(scores, reps=200)
            for name, interval in estimates.items():
                point = {"agent": agent, "frames": float(frames), "aggregate": name}
                point |= {"value": interval.value, "runs": _range(runs, "{:,}") + " a game"}
                if min(runs) > 1:
                    point |= {"low": interval.low, "high": interval.high}
                points.append(point)
    return points


def aggregates_chart(points: Sequence[dict[str, Any]]) -> Any:
    """Figure 4, an Altair chart."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(points))).encode(
        x=alt.X("frames:Q", axis=alt.Axis(format="~s")), color="agent:N"
    )
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
    line = base.mark_line(point=True).encode(
        y="value:Q", tooltip=["agent:N", "frames:Q", "value:Q", "low:Q", "high:Q", "runs:N"]
    )
    return (
        alt.layer(band, line)
        .properties(width=220, height=180)
        .facet(facet=alt.Facet("aggregate:N", title=None, sort=list(aggregate.AGGREGATES)))
        .resolve_scale(y="independent")
    )


def missing(rows: Sequence[dict[str, Any]]) -> list[str]:
    """'agent on game' for every agent that has no score on a game."""
    return [f"{row['agent']} on {row['game']}" for row in rows if not row["runs"]]


def with_intervals(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ends of every interval in one cell with its value, for a table to look at."""
    shown = []
    for row in rows:
        cells = {name: _shown(value) for name, value in row.items()}
        for name in aggregate.STATISTICS:
            low, high = cells.pop(f"{name} low"), cells.pop(f"{name} high")
            cells[name] += f" ({low} to {high})" if low else ""
        shown.append(cells)
    return shown


def to_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table in Markdown."""
    if not rows:
        return "Nothing to compare.\n"
    names = list(max(rows, key=len))
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for row in rows:
        lines.append(f"| {' | '.join(_shown(row.get(name, 'missing')) for name in names)} |")
    return "\n".join(lines) + "\n"


def to_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The same as comma-separated values, numbers in full."""
    import csv
    import io

    names = list(max(rows, key=len)) if rows else []
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def to_html(report: Report) -> str:
    """The whole page: works without a network."""
    import vl_convert

    rows = game_rows(report)
    aggregates, common = aggregate_rows(report)
    charts: list[tuple[str, str, Any]] = []
    over_frames = aggregates_over_frames(report, common)
    if over_frames:
        charts.append(
            (
                "Aggregates over frames",
                f"Over the {len(common)} games that all agents have, with 95% stratified bootstrap "
                "intervals where every game has several runs; runs that have ended are not drawn "
                "on, so their number falls.",
                aggregates_chart(over_frames),
            )
        )
    profiles = profile_points(report)
    if profiles:
        charts.append(
            (
                "Performance profiles",
                f"Share of runs over the {len(common)} games with more than a score; bands are "
                "pointwise 95% stratified bootstrap intervals where there are several runs. Every "
                "agent at the end of its own runs, as above.",
                profiles_chart(profiles),
            )
        )
    charts.append(
        (
            "Curves",
            "Mean over runs; the band is a 95% bootstrap interval of the mean (of two runs: the "
            "two). Thin lines are single runs, drawn where they are few.",
            curves_chart(curve_points(report.all)),
        )
    )
    first, *others = report.agents
    for other in others:
        chart = difference_chart(rows, first, other)
        if chart is not None:
            charts.append((f"{first} against {other}", "Last scores of each.", chart))
    sections = []
    if aggregates:
        sections.append(
            f"<h2>Aggregates over {len(common)} games</h2>"
            "<p>Gamer and record normalized scores (section 3 of the DreamerV2 paper): normalized "
            "for each game and run, then averaged over runs, then over games. In parentheses the "
            "95% stratified bootstrap interval, where every game has several runs; games count the "
            "same whatever the number of their runs. Every agent at the end of its own runs, "
            f"after the frames in the table. {_EARLY}</p>" + _table(with_intervals(aggregates))
        )
    if report.baselines and set(common) == set(aggregate.games()):
        sections.append(
            "<h2>As printed</h2><p>Table 1 of the DreamerV2 paper (Hafner et al., 2021). It was "
            "made of all runs, also of those that ended early, and its DreamerV2 differs from the "
            "published runs; the source does not say why.</p>" + _table(curves.table("table_1"))
        )
    improvements = improvement_rows(report)
    if improvements:
        sections.append(
            "<h2>Probability of improvement</h2><p>That a run of the one has a higher score than a "
            "run of the other on a game drawn at random, with a 95% stratified bootstrap interval "
            "where every game has several runs. Each agent at the end of its own runs, after the "
            "frames in the table.</p>" + _table(improvements)
        )
    for number, (title, text, _) in enumerate(charts):
        sections.append(f"<h2>{html.escape(title)}</h2><p>{text}</p><div id='chart{number}'></div>")
    sections.append(
        "<h2>Last scores</h2><p>Means over runs with their 95% bootstrap intervals; the interval "
        f"of two runs is the two runs. {_EARLY}</p>" + _table([row for row in rows if row["runs"]])
    )
    gaps = missing(rows)
    if gaps:
        sections.append(
            f"<h2>Missing</h2><p>{len(gaps)} of {len(rows)} have no score here: "
            f"{html.escape('; '.join(gaps))}.</p>"
        )
    if report.absent:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in report.absent)
        sections.append(f"<h2>Nothing found</h2><ul>{items}</ul>")
    sections.append("<h2>Where the numbers come from</h2>" + _table(origin_rows(report)))
    names = {curve.protocol.split(",")[0] for curve in report.all}
    sections.append(
        "<h2>Protocols</h2><p>What stands after a comma was changed.</p>"
        + _table(
            [
                {"protocol": name, "means": text}
                for name, text in curves.PROTOCOLS.items()
                if name in names
            ]
        )
    )
    sections.append(_configurations(report.runs))
    embeds = "\n".join(
        f"vegaEmbed('#chart{number}', {_safe(chart.to_dict())}, {{actions: false}})"
        f".catch(error => {{document.getElementById('chart{number}').textContent = error}});"
        for number, (_, _, chart) in enumerate(charts)
    )
    return _PAGE.format(
        body="\n".join(sections),
        bundle=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        embeds=embeds,
    )


def _configurations(runs: Sequence[curves.Curve]) -> str:
    """The gin configuration of every hash, where a run's directory still has it."""
    if not runs:
        return ""
    texts: dict[str, str] = {}
    for curve in runs:
        try:
            texts[curve.gin_hash] = (Path(curve.source) / "config.gin").read_text()
        except OSError:
            texts.setdefault(curve.gin_hash, "missing: its directory has only scores")
    parts = [
        f"<details><summary>{html.escape(gin_hash)}</summary><pre>{html.escape(text)}</pre></details>"
        for gin_hash, text in texts.items()
    ]
    return "<h2>Configurations of our runs</h2>" + "".join(parts)


def origin_rows(report: Report) -> list[dict[str, Any]]:
    """Who measured what, how, and over how many runs."""
    rows = []
    for agent in dict.fromkeys(curve.agent for curve in report.baselines):
        facts = curves.PUBLISHED[agent]
        found = [curve for curve in report.baselines if curve.agent == agent]
        rows.append(
            {
                "agent": f"{agent}, published",
                "measured by": facts.source,
                "returns of": facts.phase,
                "protocol": ", ".join(sorted({curve.protocol for curve in found})),
                "runs": _runs_of(found),
                "configuration": "as published",
            }
        )
    for curve in report.runs:
        rows.append(
            {
                "agent": label(curve),
                "measured by": curve.source,
                "returns of": curve.phase,
                "protocol": curve.protocol,
                "runs": f"{curve.game}, seed {curve.run}",
                "configuration": curve.gin_hash,
            }
        )
    return rows


def _runs_of(found: Sequence[curves.Curve]) -> str:
    games = [curve.game for curve in found]
    several = _range([games.count(game) for game in set(games)], "{:,}")
    return f"{several} a game, {len(set(games))} games"


def save_chart(report: Report, path: str) -> None:
    """The curves as a picture.

    Raises:
      UserError: the directory does not exist.
    """
    try:
        curves_chart(curve_points(report.all)).save(path, scale_factor=2)
    except OSError as error:
        raise UserError(f"--out={path} cannot be written ({error}).") from error


def _safe(specification: dict[str, Any]) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(specification).replace("<", "\\u003c")


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "<p>Nothing.</p>"
    names = list(max(rows, key=len))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(_shown(row.get(name, '')))}</td>" for name in names)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Comparison of agents</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; font-size: 13px; }}
td, th {{ padding: 2px 10px; border-bottom: 1px solid #ddd; text-align: left; }}
</style></head><body>
<h1>Comparison of agents</h1>
<p>Published curves are labelled as such. Dopamine's are returns of training; its agents act with
the minimal action set of each game. The authors of DreamerV2 do not say which returns theirs
are. Which returns and which protocol our runs have is in the tables.</p>
{body}
<script>{bundle}</script>
<script>{embeds}</script>
</body></html>
"""
