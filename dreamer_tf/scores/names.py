"""Words that people read: names of games, tasks and statistics, counts and rounded numbers."""

import math
import re
from collections.abc import Iterable, Sequence

# Keys are lower case without spaces, so the words and signs of these names are lost in them.
GAMES = {
    "airraid": "Air Raid",
    "bankheist": "Bank Heist",
    "battlezone": "Battle Zone",
    "beamrider": "Beam Rider",
    "choppercommand": "Chopper Command",
    "crazyclimber": "Crazy Climber",
    "demonattack": "Demon Attack",
    "doubledunk": "Double Dunk",
    "elevatoraction": "Elevator Action",
    "fishingderby": "Fishing Derby",
    "hero": "H.E.R.O.",
    "icehockey": "Ice Hockey",
    "jamesbond": "James Bond",
    "journeyescape": "Journey Escape",
    "kungfumaster": "Kung-Fu Master",
    "montezumarevenge": "Montezuma's Revenge",
    "mspacman": "Ms. Pac-Man",
    "namethisgame": "Name This Game",
    "pitfall": "Pitfall!",
    "privateeye": "Private Eye",
    "qbert": "Q*bert",
    "riverraid": "River Raid",
    "roadrunner": "Road Runner",
    "spaceinvaders": "Space Invaders",
    "stargunner": "Star Gunner",
    "timepilot": "Time Pilot",
    "upndown": "Up'n Down",
    "videopinball": "Video Pinball",
    "wizardofwor": "Wizard of Wor",
    "yarsrevenge": "Yars' Revenge",
}
_BODIES = [
    *("acrobot", "ballincup", "cartpole", "cheetah", "cup", "finger", "hopper", "humanoid"),
    *("pendulum", "quadruped", "reacher", "walker"),
]
STATISTICS = {
    "gamer_median": "Gamer median",
    "gamer_mean": "Gamer mean",
    "record_mean": "Record mean",
    "clipped_record_mean": "Clipped record mean",
    "IQM": "Interquartile mean",
    "optimality_gap": "Optimality gap",
}
RETURNS = {"train": "training", "eval": "evaluation"}
_HEADINGS = STATISTICS | {"phase": "Returns of"}


def is_of_the_suite(key: str) -> bool:
    """Whether a key is that of a task of the control suite."""
    return _body(key) is not None


def _body(key: str) -> str | None:
    return next((name for name in _BODIES if key.startswith(name) and key != name), None)


def game(key: str) -> str:
    """The full name of a game or task, from its key: 'Ms. Pac-Man', 'Cartpole swing-up'."""
    if key in GAMES:
        return GAMES[key]
    if not re.fullmatch("[a-z0-9]+", key):
        return key  # the name of an environment of somebody's own
    body = _body(key)
    if body is None:
        return key[:1].upper() + key[1:]
    first = {"ballincup": "Ball in cup"}.get(body, body.capitalize())
    task = re.sub("(easy|hard|sparse)$", r" \1", key.removeprefix(body))
    return f"{first} {task.replace('swingup', 'swing-up')}"


def heading(column: str) -> str:
    """The words over a column: 'Clipped record mean', 'Runs a game'."""
    return _HEADINGS.get(column, column[:1].upper() + column[1:])


def number_of(count: int, noun: str) -> str:
    """'1 run', '3 runs'."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def listed(words: Iterable[str], most: int = 6) -> str:
    """'A, B and C'; of many, the first ones and the number of the others."""
    found = list(words)
    if len(found) > most:
        found = [*found[:most], f"{len(found) - most} more"]
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def frames(count: float) -> str:
    """'200M frames', '12k frames'."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter} frames"
    return f"{count:.0f} frames"


def frames_between(low: float, high: float) -> str:
    """'433k to 459k frames', or '433k frames' if both look the same."""
    first, last = frames(low), frames(high)
    return last if first == last else f"{first.removesuffix(' frames')} to {last}"


def score(value: float) -> str:
    """A score for people: three digits at least, thousands separated, never '-0.00'."""
    return _shown(value, _digits(value))


def _shown(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _digits(value: float) -> int:
    """After the point, of a score."""
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def lead(best: float, following: float) -> str:
    """The difference of two scores, as somebody computes it who reads both of them."""
    difference = round(best, _digits(best)) - round(following, _digits(following))
    # With the digits of the larger one: the smaller one may be shown with more.
    return _shown(difference, _digits(max(abs(best), abs(following))))


def interval(low: float, high: float) -> str:
    """'8,880 to 14,925', with the digits of the larger end."""
    return f"{score(low)} to {score(high)}"


def rounded(value: float, digits: int = 4) -> float:
    """A number with few significant digits, for the data of a chart."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def agents(labels: Sequence[str]) -> dict[str, str]:
    """Label -> what the page calls the agent: without its origin, where all have the same one."""
    for origin in (", published", ", ours"):
        if all(label.endswith(origin) for label in labels):
            return {label: label.removesuffix(origin) for label in labels}
    return {label: re.sub(", (ours|published)$", r" (\1)", label) for label in labels}
