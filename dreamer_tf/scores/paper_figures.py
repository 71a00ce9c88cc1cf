"""Figures 1, 4, A2, B2, E1 and F1 of the paper, from the published runs and beside runs of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dreamer_tf.scores import aggregate, curves
from dreamer_tf.scores.paper_tables import (
    Curves,
    Request,
    agents_of,
    chosen_games,
    collect,
    common_games,
    facts,
    scores_at,
)
from dreamer_tf.scores.report import value_range

MODEL_FREE = ("IQN", "Rainbow", "C51", "DQN")
FIGURE_1 = ("DreamerV2", "Rainbow", "IQN", "SimPLe at 400k")
FIGURE_4 = ("DreamerV2", *MODEL_FREE)
FIGURE_F1 = ("DreamerV2", "IQN", "Rainbow")
FIGURE_B2 = ("DreamerV2 (Montezuma)", "IQN", "Rainbow", "C51", "DQN")
PANELS = dict(
    zip(
        aggregate.AGGREGATES,
        ("Gamer Median", "Gamer Mean", "Record Mean", "Clipped Record Mean"),
        strict=True,
    )
)
_POINTS = 25  # of a curve, at most

Points = list[dict[str, Any]]


def figure_1(request: Request) -> Points:
    """Gamer normalized median of each agent."""
    over = common_games(request)
    found = agents_of([name for name in FIGURE_1 if "400k" not in name], request, over)
    # SimPLe was published on 36 games after 400k frames only.
    simple = collect(curves.published(["SimPLe at 400k"], over))
    points = []
    for agent, games in (found | simple).items():
        scores = scores_at(games, request.frames)
        value = aggregate.aggregate(scores)["gamer_median"]
        points.append({"agent": agent, "gamer_median": value, **facts(games, request.frames)})
    return points


def figure_4(request: Request) -> Points:
    """The four aggregates over frames, with bands."""
    over = common_games(request)
    return _aggregate_points(agents_of(FIGURE_4, request, over), request)


def figure_e1(request: Request) -> Points:
    """Difference of gamer normalized scores of each game, of DreamerV2 and of agents of ours."""
    over = chosen_games(request)
    names = {str(row["Game"]): str(row["Name"]) for row in curves.table("table_k1")}
    found = agents_of(FIGURE_4, request, over)
    normalized = {
        agent: {
            game: float(np.mean(aggregate.normalize(game, runs, "Gamer")))
            for game, runs in scores_at(games, request.frames).items()
        }
        for agent, games in found.items()
    }
    others = [f"{name}, published" for name in MODEL_FREE]
    points = []
    ours = [agent for agent in found if agent.endswith(", ours")]
    for left in ("DreamerV2, published", *ours):
        for right in others:
            short = f"{left.removesuffix(', published')} - {right.removesuffix(', published')}"
            differences = {
                names[game]: value - normalized[right][game]
                for game, value in normalized[left].items()
            }
            ranked = sorted(differences.items(), key=lambda item: -item[1])
            points += [
                {"panel": short, "game": game, "difference": value, "rank": rank}
                for rank, (game, value) in enumerate(ranked, 1)
            ]
    return points


def figure_f1(request: Request) -> Points:
    """Returns over frames on every game, and the four aggregates."""
    over = chosen_games(request)
    found = agents_of(FIGURE_F1, request, over)
    names = {str(row["Game"]): str(row["Name"]) for row in curves.table("table_k1")}
    points = [
        point
        for game in over
        for agent, games in found.items()
        if game in games
        for point in _curve_points(agent, names[game], games[game], request)
    ]
    whole = {agent: games for agent, games in found.items() if len(games) == len(over)}
    return points + _aggregate_points(whole, request)


def figure_a2(request: Request) -> Points:
    """Returns on the humanoid, from pixels."""
    return _task_points("humanoidwalk", "Humanoid Walk", ("DreamerV2",), request)


def figure_b2(request: Request) -> Points:
    """Returns on Montezuma's Revenge; Rainbow with ICM published no curve."""
    return _task_points("montezumarevenge", "Montezuma Revenge", FIGURE_B2, request)


