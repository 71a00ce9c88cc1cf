"""The progress bar of a phase."""

import sys
from collections.abc import Callable

import tqdm


class PhaseBar:
    """Counts agent steps on standard error."""

    def __init__(
        self, title: str, done: int, total: int | None, shown: bool, text: Callable[[int], str]
    ):
        """Shows the bar.

        Args:
          title: text before the bar.
          done: agent steps made so far.
          total: agent steps of the phase; None if nobody knows.
          shown: False for no bar.
          text: makes the text behind the bar from the number of steps, only when it is shown.
        """
        terminal = sys.stderr.isatty()
        self._text = text
        self._bar = tqdm.tqdm(
            total=total,
            initial=done,
            desc=title,
            unit="step",
            disable=not shown,
            file=sys.stderr,
            mininterval=0.5 if terminal else 30.0,  # a log file needs no animation
            dynamic_ncols=terminal,
        )

    def update(self, steps: int = 1) -> None:
        """Counts some more steps."""
        if self._bar.update(steps):
            self._bar.set_postfix_str(self._text(self._bar.n), refresh=False)

    def close(self) -> None:
        """Shows the final numbers and leaves the bar on the screen."""
        self._bar.set_postfix_str(self._text(self._bar.n))
        self._bar.close()
