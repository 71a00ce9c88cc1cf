"""Tables 1, 2 and K1 of the paper, from the published runs and beside runs of ours."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.errors import UserError
from dreamer_tf.scores import aggregate, curves, wins
from dreamer_tf.scores.report import label, value_range

END = 199_000_000  # frames; the published runs have their last common value there
TABLE_1 = ("DreamerV2", "DreamerV2 (schedules)", "IMPALA", "IQN", "Rainbow", "C51", "DQN")
TABLE_K1 = ("Rainbow", "IQN", "DreamerV2")
# Rows of Table 2: the gin file, and the figure that has the curves.
TABLE_2 = {
    "DreamerV2": ("ablations/mixed_gradients.gin", "5, G1, H1, I1, J1"),
    "No Layer Norm": ("ablations/no_layer_norm.gin", "J1"),
    "No Reward Gradients": ("ablations/no_reward_gradients.gin", "5, H1"),
    "No Discrete Latents": ("ablations/gaussian_latents.gin", "5, G1"),
    "No KL Balancing": ("ablations/no_kl_balancing.gin", "5, G1"),
    "No Policy Reinforce": ("ablations/no_policy_reinforce.gin", "I1"),
    "No Image Gradients": ("ablations/no_image_gradients.gin", "5, H1"),
    "Reinforce only (not in the table)": ("ablations/reinforce_only.gin", "I1"),
}

# label of an agent -> game -> run -> curve
Curves = dict[str, dict[str, dict[str, curves.Curve]]]


class Request(NamedTuple):
    """What a table or figure is made of, besides the published data."""

    runs: Sequence[curves.Curve] = ()  # ours
    games: Sequence[str] = ()  # keys; none for all
    frames: float = END  # the end of curves; a run that ended earlier keeps its last value
    bands: str = "std"  # of curves: 'std' as the paper, or 'interval'


def chosen_games(request: Request) -> list[str]:
    """The games of Table K1, or those of them that were asked for."""
    return [game for game in aggregate.games() if not request.games or game in request.games]


def common_games(request: Request) -> list[str]:
    """The chosen games that all agents of ours have, up to the end.

    Raises:
      UserError: there is none.
    """
    ours = [scores_at(games, request.frames) for games in collect(request.runs).values()]
    common = [game for game in chosen_games(request) if all(game in scores for scores in ours)]
    if not common:
        raise UserError(
            "No game of the paper's 55 Atari games has runs of all agents in --runs: leave some "
            "out, or use --paper=tableK1 or --paper=figureF1."
        )
    return common


def collect(found: Iterable[curves.Curve]) -> Curves:
    """Curves by agent, game and run. Runs of one seed, as of two machines, are several runs."""
    agents: Curves = {}
    for curve in found:
        runs = agents.setdefault(label(curve), {}).setdefault(curve.game, {})
        again = sum(other.run == curve.run for other in runs.values())
        runs[f"{curve.run}, {again + 1}" if again else curve.run] = curve
    return agents


def scores_at(games: Mapping[str, Mapping[str, curves.Curve]], frames: float) -> aggregate.Scores:
    """Game -> scores of its runs: the last value of each run up to a number of frames.

    Runs without a value are left out, and games without such runs.
    """
    scores = {
        game: [value for curve in runs.values() if not np.isnan(value := curve.at(frames))]
        for game, runs in games.items()
    }
    return {game: runs for game, runs in scores.items() if runs}


def agents_of(names: Sequence[str], request: Request, over: Sequence[str]) -> Curves:
    """Curves of agents of ours on the games that they have, then of published ones, on all.

    Raises:
      UserError: a published agent has no score so early.
    """
    names = [name for name in names if name in curves.PUBLISHED]
    found: Curves = {}
    for agent, games in collect([*request.runs, *curves.published(names, over)]).items():
        scores = scores_at({game: games[game] for game in over if game in games}, request.frames)
        found[agent] = {game: games[game] for game in scores}
        if len(scores) < len(over) and agent.endswith(", published"):
            raise UserError(
                f"{agent}, has no scores up to --frames={request.frames:.0f}: name more frames."
            )
    return {agent: games for agent, games in found.items() if games}


def facts(games: Mapping[str, Mapping[str, curves.Curve]], frames: float) -> dict[str, Any]:
    """What stands behind an aggregate: games, runs and frames."""
    ends = [min(c.frames[-1], frames) / 1e6 for runs in games.values() for c in runs.values()]
    return {
        "games": len(games),
        "runs a game": value_range([len(runs) for runs in games.values()], "{:,}"),
        "frames": value_range(ends, "{:.3g}M"),
    }


def table_1(request: Request) -> list[dict[str, Any]]:
    """Aggregates over games, computed from the runs; as printed beside them over all games."""
    over = common_games(request)
    whole = len(over) == len(aggregate.games()) and request.frames == END
    printed = {str(row["Agent"]): row for row in curves.table("table_1")}
    found = agents_of(TABLE_1, request, over)
    names = [label(curve) for curve in request.runs]
    names += [f"{agent}, published" for agent in TABLE_1 if whole or agent in curves.PUBLISHED]
    rows = []
    for name in dict.fromkeys(names):
        row: dict[str, Any] = {"agent": name}
        if name in found:
            row |= aggregate.aggregate(scores_at(found[name], request.frames))
            row |= facts(found[name], request.frames)
        else:
            row |= dict.fromkeys(aggregate.AGGREGATES, "")
            row |= {"games": "no runs published", "runs a game": "", "frames": ""}
        if whole:
            values = printed.get(name.removesuffix(", published"), {})
            numbers = [f"{values[key]:.2f}" for key in aggregate.AGGREGATES if values]
            row["as printed"] = " / ".join(numbers)
        rows.append(row)
    return rows


def table_2(request: Request) -> list[dict[str, Any]]:
    """The ablations as printed; aggregates of runs of ours above them."""
    rows = []
    if request.runs:
        over = common_games(request)
        for agent, games in agents_of((), request, over).items():
            values = aggregate.aggregate(scores_at(games, request.frames))
            behind = facts(games, request.frames)
            origin = {"against DreamerV2": "", "gin file": "", "figure": ""}
            rows.append({"agent": agent, **values, **origin, **behind})
    for line in curves.table("table_2"):
        name = str(line["Agent"])
        printed = {key: line.get(key, "") for key in aggregate.AGGREGATES}
        counts = ""
        if "Better" in line:
            counts = f"{line['Better']} better, {line['Tied']} tied, {line['Worse']} worse"
        file, figure = TABLE_2[name]
        row = {"agent": name, **printed, "against DreamerV2": counts}
        row |= {"gin file": file, "figure": figure}
        # The paper names the number of seeds only in the caption of figure G1: two.
        behind = {"games": 55, "runs a game": "", "frames": "200M"}
        rows.append(row | behind if request.runs else row)
    return rows


def table_k1(request: Request) -> list[dict[str, Any]]:
    """Scores of each game; those within 5% of the best agent have a star."""
    over = chosen_games(request)
    found = agents_of(TABLE_K1, request, over)
    names = [name for name in found if name.endswith(", ours")]
    names += [f"{name}, published" for name in TABLE_K1]
    rows = []
    for line in curves.table("table_k1"):
        if line["Game"] not in over:
            continue
        game = str(line["Game"])
        scores = {
            name: float(np.mean(scores_at({game: found[name][game]}, request.frames)[game]))
            for name in names
            if game in found[name]
        }
        best = max(scores.values())
        row = {"Task": line["Name"]}
        row |= {key: f"{line[key]:,}" for key in ("Random", "Gamer", "Record")}
        for name in names:
            cell = ""
            if name in scores:
                cell = f"{round(scores[name]):,}" + "*" * wins.close(scores[name], best)
            row[name.removesuffix(", published")] = cell
        rows.append(row)
    return rows
