"""Errors that a user can cause and correct, and suggestions for misspelt names."""

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


def told(error: BaseException) -> str:
    """Class and message of any exception in one line, even if it cannot print itself."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # code of a user, in an exception of a user
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str) -> str:
    """Text without anything that changes a terminal: control characters become escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


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
