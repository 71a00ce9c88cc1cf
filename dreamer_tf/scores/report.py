"""What is compared, and its rows: last scores, aggregates, origins."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.scores import aggregate, curves, names

MEAN = "a published mean; its runs are not known"


class Report(NamedTuple):
    """The curves that are compared."""

    runs: list[curves.Curve]  # ours
    baselines: list[curves.Curve]  # published
    absent: tuple[str, ...] = ()  # sentences about what was asked for and has no score
    subset: str = "atari5"  # games from which a median is predicted
    frames: int | None = None  # where all are compared; None for the end of each run
    command: str = ""  # that made the page, if it is known

    @property
    def all(self) -> list[curves.Curve]:
        """Every curve."""
        return [*self.runs, *self.baselines]

    @property
    def ours(self) -> list[str]:
        """Labels of the agents of our runs."""
        return list(dict.fromkeys(label(curve) for curve in self.runs))

    @property
    def games(self) -> list[str]:
        """Games of all curves, sorted."""
        return sorted({curve.game for curve in self.all})

    @property
    def agents(self) -> list[str]:
        """Labels of all agents, ours first."""
        return list(dict.fromkeys(label(curve) for curve in self.all))


def label(curve: curves.Curve) -> str:
    """An agent's name on the page. Our runs and published ones of the same name are two agents."""
    return f"{curve.agent}, published" if curve.source == "published" else f"{curve.agent}, ours"


def grouped(found: Iterable[curves.Curve]) -> dict[tuple[str, str], list[curves.Curve]]:
    """Curves by game and label."""
    groups: dict[tuple[str, str], list[curves.Curve]] = {}
    for curve in found:
        groups.setdefault((curve.game, label(curve)), []).append(curve)
    return groups


def whole_runs(found: Sequence[curves.Curve]) -> list[curves.Curve]:
    """Runs of one agent on one game, without those that ended early."""
    # Scores rise with frames, so a run that ended early would pull the mean down.
    longest = max(curve.length for curve in found)
    return [curve for curve in found if curve.length >= (1.0 - curves.NEAR) * longest]


def game_rows(report: Report) -> list[dict[str, Any]]:
    """One row for each game and agent: last score, interval, and the runs behind it."""
    groups = grouped(report.all)
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
                    "frames": round(float(np.mean([curve.end for curve in whole]))),
                    "phase": found[0].phase,
                    "protocol": ", ".join(sorted({curve.protocol for curve in found})),
                }
                | ({"note": MEAN} if found[0].is_mean else {})
            )
    return rows


def last_scores(report: Report) -> dict[str, dict[str, list[float]]]:
    """Label -> game -> last scores of whole runs."""
    scores: dict[str, dict[str, list[float]]] = {}
    for (game, agent), found in grouped(report.all).items():
        scores.setdefault(agent, {})[game] = [float(c.values[-1]) for c in whole_runs(found)]
    return scores


def facts(report: Report, over: Sequence[str]) -> dict[str, dict[str, str]]:
    """Label -> the runs, frames and protocols behind its scores on games, if it has any."""
    groups = grouped(report.all)
    behind = {}
    for agent in report.agents:
        found = [curve for game in over for curve in groups.get((game, agent), [])]
        if not found:
            continue
        whole = [whole_runs(groups[game, agent]) for game in over if (game, agent) in groups]
        behind[agent] = {
            "runs a game": runs_a_game(whole),
            "ended early": f"{len(found) - sum(map(len, whole)):,}",
            "frames": value_range([c.end / 1e6 for runs in whole for c in runs], "{:.3g}M"),
            "phase": ", ".join(sorted({curve.phase for curve in found})),
            "protocol": ", ".join(sorted({curve.protocol for curve in found})),
        }
    return behind


def runs_a_game(groups: Sequence[Sequence[curves.Curve]]) -> str:
    """'3 to 5', of the runs of several games; or that they are published means."""
    if any(curve.is_mean for found in groups for curve in found):
        return "a published mean"
    return value_range([len(found) for found in groups], "{:,}")


def value_range(values: Sequence[float], form: str) -> str:
    """'2 to 5', or '2' if all values look the same in the given format."""
    ends = list(dict.fromkeys(form.format(value) for value in (min(values), max(values))))
    return " to ".join(ends)


def missing(rows: Sequence[dict[str, Any]]) -> list[str]:
    """'agent on game' for each agent without a score on a game."""
    return [f"{row['agent']} on {row['game']}" for row in rows if not row["runs"]]


def origin_rows(report: Report) -> list[dict[str, Any]]:
    """One row for each published agent and each run: who measured it, how, over how many runs."""
    rows = []
    for agent in dict.fromkeys(curve.agent for curve in report.baselines):
        origin = curves.PUBLISHED[agent]
        found = [curve for curve in report.baselines if curve.agent == agent]
        rows.append(
            {
                "agent": f"{agent}, published",
                "measured by": origin.source,
                "returns of": ", ".join(sorted({curve.phase for curve in found})),
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
                "runs": f"{names.game(curve.game)}, seed {curve.run}",
                "configuration": curve.gin_hash,
            }
        )
    return rows


def _runs_of(found: Sequence[curves.Curve]) -> str:
    games = {curve.game: [c for c in found if c.game == curve.game] for curve in found}
    several = runs_a_game(list(games.values()))
    early = len(found) - sum(len(whole_runs(runs)) for runs in games.values())
    text = f"{several} a game" if several[:1].isdigit() else several
    text += f", {names.number_of(len(games), 'game')}"
    return text + (f"; {early} of them ended early" if early else "")
