"""Errors that a user can cause and mend: one sentence, no traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something a user can put right. The message is one sentence that names what to change.

    The command line tools print the sentence and exit with code 2.
    """

    def __init__(self, sentence: str):
        """Keeps the sentence apart from what gin appends to the message of an exception."""
        super().__init__(sentence)
        self.sentence = sentence


def nearest(name: str, valid: Iterable[str], count: int = 3) -> str:
    """Returns the valid names closest to a misspelt one, as words for an error message.

    Args:
      name: what the user wrote.
      valid: the names that would have been accepted.
      count: how many to name at the most.

    Returns:
      "'Pong', 'Pooyan' or 'Phoenix'", or an empty string where nothing is close.
    """
    lowered = {}
    for candidate in valid:
        lowered.setdefault(candidate.lower(), candidate)
    found = difflib.get_close_matches(name.lower(), list(lowered), n=count, cutoff=0.5)
    names = [repr(lowered[match]) for match in found]
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " or " + names[-1]
