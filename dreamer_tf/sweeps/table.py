"""The table of a sweep: one line a run, for people."""

import collections
import shutil
import sys
from collections.abc import Sequence

from dreamer_tf.errors import printable
from dreamer_tf.sweeps.states import DONE, FAILED, KINDS, MISSING, RUNNING, SAVED, State

_SUMMARY = (DONE, RUNNING, SAVED, MISSING, FAILED)
_HEAD = ("run", "state", "agent steps", "frames/s", "return", "hours left", "host")


def text(states: Sequence[State], lines: int | None = None, columns: int | None = None) -> str:
    """The table.

    Args:
      states: of the runs.
      lines: the most that it may have; what happens comes first, the rest is counted.
      columns: the most letters of a line.

    Returns:
      Lines without an end.
    """
    ordered = sorted(states, key=lambda state: KINDS.index(state.kind))
    shown = ordered if lines is None else ordered[: max(0, lines - 3)]
    rows = [_HEAD, *map(_row, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    found = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    if len(shown) < len(ordered):
        found.append(f"... and {len(ordered) - len(shown)} more")
    found.append(summary(states))
    return "\n".join(line[:columns] for line in found)


def summary(states: Sequence[State]) -> str:
    """How many runs are in which state, in one line."""
    counts = collections.Counter(state.kind for state in states)
    parts = [f"{counts[kind]} {kind}" for kind in _SUMMARY if counts[kind]]
    return f"{len(states)} runs: {', '.join(parts)}"


def failures(states: Sequence[State]) -> str:
    """The runs that failed, each with its last sentence."""
    return "\n".join(
        f"failed: {state.run.base_dir}: {printable(state.sentence)}"
        for state in states
        if state.kind == FAILED
    )


def _row(state: State) -> tuple[str, ...]:
    total = state.run.steps
    return (
        state.run.base_dir,
        state.kind,
        f"{state.steps:,}" + (f" of {total:,}" if total is not None else ""),
        _number(state.rate, ",.0f"),
        _number(state.last_return, ",.4g"),
        _number(state.hours_left, ",.1f"),
        printable(state.host),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


class Screen:
    """Shows a table that changes: in place on a terminal, otherwise only the lines that change."""

    def __init__(self) -> None:
        """Begins with nothing on the screen."""
        self._terminal = sys.stdout.isatty()
        self._lines = 0
        self._kinds: dict[str, str] = {}

    def say(self, sentence: str) -> None:
        """Prints a line that stays."""
        if self._lines:
            print("\x1b[J", end="")
        print(sentence, flush=True)
        self._lines = 0

    def show(self, states: Sequence[State]) -> None:
        """Shows the states of all runs."""
        if not self._terminal:
            for state in states:
                if self._kinds.get(state.run.base_dir) not in (None, state.kind):
                    print(f"{state.kind:8} {state.run.base_dir}", flush=True)
                self._kinds[state.run.base_dir] = state.kind
            return
        columns, lines = shutil.get_terminal_size()
        shown = text(states, lines - 1, columns)
        # Up to the first line, then clear to the end of the screen.
        start = f"\x1b[{self._lines}A\x1b[J" if self._lines else ""
        print(f"{start}{shown}", flush=True)
        self._lines = shown.count("\n") + 1
