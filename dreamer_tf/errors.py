"""Errors that a user can cause and correct, and the checks that several rooms share."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """An error that the user can correct. Its message is one sentence that says what to change.

    The commands print the sentence and exit with code 2.
    """

    def __init__(self, sentence: str):
        """Stores the sentence separately: gin appends text to the message of an exception."""
        super().__init__(sentence)
        self.sentence = sentence


def did_you_mean(name: str, valid: Iterable[str], count: int = 3) -> str:
    """Suggests valid names for a misspelt one, to end an error message with.

    Args:
      name: what the user wrote.
      valid: the names that would have been accepted.
      count: how many to suggest at most.

    Returns:
      " Did you mean 'Pong', 'Pooyan' or 'Phoenix'?" with the space in front, or an empty string
      if nothing is close.
    """
    lowered: dict[str, str] = {}
    for candidate in valid:
        lowered.setdefault(candidate.lower(), candidate)
    found = difflib.get_close_matches(name.lower(), list(lowered), n=count, cutoff=0.5)
    # Next to an obvious match, distant ones only confuse.
    likeness = [difflib.SequenceMatcher(None, match, name.lower()).ratio() for match in found]
    names = [
        repr(lowered[match])
        for match, ratio in zip(found, likeness, strict=True)
        if ratio >= 0.85 * max(likeness)
    ]
    if not names:
        return ""
    listed = " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f" Did you mean {listed}?"


def check_at_least(name: str, value: float, least: float) -> None:
    """Checks a number that a user gave.

    Args:
      name: the gin parameter or flag, as the user writes it.
      value: what was given.
      least: the smallest valid value.

    Raises:
      UserError: the value is too small.
    """
    if value < least:
        raise UserError(f"{name} is {value:,}, but must be {least:,} or more.")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Checks a number that a user gave against both of its bounds.

    Args:
      name: the gin parameter or flag, as the user writes it.
      value: what was given.
      low: the smallest valid value.
      high: the largest valid value.

    Raises:
      UserError: the value is out of the bounds.
    """
    if not low <= value <= high:
        raise UserError(f"{name} is {value:,}, but must be between {low:,} and {high:,}.")
