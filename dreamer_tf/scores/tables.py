"""Tables of a comparison as Markdown and as comma-separated values."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dreamer_tf.errors import printable

Rows = Sequence[dict[str, Any]]


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Column names: those of the row that has most."""
    widest: Mapping[str, Any] = max(rows, key=lambda row: len(row.keys()))
    return list(widest)


def shown(value: Any) -> str:
    """A cell for people: two decimals, or none from 1,000 on."""
    if isinstance(value, float):
        # Adding 0 turns -0.0 into 0.0: nobody reads a difference into '-0.00'.
        return f"{round(value, 2) + 0.0:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def with_intervals(rows: Rows) -> list[dict[str, Any]]:
    """Joins each value and the ends of its interval in one cell, for tables that people read."""
    found = []
    for row in rows:
        cells = {name: shown(value) for name, value in row.items()}
        for name in [name for name in cells if f"{name} low" in cells]:
            low, high = cells.pop(f"{name} low"), cells.pop(f"{name} high")
            cells[name] += f" ({low} to {high})" if low else ""
        found.append(cells)
    return found


def to_markdown(rows: Rows) -> str:
    """The rows as a Markdown table."""
    if not rows:
        return "Nothing to compare.\n"
    names = columns(rows)
    lines = [f"| {' | '.join(map(in_markdown, names))} |", f"|{'---|' * len(names)}"]
    for row in rows:
        cells = [in_markdown(shown(row.get(name, "missing"))) for name in names]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def to_csv(rows: Rows) -> str:
    """The rows as comma-separated values, with all digits."""
    names = columns(rows) if rows else []
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([in_csv(name) for name in names])
    writer.writerows([in_csv(row.get(name, "")) for name in names] for row in rows)
    return file.getvalue()


def in_markdown(text: str) -> str:
    """Text that Markdown and a terminal show as it is, on one line."""
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", printable(text))


def in_csv(value: Any) -> Any:
    """A cell that a spreadsheet does not take for a formula; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
