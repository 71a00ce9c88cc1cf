"""What a careful reviewer asks about a comparison, answered from its score files."""

from collections.abc import Iterable
from typing import NamedTuple

from dreamer_tf.scores import bootstrap, budgets, curves, names
from dreamer_tf.scores.report import Report, grouped, value_range, whole_runs
from dreamer_tf.scores.standings import Standings
from dreamer_tf.storage import identity

_HOURS = 1e6  # no run takes longer
HOLDS = 0.94  # of all cases: an interval that does so may be called one of 95%
EPISODES = 10  # of an evaluation, so that a lucky game does not decide
RUNS = 5  # a game: what Agarwal et al. (2021) call few, and Machado et al. (2018) ask for


class Answer(NamedTuple):
    """An answer to a question of the list."""

    question: str
    answer: str  # 'yes', 'no' or 'unknown'
    because: str


class Setting(NamedTuple):
    """What a protocol on Atari does; None where its source does not say."""

    sticky_actions: bool | None = None
    full_action_space: bool | None = None
    lives_hidden: bool | None = None


# By the first word of a protocol. What comes after it names single settings that differ.
SETTINGS = {
    "machado2018": Setting(True, True, True),
    "nature2015": Setting(False, False, False),
    "dopamine": Setting(True, False, True),
    "atari100k": Setting(False, False, False),
    "dreamerv3_atari": Setting(True, True, True),
    "dreamerv3_atari100k": Setting(False, False, True),
}


def setting(protocol: str) -> Setting:
    """The settings of a protocol, from its name and what it says to be different."""
    name, *changes = protocol.split(", ")
    found = SETTINGS.get(name, Setting())
    for change in changes:
        key, _, value = change.partition("=")
        if key == "sticky_actions":
            found = found._replace(sticky_actions=value not in ("0", "0.0"))
        elif key == "full_action_space":
            found = found._replace(full_action_space=value == "True")
        elif key == "end_on_life_loss":
            found = found._replace(lives_hidden=value != "True")
    return found


def answers(report: Report, standings: Standings, called: dict[str, str]) -> list[Answer]:
    """The list, filled in.

    Args:
      report: what is compared.
      standings: of the report.
      called: label -> what the page calls the agent.
    """
    by_agent: dict[str, list[curves.Curve]] = {}
    for (_, agent), found in grouped(report.all).items():
        by_agent.setdefault(called[agent], []).extend(found)
    return [
        *_atari(by_agent),
        _same_protocol(by_agent),
        _evaluation(by_agent),
        *_episodes(report),
        _seeds(report),
        *_means(report),
        *_intervals(report, standings),
        _equal_frames(report),
        Answer(
            "Did all agents have the same budget for tuning?",
            "unknown",
            "No score file says how many configurations were tried.",
        ),
        _hours(report),
    ]


def _atari(by_agent: dict[str, list[curves.Curve]]) -> list[Answer]:
    questions = {
        "sticky_actions": ("Atari: are actions sticky for all agents?", "without sticky actions"),
        "full_action_space": (
            "Atari: do all agents choose from all 18 actions?",
            "only the actions that the game uses",
        ),
        "lives_hidden": (
            "Atari: is it hidden from all agents when a life is lost?",
            "a lost life ends an episode of training",
        ),
    }
    known = curves.atari_games()
    facts = {
        agent: {setting(curve.protocol) for curve in found if curve.game in known}
        for agent, found in by_agent.items()
    }
    if not any(facts.values()):
        return []
    rows = []
    for name, (question, otherwise) in questions.items():
        values = {agent: {getattr(one, name) for one in found} for agent, found in facts.items()}
        rows.append(_of_all(question, values, True, otherwise))
    return rows


def _of_all(question: str, values: dict[str, set], wanted: bool | str, otherwise: str) -> Answer:
    """'yes' if every agent has the wanted value alone, 'no' if one is known to differ."""
    other = [agent for agent, found in values.items() if found - {wanted, None, "unknown"}]
    silent = [agent for agent, found in values.items() if found & {None, "unknown"}]
    if other:
        return Answer(question, "no", f"{names.listed(other)}: {otherwise}.")
    if silent:
        return Answer(question, "unknown", f"The source does not say it of {names.listed(silent)}.")
    return Answer(question, "yes", "So say the protocols of all curves that are asked about.")


def _same_protocol(by_agent: dict[str, list[curves.Curve]]) -> Answer:
    found = sorted({curve.protocol for several in by_agent.values() for curve in several})
    question = "Do all agents have one protocol?"
    if "unknown" in found:
        return Answer(question, "unknown", "The source of some curves does not name it.")
    varied = [name for name in found if name.split(",")[0] in curves.VARIED]
    if varied and len(by_agent) > 1:
        because = curves.VARIED[varied[0].split(",")[0]]
        return Answer(question, "no", f"{varied[0]}: {because}.")
    if len(found) == 1:
        return Answer(question, "yes", f"It is {found[0]}.")
    suites = {curves.suite(c.game): set[str]() for several in by_agent.values() for c in several}
    for several in by_agent.values():
        for curve in several:
            suites[curves.suite(curve.game)].add(curve.protocol)
    if all(len(one) == 1 for one in suites.values()):
        return Answer(question, "yes", "Every suite has its own, the same for all agents.")
    return Answer(question, "no", f"There are {names.listed(found)}.")


