"""Who is better, by how much, how sure: the sentences at the top of the page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.scores import aggregate, curves, names
from dreamer_tf.scores.report import (
    Report,
    common_scores,
    facts,
    fewest_runs,
    grouped,
    label,
    whole_runs,
)

# Agents whose frames differ by more are not ranked together. Published curves end between 190M and
# 200M frames, and runs end with whole episodes; what was trained twice as long is another question.
SIMILAR = 1.5


class Lead(NamedTuple):
    """The best of agents with similar budgets, and how far it is ahead of the next one."""

    first: str
    second: str
    iqm: float
    next_iqm: float
    lead: aggregate.Interval
    sure: bool | None  # whether the interval excludes 0; None if there is none


def budgets(report: Report, over: Sequence[str]) -> dict[str, float]:
    """Label -> frames of training at which it is compared: the median over games."""
    groups = grouped(report.all)
    found = {}
    for agent in report.agents:
        ends = [
            max(curve.frames[-1] for curve in groups[game, agent])
            for game in over
            if (game, agent) in groups
        ]
        if ends:
            found[agent] = float(np.median(ends))
    return found


def similar(left: float, right: float) -> bool:
    """Whether two numbers of frames are close enough for one ranking."""
    return max(left, right) <= SIMILAR * min(left, right)


def ranked(frames: dict[str, float]) -> list[str]:
    """The agents that are ranked: those with about as many frames as the most agents have.

    Of two groups of one size, that of the agent that was named first.
    """
    groups = [[a for a in frames if similar(frames[a], frames[agent])] for agent in frames]
    return max(groups, key=len, default=[])


def lead(report: Report, agents: Sequence[str], over: Sequence[str]) -> Lead | None:
    """The lead in the interquartile mean; None for fewer than two agents or no common game."""
    scores, _ = common_scores(report)
    if len(agents) < 2 or not over:
        return None
    values = {agent: aggregate.iqm(scores[agent], over) for agent in agents}
    first, second, *_ = sorted(agents, key=lambda agent: -values[agent])
    ahead = aggregate.iqm_lead(scores[first], scores[second], over)
    several = min(fewest_runs(scores[agent], over) for agent in (first, second)) > 1
    sure = ahead.low > 0 if several else None
    return Lead(first, second, values[first], values[second], ahead, sure)


def improvement_rows(report: Report) -> list[dict[str, Any]]:
    """Probability that a run of one agent beats a run of another on a random game.

    The one agent is the first that is ranked. Agents after very different numbers of frames are
    not put into one probability.
    """
    scores, common = common_scores(report)
    first, *others = ranked(budgets(report, common)) or [""]
    behind = facts(report, common) if others else {}
    rows = []
    for other in others:
        found = aggregate.probability_of_improvement(scores[first], scores[other], common)
        several = min(fewest_runs(scores[agent], common) for agent in (first, other)) > 1
        rows.append(
            {
                "agent": first,
                "better than": other,
                "probability": found.value,
                "low": found.low if several else "",
                "high": found.high if several else "",
            }
            | {
                name: f"{behind[first][name]} against {behind[other][name]}"
                for name in ("runs a game", "frames", "protocol")
            }
        )
    return rows


def sentences(report: Report, over: Sequence[str], called: dict[str, str]) -> list[str]:
    """The answer in words: first who leads, then how sure that is, then who is not ranked.

    Args:
      report: what is compared.
      over: games that all agents have.
      called: label -> what the page calls the agent.
    """
    frames = budgets(report, over)
    agents = ranked(frames)
    found = lead(report, agents, over)
    if found is None or len(over) < 2:
        return _without_reference(report, called)
    first, second = called[found.first], called[found.second]
    text = [
        f"{first} has the best score over {names.number_of(len(over), 'game')}: an interquartile "
        f"mean of {names.score(found.iqm)}, where 0 is random play and 1 is a human gamer.",
        f"{second} follows with {names.score(found.next_iqm)}.",
    ]
    ends = names.interval(found.lead.low, found.lead.high)
    ahead = f"The lead of {names.score(found.lead.value)}"
    if found.sure is None:
        text.append("Some games have a single run, so nothing says how sure this is.")
    elif found.sure:
        text.append(f"{ahead} is clear: its 95% interval is {ends}.")
    else:
        text.append(f"{ahead} is uncertain: its 95% interval, {ends}, contains 0.")
    return [*text, *_not_ranked(frames, agents, called)]


def _not_ranked(
    frames: dict[str, float], agents: Sequence[str], called: dict[str, str]
) -> list[str]:
    apart = [agent for agent in frames if agent not in agents]
    if not apart:
        return []
    listed = names.listed(f"{called[a]} after {names.frames(frames[a])}" for a in apart)
    usual = names.frames(float(np.median([frames[agent] for agent in agents])))
    return [f"Not ranked with these, which have {usual}: {listed}."]


_NO_AGGREGATE = (
    "No aggregate ranks the agents: they have fewer than two Atari games with reference scores in "
    "common at a similar number of frames. The table shows every game.",
)


def _best_counts(report: Report, called: dict[str, str]) -> list[str]:
    """On how many games each agent has the highest return of those with similar frames."""
    groups = grouped(report.all)
    best: dict[str, int] = {}
    for game in report.games:
        agents = ranked(budgets(report, [game]))
        if len(agents) > 1:
            means = {
                agent: np.mean([curve.values[-1] for curve in whole_runs(groups[game, agent])])
                for agent in agents
            }
            first = max(means, key=lambda agent: means[agent])
            best[called[first]] = best.get(called[first], 0) + 1
    if not best:
        return []
    games = sum(best.values())
    order = sorted(best, key=lambda agent: -best[agent])
    listed = names.listed(f"{agent} on {best[agent]}" for agent in order)
    return [
        f"Of {names.number_of(games, 'game')} that several agents have, the highest return is of "
        f"{listed}."
    ]


def _without_reference(report: Report, called: dict[str, str]) -> list[str]:
    """Where there is no aggregate: the last scores of a single task, or how many there are."""
    if len(report.agents) == 1:
        games = names.number_of(len(report.games), "game")
        return [f"One agent, {called[report.agents[0]]}, on {games}: there is nobody to rank."]
    if len(report.games) > 1:
        return [*_best_counts(report, called), *_NO_AGGREGATE]
    [game] = report.games
    frames = budgets(report, [game])
    agents = ranked(frames)
    means = {
        agent: aggregate.mean_interval([curve.values[-1] for curve in whole_runs(runs)])
        for (_, agent), runs in grouped(report.all).items()
        if agent in agents
    }
    if len(means) < 2:
        return [
            "The agents have very different numbers of frames, so none is called the better one. "
            "--frames compares them at the same point."
        ]
    first = max(means, key=lambda agent: means[agent].value)
    best = means[first]
    shown = names.score(best.value)
    equal = [agent for agent, mean in means.items() if names.score(mean.value) == shown]
    if len(equal) > 1:  # as people see them
        leading = f"{names.listed(called[agent] for agent in equal)} have the highest return"
    else:
        leading = f"{called[first]} has the highest return"
    others = (
        names.listed(
            f"{called[a]} has {names.score(m.value)}" for a, m in means.items() if a not in equal
        )
        if len(equal) < len(means)
        else ""
    )
    ends = f" ({names.interval(best.low, best.high)})" if best.low < best.high else ""
    return [
        f"On {names.game(game)}, {leading}: {shown}{ends}." + (f" {others}." if others else ""),
        *_not_ranked(frames, agents, called),
    ]


def caveats(report: Report, called: dict[str, str]) -> list[str]:
    """Sentences about agents of one suite that were measured in different ways."""
    found = []
    for noun, key in (("Protocols", "protocol"), ("Returns", "phase")):
        ways: dict[str, dict[str, None]] = {}
        suites: dict[str, set[str]] = {}
        for curve in report.all:
            way = getattr(curve, key)
            ways.setdefault(names.RETURNS.get(way, way), {})[called[label(curve)]] = None
            suites.setdefault(curves.suite(curve.game), set()).add(way)
        if any(len(several) > 1 for several in suites.values()):
            listed = "; ".join(f"{way} ({names.listed(agents)})" for way, agents in ways.items())
            found.append(f"{noun} differ: {listed}.")
    return found


def gaps(rows: Sequence[dict[str, Any]], called: dict[str, str]) -> list[str]:
    """'Rainbow and IQN have no score on 2 of 57 games: Defender and Surround'."""
    games = len({row["game"] for row in rows})
    absent: dict[str, list[str]] = {}
    for row in rows:
        if not row["runs"]:
            absent.setdefault(called[row["agent"]], []).append(names.game(row["game"]))
    alike: dict[tuple[str, ...], list[str]] = {}
    for agent, missing in absent.items():
        alike.setdefault(tuple(missing), []).append(agent)
    found = []
    for games_missed, agents in alike.items():
        verb = "has" if len(agents) == 1 else "have"
        share = f"{len(games_missed)} of {names.number_of(games, 'game')}"
        listed = names.listed(games_missed, 8)
        found.append(f"{names.listed(agents)} {verb} no score on {share}: {listed}.")
    return found
