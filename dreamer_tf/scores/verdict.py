"""Who is better, by how much, how sure: the sentences at the top of the page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.scores import aggregate, budgets, checklist, curves, names
from dreamer_tf.scores.report import Report, facts, label, last_scores
from dreamer_tf.scores.standings import Standings, fewest_runs

FEW = 5  # runs: with fewer, the ends of a bootstrap interval are nearly the runs themselves


class Lead(NamedTuple):
    """The best of agents with similar budgets, and how far it is ahead of the next one."""

    first: str
    second: str
    best: float
    following: float
    lead: aggregate.Interval
    sure: bool | None  # whether the interval excludes 0; None if there is none


def lead(standings: Standings, agents: Sequence[str]) -> Lead:
    """The lead in the interquartile mean.

    Args:
      standings: has the scores.
      agents: two labels of it, or more.
    """
    scores, over = standings.scores, standings.games
    values = {agent: aggregate.iqm(scores[agent], over) for agent in agents}
    first, second, *_ = sorted(agents, key=lambda agent: -values[agent])
    ahead = aggregate.iqm_lead(scores[first], scores[second], over)
    sure = None if {first, second} & standings.single else ahead.low > 0
    return Lead(first, second, values[first], values[second], ahead, sure)


def lead_on_game(scores: dict[str, list[float]]) -> Lead:
    """The lead in the mean return on one game.

    Args:
      scores: label -> last scores, of two agents or more.
    """
    values = {agent: float(np.mean(found)) for agent, found in scores.items()}
    first, second, *_ = sorted(values, key=lambda agent: -values[agent])
    ahead = aggregate.mean_lead(scores[first], scores[second])
    sure = ahead.low > 0 if ahead.low < ahead.high else None
    return Lead(first, second, values[first], values[second], ahead, sure)


def improvement_rows(report: Report, standings: Standings) -> list[dict[str, Any]]:
    """Probability that a run of one agent beats a run of another on a random game.

    The one agent is the first of those that are ranked together. Agents after very different
    numbers of frames are not put into one probability, and neither are published means.
    """
    scores, common = standings.scores, standings.games
    behind = facts(report, common)
    means = {label(curve) for curve in report.baselines if curve.is_mean}
    rows = []
    for group in standings.groups:
        first, *others = [agent for agent in group if agent not in means] or [""]
        for other in others:
            found = aggregate.probability_of_improvement(scores[first], scores[other], common)
            few = min(fewest_runs(scores[agent], common) for agent in (first, other))
            # On one game a few runs that all win would give an interval from 1 to 1.
            single = few < 2 or (len(common) == 1 and few < FEW)
            rows.append(
                {
                    "agent": first,
                    "better than": other,
                    "probability": found.value,
                    "low": "" if single else found.low,
                    "high": "" if single else found.high,
                }
                | {
                    name: f"{behind[first][name]} against {behind[other][name]}"
                    for name in ("runs a game", "frames", "protocol")
                }
            )
    return rows


def sentences(report: Report, standings: Standings, called: dict[str, str]) -> list[str]:
    """The answer in words: first who leads, then how sure that is, then who is not ranked.

    Args:
      report: what is compared.
      standings: of the report.
      called: label -> what the page calls the agent.
    """
    over = standings.games
    groups = [group for group in standings.groups if len(group) > 1]
    if len(over) < 2 or not groups:
        return _without_reference(report, called)
    frames = budgets.frames(report, over)
    text = []
    for group in groups:
        found = lead(standings, group)
        after = f"After {_usual(frames, group)}, " if len(groups) > 1 else ""
        text.append(
            f"{after}{called[found.first]} has the highest interquartile mean over "
            f"{names.number_of(len(over), 'game')}: {names.score(found.best)}, "
            f"{standings.scale.meaning}."
        )
        text.append(f"{called[found.second]} follows with {names.score(found.following)}.")
        text.append(_how_sure(found, "Some games have a single run or only a mean", report))
        text += _other_statistics(found.first, standings, group, called)
    apart = {agent: f for agent, f in frames.items() if agent in standings.scores}
    text += _not_ranked(apart, groups, called)
    absent = [agent for agent in frames if agent not in standings.scores]
    if absent:
        listed = names.listed(called[agent] for agent in absent)
        text.append(f"Without some of these games, and so not ranked: {listed}.")
    return text


def _other_statistics(
    first: str, standings: Standings, group: Sequence[str], called: dict[str, str]
) -> list[str]:
    """By which statistics of the page another agent is the first one."""
    scores = {agent: standings.scores[agent] for agent in group}
    found = aggregate.intervals(scores, standings.games)
    others = []
    for statistic, column in standings.scale.statistics.items():
        sign = -1.0 if statistic == "optimality_gap" else 1.0  # the smaller gap is the better one
        shown = {agent: names.score(found[agent][statistic].value) for agent in group}
        best = max(group, key=lambda agent: sign * found[agent][statistic].value)
        if shown[best] != shown[first]:
            name = names.heading(column)
            name = name[0].lower() + name[1:]
            others.append(
                f"{called[best]} is first by the {name} ({shown[best]} against {shown[first]})"
            )
    return [f"{names.listed(others)}."] if others else []


def _how_sure(found: Lead, without: str, report: Report) -> str:
    """Whether a lead could be chance."""
    ends = names.interval(found.lead.low, found.lead.high)
    ahead = f"The lead of {names.lead(found.best, found.following)}"
    if found.sure is None:
        return f"{without}, so nothing says how sure this is."
    if found.sure:
        of = [curve for curve in report.all if label(curve) in (found.first, found.second)]
        alike = len({(curve.protocol, curve.phase) for curve in of}) == 1
        but = "" if alike else " That is between seeds: how they were measured differs, too."
        return f"{ahead} is more than chance: its 95% interval over runs is {ends}.{but}"
    return f"{ahead} is uncertain: its 95% interval over runs, {ends}, contains 0."


def _usual(frames: dict[str, float], group: Sequence[str]) -> str:
    """'433k to 459k frames': where agents that are ranked together end."""
    ends = [frames[agent] for agent in group]
    return names.frames_between(min(ends), max(ends))


def _not_ranked(
    frames: dict[str, float], groups: Sequence[Sequence[str]], called: dict[str, str]
) -> list[str]:
    """The agents that stand alone at their number of frames."""
    apart = [agent for agent in frames if not any(agent in group for group in groups)]
    if not apart:
        return []
    listed = names.listed(f"{called[a]} after {names.frames(frames[a])}" for a in apart)
    usual = names.listed(_usual(frames, group) for group in groups)
    return [f"Not ranked with these, which have {usual}: {listed}."]


_NO_AGGREGATE = (
    "No aggregate ranks the agents: they have fewer than two of the 55 Atari games, or of the "
    "tasks of the control suite, in common at a similar number of frames. The table shows every "
    "game.",
)


def _best_counts(report: Report, called: dict[str, str]) -> list[str]:
    """How often each agent has the highest return on a game, of those with similar frames."""
    scores = last_scores(report)
    best: dict[str, list[tuple[str, bool]]] = {}  # agent -> game, and whether by more than chance
    for game in report.games:
        for group in budgets.ranked(report, [game]):
            if len(group) > 1:
                found = lead_on_game({agent: scores[agent][game] for agent in group})
                won = (names.game(game), bool(found.sure))
                best.setdefault(called[found.first], []).append(won)
    if not best:
        return []
    count = sum(map(len, best.values()))
    order = sorted(best, key=lambda agent: -len(best[agent]))
    listed = names.listed(
        f"{agent} in {len(best[agent])} ({names.listed((game for game, _ in best[agent]), 4)}; "
        f"{sum(sure for _, sure in best[agent])} of them by more than chance)"
        for agent in order
    )
    return [
        f"Of {names.number_of(count, 'comparison')} on a game, after similar numbers of frames, "
        f"the highest return is of {listed}."
    ]


def _without_reference(report: Report, called: dict[str, str]) -> list[str]:
    """Where there is no aggregate: the last scores of a single task, or how many there are."""
    if len(report.agents) == 1:
        games = names.number_of(len(report.games), "game")
        return [f"One agent, {called[report.agents[0]]}, on {games}: there is nobody to rank."]
    if len(report.games) > 1:
        return [*_best_counts(report, called), *_NO_AGGREGATE]
    [game] = report.games
    frames = budgets.frames(report)
    groups = [g for g in budgets.groups(frames, report.ours) if len(g) > 1]
    if not groups:
        return [
            "The agents have very different numbers of frames, so none is called the better one. "
            "--frames compares them at the same point."
        ]
    scores = last_scores(report)
    text = []
    for group in groups:
        after = f" after {_usual(frames, group)}" if len(groups) > 1 else ""
        found = {agent: scores[agent][game] for agent in group}
        text += _on_one_game(f"On {names.game(game)}{after}", found, called, report)
    return [*text, *_not_ranked(frames, groups, called)]


def _on_one_game(
    where: str, scores: dict[str, list[float]], called: dict[str, str], report: Report
) -> list[str]:
    """Who has the highest return, by how much, and the returns of the others."""
    found = lead_on_game(scores)
    means = {agent: aggregate.mean_interval(values) for agent, values in scores.items()}
    published = {label(curve) for curve in report.all if curve.is_mean}
    counts = {a: len(values) * (a not in published) for a, values in scores.items()}
    shown = names.score(found.best)
    equal = [agent for agent, mean in means.items() if names.score(mean.value) == shown]
    if len(equal) > 1:  # as people see them
        return [
            f"{where}, {names.listed(called[agent] for agent in equal)} have the highest return: "
            f"{shown}.",
            *_returns(means, counts, equal, called),
        ]
    ends = _ends(means[found.first], counts[found.first])
    return [
        f"{where}, {called[found.first]} has the highest return: {shown}{ends}.",
        *_returns(means, counts, equal, called),
        _how_sure(
            found, "There is a single run, only a mean, or no difference between runs", report
        ),
    ]


def _ends(mean: aggregate.Interval, runs: int) -> str:
    """The interval of a mean in parentheses, with the number of runs if they are few.

    Args:
      mean: over the runs.
      runs: their number; 0 for a published mean.
    """
    if mean.low >= mean.high:
        return " (one run)" if runs == 1 else ""
    of = f"{runs} runs, " if runs < FEW else ""
    return f" ({of}{names.interval(mean.low, mean.high)})"


def _returns(
    means: dict[str, aggregate.Interval],
    counts: dict[str, int],
    without: Sequence[str],
    called: dict[str, str],
) -> list[str]:
    others = [
        f"{called[agent]} has {names.score(mean.value)}{_ends(mean, counts[agent])}"
        for agent, mean in sorted(means.items(), key=lambda item: -item[1].value)
        if agent not in without
    ]
    return [f"{names.listed(others)}."] if others else []


def caveats(report: Report, called: dict[str, str]) -> list[str]:
    """Sentences about agents of one suite that were measured in different ways."""
    found = []
    for noun, key in (("Protocols", "protocol"), ("Returns", "phase")):
        ways: dict[str, dict[str, None]] = {}
        suites: dict[str, set[str]] = {}
        for curve in report.all:
            way = getattr(curve, key)
            words = names.RETURNS.get(way, way) if key == "phase" else _in_words(way)
            ways.setdefault(words, {})[called[label(curve)]] = None
            suites.setdefault(curves.suite(curve.game), set()).add(way)
        if any(len(several) > 1 for several in suites.values()):
            listed = "; ".join(f"{way} ({names.listed(agents)})" for way, agents in ways.items())
            found.append(f"{noun} differ: {listed}.")
    return found


def _in_words(protocol: str) -> str:
    """'nature2015 with no sticky actions, the game's own actions, a lost life is seen'."""
    one = checklist.setting(protocol)
    sayings = (
        (one.sticky_actions, True, "sticky actions"),
        (one.sticky_actions, False, "no sticky actions"),
        (one.full_action_space, True, "all 18 actions"),
        (one.full_action_space, False, "the game's own actions"),
        (one.lives_hidden, False, "a lost life ends an episode"),
    )
    words = ", ".join(text for value, wanted, text in sayings if value is wanted)
    return f"{protocol} with {words}" if words else protocol


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
