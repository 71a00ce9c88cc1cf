"""Charts of a comparison: their points, and the Altair charts that show them."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.scores import aggregate, bootstrap, curves, names
from dreamer_tf.scores.report import Report, grouped, value_range
from dreamer_tf.scores.standings import Standings

_POINTS = 40  # of a drawn curve
_SINGLES = 60  # with more runs than this, single runs are not drawn


# Scores of most games are below a few times the gamer's; one game reaches a hundred times. On the
# control suite many runs are just below 1.
TAUS = np.unique(
    np.concatenate(
        [np.linspace(0.0, 1.0, 201), np.linspace(0.0, 8.0, 65), np.geomspace(0.01, 100.0, 57)]
    )
)


def profile_points(standings: Standings, taus: np.ndarray = TAUS) -> list[dict[str, Any]]:
    """Performance profiles with pointwise 95% stratified bootstrap intervals."""
    if not standings.games:
        return []
    points = []
    found = aggregate.performance_profiles(standings.scores, standings.games, taus)
    for agent, profile in found.items():
        several = agent not in standings.single
        for tau, (share, low, high) in zip(taus.tolist(), profile.tolist(), strict=True):
            point = {"agent": agent, "score": tau, "share": share}
            points.append(point | ({"low": low, "high": high} if several else {}))
    return points


def curve_points(found: Iterable[curves.Curve]) -> list[dict[str, Any]]:
    """Means over runs with 95% bootstrap intervals, on a common grid of frames.

    Returns:
      Points with 'return', 'low', 'high' and 'runs', the number of runs. If there are few enough
      runs to tell them apart, also points of single runs, with 'run' and 'single'.
    """
    groups = grouped(found)
    singles = sum(map(len, groups.values())) <= _SINGLES
    points = []
    for (game, agent), runs in groups.items():
        if singles:
            for curve in runs:
                place = {"game": game, "agent": agent, "run": curve.run}
                for frames, value in zip(curve.frames, curve.values, strict=True):
                    points.append(place | {"frames": float(frames), "single": float(value)})
        place = {"game": game, "agent": agent}
        points += [place | point for point in _mean_points(runs)]
    return points


def _mean_points(runs: Sequence[curves.Curve]) -> list[dict[str, Any]]:
    """Means of one agent on one game, with intervals."""
    runs = _aligned(runs)
    alive: dict[tuple[int, ...], list[float]] = {}  # numbers of the runs that cover -> frames
    for frames in _grid(runs):
        numbers = tuple(n for n, curve in enumerate(runs) if curve.covers(frames))
        # The mean of the few runs that are left would jump.
        if len(numbers) * 2 >= len(runs):
            alive.setdefault(numbers, []).append(frames)
    points = []
    for numbers, grid in alive.items():
        values = np.array([[runs[n].at(frames) for n in numbers] for frames in grid])
        low, high = bootstrap.mean_intervals(values, reps=300)
        columns = (grid, values.mean(1).tolist(), low.tolist(), high.tolist())
        keys = ("frames", "return", "low", "high")
        points += [
            dict(zip(keys, row, strict=True)) | {"runs": len(numbers)}
            for row in zip(*columns, strict=True)
        ]
    return sorted(points, key=lambda point: point["frames"])


def _aligned(runs: Sequence[curves.Curve]) -> list[curves.Curve]:
    """Runs of ours, each score at the mean frames of its iteration over the runs that have it.

    Iterations end with whole episodes. At one number of frames the longest runs alone would be
    left, and the last mean would be another one than that of the tables.
    """
    if any(curve.iterations is None for curve in runs) or len(runs) < 2:
        return list(runs)
    most = max(len(curve.frames) for curve in runs)
    mean = [
        float(np.mean([curve.frames[k] for curve in runs if len(curve.frames) > k]))
        for k in range(most)
    ]
    # Where a run is missing, the mean of the others may lie before the one before it.
    common = np.maximum.accumulate(mean)
    moved = [curve._replace(frames=common[: len(curve.frames)]) for curve in runs]
    # Other lengths of an iteration, not other ends of episodes: such runs have no common grid.
    if any(np.abs(a.frames / b.frames - 1.0).max() > 0.2 for a, b in zip(moved, runs, strict=True)):
        return list(runs)
    return moved


def _grid(runs: Sequence[curves.Curve]) -> list[float]:
    """Frames at which the mean over runs is drawn."""
    grid = sorted({float(frames) for curve in runs for frames in curve.frames})
    # Runs report after whole episodes, so at nearly the same frames. The last of them is enough.
    close = 0.02 * grid[-1]
    grid = [a for a, b in zip(grid, [*grid[1:], np.inf], strict=True) if b - a > close]
    if len(grid) <= _POINTS:
        return grid
    picks = np.linspace(0, len(grid) - 1, _POINTS).round().astype(int)
    return [grid[pick] for pick in picks]


def curves_chart(points: Sequence[dict[str, Any]], columns: int = 3) -> Any:
    """Curves of all games with bands (figure F1), an Altair chart."""
    import altair as alt

    points = [point | {"game": names.game(point["game"])} for point in points]
    means = [point for point in points if "return" in point]
    ends: dict[str, dict[str, float]] = {}
    for point in means:
        ends.setdefault(point["game"], {})[point["agent"]] = point["frames"]  # ascending
    apart = any(max(last.values()) > 10 * min(last.values()) for last in ends.values())
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X(
            "frames:Q",
            title="frames",
            axis=alt.Axis(format="~s"),
            scale=alt.Scale(type="log" if apart else "linear"),
        ),
        color=alt.Color("agent:N", title="agent", legend=alt.Legend(labelLimit=0, symbolOpacity=1)),
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


def difference_points(
    rows: Sequence[dict[str, Any]], left: str, right: str
) -> list[dict[str, Any]]:
    """Difference of normalized scores for each game, the largest first (figure E1)."""
    scores = {(row["game"], row["agent"]): row.get("score") for row in rows}
    points = []
    known = set(aggregate.games())
    for game in sorted({row["game"] for row in rows}):
        if game not in known and not names.is_of_the_suite(game):
            continue
        ours, theirs = scores.get((game, left)), scores.get((game, right))
        if ours is None or theirs is None:
            continue
        first, second = (
            float(aggregate.normalize(game, score, "Gamer")) for score in (ours, theirs)
        )
        points.append(
            {"game": game, "difference": first - second, "first": first, "second": second}
        )
    return sorted(points, key=lambda point: -point["difference"])


def aggregates_over_frames(
    report: Report, agents: Sequence[str], over: Sequence[str], count: int = 12
) -> list[dict]:
    """The paper's four aggregates at points of training (figure 4), with intervals.

    Args:
      report: has the curves.
      agents: labels of agents that have all of the games.
      over: games; there are no points without any.
      count: number of points.
    """
    if not over:
        return []
    points = []
    groups = grouped(report.all)
    for agent in agents:
        found = [curve for game in over for curve in groups[game, agent]]
        for frames in np.linspace(0, max(curve.frames[-1] for curve in found), count + 1)[1:]:
            scores: dict[str, list[float]] = {}
            for curve in found:
                if curve.covers(frames):
                    value = float(curve.until(frames).values[-1])
                    scores.setdefault(curve.game, []).append(value)
            # An aggregate over other games would not be comparable with the earlier points.
            if len(scores) < len(over):
                continue
            runs = [len(values) for values in scores.values()]
            estimates = aggregate.paper_intervals(scores, reps=200)
            for name, interval in estimates.items():
                point = {"agent": agent, "frames": float(frames), "aggregate": name}
                point |= {"value": interval.value, "runs": value_range(runs, "{:,}") + " a game"}
                if min(runs) > 1:
                    point |= {"low": interval.low, "high": interval.high}
                points.append(point)
    return points


def _called(points: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Label -> what a picture calls the agent.

    Configurations of one agent that share no game need no names of their own: every game has a
    panel for itself.
    """
    games: dict[str, set[str]] = {}
    for point in points:
        games.setdefault(point["agent"], set()).add(point["game"])
    agents: dict[str, list[str]] = {}
    for label in games:
        agents.setdefault(re.sub(r" \(.*\)(?=, ours$)", "", label), []).append(label)
    found: dict[str, str] = {}
    for agent, labels in agents.items():
        several = [games[label] for label in labels]
        apart = sum(map(len, several)) == len(set().union(*several))
        found |= {label: agent if apart else label for label in labels}
    shown = names.agents(list(found.values()))
    return {label: shown[name] for label, name in found.items()}


def save_chart(report: Report, path: str) -> None:
    """Writes the curves as a picture.

    Raises:
      UserError: the directory does not exist.
    """
    points = curve_points(report.all)
    called = _called(points)
    points = [point | {"agent": called[point["agent"]]} for point in points]
    try:
        curves_chart(points).save(path, scale_factor=2)
    except OSError as error:
        raise UserError(f"--out={path} cannot be written ({error}).") from error
