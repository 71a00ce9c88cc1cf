"""The progress bar of a phase."""

import sys
from collections.abc import Callable

import tqdm


class PhaseBar:
    """Counts agent steps on standard error; the text behind the count is made only when shown."""

    def __init__(self, title: str, done: int, total: int, shown: bool, text: Callable[[int], str]):
        """Shows the bar.

        Args:
          title: stands before the bar.
          done: agent steps that were made before.
          total: agent steps of the phase.
          shown: False for no bar.
          text: from the number of steps to what stands behind the bar.
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
            mininterval=0.5 if terminal else 30.0,
            dynamic_ncols=terminal,
        )

    def update(self, steps: int = 1) -> None:
        """So many steps more."""
        if self._bar.update(steps):
            self._bar.set_postfix_str(self._text(self._bar.n), refresh=False)

    def close(self) -> None:
        """Shows the final figures and leaves the bar on the screen."""
        self._bar.set_postfix_str(self._text(self._bar.n))
        self._bar.close()