def _task_points(game: str, name: str, agents: Sequence[str], request: Request) -> Points:
    ours = [curve for curve in request.runs if curve.game == game]
    found = collect([*ours, *curves.published(agents, [game])])
    return [
        point
        for agent, games in found.items()
        for point in _curve_points(agent, name, games[game], request)
    ]


def _curve_points(
    agent: str, panel: str, runs: Mapping[str, curves.Curve], request: Request
) -> Points:
    """Mean over runs with a band; a run that ended early keeps its last value, as in the paper."""
    points = []
    for frames in _grid(list(runs.values()), request.frames):
        values = scores_at({"": runs}, frames).get("", [])
        if not values:
            continue
        point = {"panel": panel, "agent": agent, "frames": frames, "value": float(np.mean(values))}
        points.append(point | _band(values, request.bands) | {"runs": str(len(values))})
    return points


def _band(values: Sequence[float], bands: str) -> dict[str, float]:
    if len(values) < 2:
        return {}
    if bands == "interval":
        interval = aggregate.mean_interval(values, reps=300)
        return {"low": interval.low, "high": interval.high}
    mean, deviation = float(np.mean(values)), float(np.std(values))
    return {"low": mean - deviation, "high": mean + deviation}


def _aggregate_points(agents: Curves, request: Request) -> Points:
    """Aggregates over all games, each with the spread of the aggregates of single seeds."""
    points = []
    for agent, games in agents.items():
        every = [curve for runs in games.values() for curve in runs.values()]
        for frames in _grid(every, request.frames):
            scores = scores_at(games, frames)
            if len(scores) < len(games):
                continue  # an aggregate over other games would not be comparable
            values = aggregate.aggregate(scores)
            bands = _aggregate_bands(games, scores, frames, request.bands)
            counts = value_range([len(runs) for runs in scores.values()], "{:,}")
            for name, panel in PANELS.items():
                point = {"panel": panel, "agent": agent, "frames": frames, "value": values[name]}
                points.append(point | bands.get(name, {}) | {"runs": f"{counts} a game"})
    return points


def _aggregate_bands(
    games: Mapping[str, Mapping[str, curves.Curve]],
    scores: aggregate.Scores,
    frames: float,
    bands: str,
) -> dict[str, dict[str, float]]:
    if bands == "interval":
        if min(len(runs) for runs in scores.values()) < 2:
            return {}
        found = aggregate.paper_intervals(scores, reps=200)
        return {name: {"low": one.low, "high": one.high} for name, one in found.items()}
    seeds = set.intersection(*(set(runs) for runs in games.values()))
    single = []
    for seed in sorted(seeds):
        of_seed = scores_at({game: {seed: runs[seed]} for game, runs in games.items()}, frames)
        if len(of_seed) == len(games):
            single.append(aggregate.aggregate(of_seed))
    if len(single) < 2:
        return {}
    values = aggregate.aggregate(scores)
    spread = {name: float(np.std([one[name] for one in single])) for name in values}
    return {
        name: {"low": value - spread[name], "high": value + spread[name]}
        for name, value in values.items()
    }


def _grid(found: Sequence[curves.Curve], end: float) -> list[float]:
    """Frames of the longest run, up to the end; not all of them where there are many."""
    longest = max(found, key=lambda curve: curve.frames[-1])
    frames = [float(value) for value in longest.frames if value <= end]
    picks = np.linspace(0, len(frames) - 1, min(len(frames), _POINTS)).round().astype(int)
    return [frames[pick] for pick in picks]


def last_rows(points: Points) -> Points:
    """The end of every curve, for a table that people read."""
    last = {(point["panel"], point["agent"]): point for point in points}
    return [
        {key: point.get(key, "") for key in ("panel", "agent", "frames", "value", "low", "high")}
        | {"frames": int(point["frames"]), "runs": point["runs"]}
        for point in last.values()
    ]


def difference_rows(points: Points) -> Points:
    """One row for each game, one column for each panel of figure E1."""
    panels = dict.fromkeys((point["panel"] for point in points), "")
    rows: dict[str, dict[str, Any]] = {}
    for point in points:
        row = rows.setdefault(point["game"], {"game": point["game"], **panels})
        row[point["panel"]] = point["difference"]
    return list(rows.values())
