"""Who stands beside whom in an aggregate, and on which games."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dreamer_tf.scores import aggregate, budgets, names, scales
from dreamer_tf.scores.report import Report, facts, last_scores


class Standings(NamedTuple):
    """The agents that have an aggregate over common games."""

    scores: dict[str, dict[str, list[float]]]  # label -> game -> last scores of whole runs
    games: list[str]  # that all of these agents have, with reference scores
    groups: list[list[str]]  # labels that are ranked together, because of similar frames

    @property
    def scale(self) -> scales.Scale:
        """What normalized scores mean."""
        return scales.of(self.games)

    @property
    def single(self) -> set[str]:
        """Labels whose scores say nothing about how runs differ, on one game at least."""
        return {a for a, table in self.scores.items() if fewest_runs(table, self.games) < 2}


def fewest_runs(table: aggregate.Scores, over: Sequence[str]) -> int:
    """Smallest number of runs of an agent on any of the games."""
    return min(len(table[game]) for game in over)


def compute(report: Report) -> Standings:
    """The agents and games of the aggregates.

    An agent with few games does not take the games of all others away: of the agents that can be
    ranked together, those are chosen that have most games and agents, as a product. Others join
    if they have all of these games.

    The games are those of the 55 Atari games, or else tasks of the control suite: where several
    agents share more than one.
    """
    atari = _of_suite(report, set(aggregate.games()))
    if _ranks(atari):
        return atari
    tasks = _of_suite(report, {game for game in report.games if names.is_of_the_suite(game)})
    return tasks if _ranks(tasks) else atari


def _ranks(found: Standings) -> bool:
    return len(found.games) > 1 and len(found.scores) > 1


def _of_suite(report: Report, known: set[str]) -> Standings:
    scores = last_scores(report)
    games = {agent: set(table) & known for agent, table in scores.items()}
    with_games = [agent for agent in report.agents if games.get(agent)]
    groups = budgets.ranked(report, sorted(known))
    candidates = groups[0] if groups and len(groups[0]) > 1 else with_games
    over = _common(candidates, games)
    joined = {a: scores[a] for a in with_games if over and over <= games[a]}
    ends = {a: frames for a, frames in budgets.frames(report, sorted(over)).items() if a in joined}
    return Standings(joined, sorted(over), budgets.groups(ends, report.ours))


def _common(agents: Sequence[str], games: dict[str, set[str]]) -> set[str]:
    """The games that are common to two agents at least, the most of both as a product."""
    if len(agents) < 2:
        return games[agents[0]] if agents else set()
    best: set[str] = set()
    size = 0
    for seed in agents:
        # Those that share most with this one come first.
        order = sorted(agents, key=lambda agent: -len(games[agent] & games[seed]))
        for count in range(2, len(order) + 1):
            over = set[str].intersection(*(games[agent] for agent in order[:count]))
            if count * len(over) > size:
                best, size = over, count * len(over)
    return best


def aggregate_rows(report: Report, found: Standings) -> list[dict[str, Any]]:
    """The paper's aggregates, IQM and optimality gap.

    Returns:
      One row for each agent of the standings. It has the ends of an interval only if every game
      has several runs. There are no rows if no game is common.
    """
    if not found.games:
        return []
    behind = facts(report, found.games)
    rows = []
    for agent, statistics in aggregate.intervals(found.scores, found.games).items():
        row: dict[str, Any] = {"agent": agent}
        for name, column in found.scale.statistics.items():
            interval = statistics[name]
            row[column] = interval.value
            row[f"{column} low"] = "" if agent in found.single else interval.low
            row[f"{column} high"] = "" if agent in found.single else interval.high
        rows.append(row | behind[agent])
    return rows
