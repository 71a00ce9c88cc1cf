"""Tables as Markdown and as comma-separated values."""

import csv
import io

import pytest

from dreamer_tf.scores import aggregate, tables

ROWS = [{"game": "pong", "runs": 0}, {"game": "alien", "runs": 3, "score": 1234.5678}]


def test_a_row_without_a_value_says_missing_in_markdown():
    lines = tables.to_markdown(ROWS).splitlines()
    assert lines[0] == "| game | runs | score |"
    assert lines[2:] == ["| pong | 0 | missing |", "| alien | 3 | 1,235 |"]
    assert tables.to_markdown([]) == "Nothing to compare.\n"


def test_csv_keeps_all_digits():
    [pong, alien] = csv.DictReader(io.StringIO(tables.to_csv(ROWS)))
    assert (pong["score"], alien["score"]) == ("", "1234.5678")
    assert tables.to_csv([]).strip() == ""


@pytest.mark.parametrize(
    "value,words",
    [
        (1.0, "1.00"),
        (-0.001, "0.00"),
        (999.994, "999.99"),
        (-1000.4, "-1,000"),
        (1000, "1,000"),
        ("a", "a"),
    ],
)
def test_cells_have_as_many_digits_as_people_read(value, words):
    assert tables.shown(value) == words


def test_an_interval_joins_its_value_and_disappears_where_there_is_none():
    row = {"agent": "A"}
    for name in aggregate.STATISTICS:
        row |= {name: 1.0, f"{name} low": 0.5, f"{name} high": 2.0}
    single = row | {f"{name} {end}": "" for name in aggregate.STATISTICS for end in ("low", "high")}
    first, second = tables.with_intervals([row, single])
    assert set(first) == {"agent", *aggregate.STATISTICS}
    assert set(first.values()) == {"A", "1.00 (0.50 to 2.00)"}
    assert set(second.values()) == {"A", "1.00"}