def _evaluation(by_agent: dict[str, list[curves.Curve]]) -> Answer:
    phases = {agent: {curve.phase for curve in found} for agent, found in by_agent.items()}
    return _of_all(
        "Are all returns from evaluation?", phases, "eval", "returns of training, with exploration"
    )


def _episodes(report: Report) -> list[Answer]:
    """Of our runs; published curves do not say it."""
    counts = [curve.episodes for curve in report.runs if curve.episodes is not None]
    if not counts:
        return []
    enough = min(counts) >= EPISODES
    answer = "no" if not enough else "unknown" if report.baselines else "yes"
    because = f"The last scores of our runs are means of {value_range(counts, '{:,}')} episodes"
    because += "; published curves do not say it." if report.baselines else "."
    return [Answer(f"Is each score a mean of at least {EPISODES} episodes?", answer, because)]


def _hours(report: Report) -> Answer:
    question = "Are the hours of training named?"
    known = [hours for curve in report.runs if (hours := _hours_of(curve)) is not None]
    if not known:
        return Answer(question, "unknown", "Published curves and these runs do not hold them.")
    ours = f"Our runs took {value_range(known, '{:.3g}')} hours"
    if report.baselines:
        return Answer(question, "unknown", f"{ours}; published curves do not hold them.")
    missing = len(report.runs) - len(known)
    if missing:
        return Answer(question, "no", f"{ours}; {names.number_of(missing, 'run')} did not say.")
    return Answer(question, "yes", f"{ours}.")


def _hours_of(curve: curves.Curve) -> float | None:
    """What the record of a run says, written by anybody."""
    try:
        hours = identity.facts(curve.source).get("hours")
    except OSError:
        return None
    if not isinstance(hours, int | float) or isinstance(hours, bool):
        return None
    return float(hours) if 0 <= hours < _HOURS else None


def _run_counts(report: Report) -> Iterable[int]:
    return [len(whole_runs(found)) for found in grouped(report.all).values()]


def _seeds(report: Report) -> Answer:
    counts = list(_run_counts(report))
    enough = min(counts) >= RUNS
    return Answer(
        f"Are there at least {RUNS} runs of each agent on each game?",
        "yes" if enough else "no",
        f"There are {value_range(counts, '{:,}')}.",
    )


def _means(report: Report) -> list[Answer]:
    """Of the intervals of single games."""
    counts = [count for count in _run_counts(report) if count > 1]
    if not counts:
        return []
    share = bootstrap.coverage(min(counts))
    return [
        Answer(
            "Do the 95% intervals of single games hold 95%?",
            "yes" if share >= HOLDS else "no",
            f"With {names.number_of(min(counts), 'run')}, a bootstrap interval of the mean holds "
            f"the true mean in about {share:.0%} of cases.",
        )
    ]


def _intervals(report: Report, standings: Standings) -> list[Answer]:
    """Of the aggregates; nothing where there are none."""
    if len(standings.games) < 2:
        return []
    groups = grouped(report.all)
    counts = [
        len(whole_runs(groups[game, agent]))
        for game in standings.games
        for agent in standings.scores
    ]
    single = sum(count < 2 for count in counts)
    because = "95% stratified bootstrap intervals, from runs resampled within each game."
    if single:
        because = f"{names.number_of(single, 'pair')} of a game and an agent with a single run."
    found = [Answer("Does every aggregate have an interval?", "no" if single else "yes", because)]
    several = [count for count in counts if count > 1]
    if several:
        share = bootstrap.coverage_over_games(min(several))
        found.append(
            Answer(
                "Do the 95% intervals of aggregates hold 95%?",
                "yes" if share >= HOLDS else "no",
                f"With {names.number_of(min(several), 'run')} of each game, they hold the true "
                f"value in {share:.0%} of cases at most; that of the lead is corrected.",
            )
        )
    return found


def _equal_frames(report: Report) -> Answer:
    """Of the agents of each game: two games may have different numbers."""
    ends = {game: list(budgets.frames(report, [game]).values()) for game in report.games}
    furthest = max(ends, key=lambda game: max(ends[game]) / min(ends[game]))
    low, high = min(ends[furthest]), max(ends[furthest])
    equal = low >= (1.0 - curves.NEAR) * high
    where = f" on {names.game(furthest)}" if len(ends) > 1 else ""
    because = f"On each game, within {curves.NEAR:.0%}."
    if not equal or len(ends) == 1:
        because = f"{names.frames_between(low, high)}{where}."
    return Answer(
        "Are all agents of a game compared after the same number of frames?",
        "yes" if equal else "no",
        because,
    )
