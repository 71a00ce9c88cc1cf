"""The sections of the page that are charts."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dreamer_tf.scores import budgets, charts, names, scales, specs, verdict
from dreamer_tf.scores.document import Canvas, Columns, Section, paragraph, table
from dreamer_tf.scores.report import Report
from dreamer_tf.scores.standings import Standings

_BANDS = "Bands are 95% bootstrap intervals, where there are several runs."


class Page(NamedTuple):
    """What several sections show."""

    report: Report
    standings: Standings
    games: list[dict[str, Any]]  # rows
    aggregates: list[dict[str, Any]]  # rows; none for a single game
    called: dict[str, str]  # label -> what the page calls the agent
    canvas: Canvas

    @property
    def common(self) -> list[str]:
        """Games of the aggregates."""
        return self.standings.games if self.aggregates else []

    @property
    def agents(self) -> list[str]:
        """What the page calls them, in the order of their colors."""
        return list(self.called.values())


def columns_of(points: Sequence[dict[str, Any]], page: Page, **fields: str) -> Columns:
    """Points as columns: 'agent' by number, and others by the names of their fields."""
    numbers = {agent: number for number, agent in enumerate(page.agents)}
    columns: dict[str, list[Any]] = {
        "agent": [numbers[page.called.get(p["agent"], p["agent"])] for p in points]
    }
    for name, field in fields.items():
        values = [point.get(field) for point in points]
        if any(value is not None for value in values):
            columns[name] = [
                names.rounded(value) if isinstance(value, float) else value for value in values
            ]
    return columns


def learning_curves(page: Page) -> Iterator[Section]:
    """Curves of every game, as small multiples."""
    by_game: dict[str, list[dict[str, Any]]] = {}
    for point in charts.curve_points(page.report.all):
        by_game.setdefault(point["game"], []).append(point)
    few = len(by_game) < 3
    height = 240 if few else 95
    figures = ""
    for game in sorted(by_game, key=names.game):
        ours = _first_frames(by_game[game], page.report.ours) if few else []
        if ours:
            until = names.frames(max(point["frames"] for point in ours))
            caption = f"{names.game(game)}, to {until}"
            figures += _curves(page, ours, caption, height, log=_apart(ours))
        points = by_game[game]
        figures += _curves(page, points, names.game(game), height, log=_apart(points))
    kind = "pair" if few else "grid"
    yield Section(
        "Learning curves",
        paragraph(
            "Returns over frames of training, means over runs. The band is a 95% bootstrap "
            "interval of the mean; of two runs, it is the two runs. Thin lines are single runs, "
            "if there are few. The scale of frames is logarithmic where agents end far apart."
        )
        + f'{page.canvas.legend()}<div class="{kind}">{figures}</div>',
    )


def _curves(
    page: Page,
    points: list[dict[str, Any]],
    caption: str,
    height: int,
    *,
    log: bool,
    y: str = "return",
    title: str = "",
) -> str:
    """Curves of points with 'frames' and the field `y`, and whatever else they have."""
    same = ("low", "high", "runs", "single", "run", "lone")
    fields = {"x": "frames", "y": y, **{name: name for name in same}}
    columns = columns_of(_lone(points), page, **fields)
    spec = specs.lines(page.agents, columns, title, "", log, height)
    return page.canvas.figure(caption, spec, columns)


def _first_frames(points: Sequence[dict[str, Any]], ours: Sequence[str]) -> list[dict[str, Any]]:
    """The points up to the end of our runs, where others go on for ten times as long.

    Beside what others reach later, our curves would all lie on one line.
    """
    ends = [point["frames"] for point in points if point["agent"] in ours]
    if not ends or len(ends) == len(points) or not _apart(points):
        return []
    return [point for point in points if point["frames"] <= 1.05 * max(ends)]


def differences(page: Page) -> Iterator[Section]:
    """Sorted differences of the first agent of each group that is ranked, and each other one."""
    groups = page.standings.groups if page.common else budgets.ranked(page.report)
    drawn = [
        (page.called[first], figure)
        for first, *others in groups
        for other in others
        if (figure := _difference(page, first, other))
    ]
    if drawn:
        first = names.listed(dict.fromkeys(name for name, _ in drawn))
        figures = "".join(figure for _, figure in drawn)
        yield Section(
            f"{first} game by game",
            paragraph(
                f"Bars to the right are games on which {first} is better, bars to the "
                "left have the color of the other agent. Last scores of each agent; the scale is "
                "logarithmic in both directions from 0.1 on. Agents after very different numbers "
                "of frames are left out."
            )
            + f'<div class="grid bars">{figures}</div>',
        )


def _difference(page: Page, first: str, other: str) -> str:
    """Bars of the games that two agents have; nothing for fewer than two."""
    points = charts.difference_points(page.games, first, other)
    if len(points) < 2:
        return ""
    columns: dict[str, list[Any]] = {
        "game": [names.game(point["game"]) for point in points],
        **{
            name: [names.rounded(point[name]) for point in points]
            for name in ("difference", "first", "second")
        },
    }
    colors = dict(zip(page.called, (s.color for s in specs.styles(page.agents)), strict=True))
    worse = colors[other] if colors[other] != colors[first] else "var(--muted)"
    unit = scales.of([points[0]["game"]]).title
    spec = specs.differences(len(points), colors[first], worse, unit)
    better = sum(point["difference"] > 0 for point in points)
    of = f"{better} of {len(points)}"
    caption = f"{page.called[first]} above {page.called[other]} on {of}"
    return page.canvas.figure(caption, spec, columns)


def profiles(page: Page) -> Iterator[Section]:
    """Performance profiles, on a linear or a log scale."""
    if not page.common:
        return
    points = charts.profile_points(page.standings)
    columns = columns_of(points, page, x="score", y="share", low="low", high="high")
    scale = page.standings.scale
    linear, log = (
        specs.profiles(page.agents, columns, log, scale.title, scale.largest)
        for log in (False, True)
    )
    place = page.canvas.chart(linear, columns, "Performance profiles")
    number = place.split('id="')[1].split('"')[0]
    choices = "".join(
        f'<label><input type="radio" name="scale" data-place="{number}" '
        f'data-spec="{page.canvas.spec(spec)}"{checked}> {text}</label>'
        for spec, text, checked in (
            (linear, f"Scores from 0 to {scale.largest:g}", " checked"),
            (log, "All scores, on a log scale", ""),
        )
    )
    yield Section(
        "Performance profiles",
        paragraph(
            "The share of runs and games with more than a score: higher is better at every score. "
            f"{_BANDS}"
        )
        + f'<p class="control">{choices}</p>{page.canvas.legend()}<div class="plot">{place}</div>',
    )


def over_frames(page: Page) -> Iterator[Section]:
    """The paper's aggregates over frames."""
    points = charts.aggregates_over_frames(page.report, list(page.standings.scores), page.common)
    if not points:
        return
    figures = ""
    log = _apart(points)
    for name, title in page.standings.scale.statistics.items():
        chosen = [point for point in points if point["aggregate"] == name]
        if not chosen:
            continue
        caption = names.heading(title)
        figures += _curves(page, chosen, caption, 140, y="value", title="frames", log=log)
    yield Section(
        "Aggregates over frames",
        paragraph(
            f"Over {names.number_of(len(page.common), 'game')} that these agents have. {_BANDS} "
            "Runs that have ended are not extended, so their number falls."
        )
        + f'{page.canvas.legend()}<div class="pair">{figures}</div>',
    )


def _apart(points: Sequence[dict[str, Any]]) -> bool:
    """Whether agents end at such different frames that only a log scale shows all of them."""
    ends: dict[str, float] = {}
    for point in points:
        ends[point["agent"]] = max(point["frames"], ends.get(point["agent"], 0.0))
    return max(ends.values()) > 10 * min(ends.values())


def _lone(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Marks the points of curves that have no other one: a line does not show them."""
    means = [point["agent"] for point in points if "single" not in point]
    return [
        point | {"lone": True}
        if "single" not in point and means.count(point["agent"]) == 1
        else point
        for point in points
    ]


def improvements(page: Page) -> Iterator[Section]:
    """Probabilities of improvement, as dots and as numbers; one chart for each first agent."""
    body = ""
    found = verdict.improvement_rows(page.report, page.standings)
    for first in dict.fromkeys(row["agent"] for row in found):
        rows = [row for row in found if row["agent"] == first]
        points = [
            {"agent": row["better than"], "value": row["probability"]}
            | ({"low": row["low"], "high": row["high"]} if row["low"] != "" else {})
            for row in rows
        ]
        others = [page.called[point["agent"]] for point in points]
        columns = columns_of(points, page, value="value", low="low", high="high")
        spec = specs.dots(page.agents, columns, "probability of improvement", 0.5, others)
        shown = [
            {key: page.called.get(str(value), value) for key, value in row.items()} for row in rows
        ]
        body += page.canvas.figure(f"{page.called[first]} against", spec, columns)
        body += f"<details><summary>Numbers</summary>{table(shown, 'cards')}</details>"
    if body:
        games = page.standings.games
        where = names.game(games[0]) if len(games) == 1 else "a random game"
        yield Section(
            "Probability of improvement",
            paragraph(
                f"How likely a run of one agent has a higher score than a run of another on {where}"
                "; a tie counts half. The line is a coin flip. Agents after very different numbers "
                "of frames are not put into one probability, and neither are published means."
            )
            + body,
        )
