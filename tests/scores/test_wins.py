"""Wins, ties and losses, counted by hand."""

import pytest

from dreamer_tf.scores import curves, report, wins
from tests.scores.runs import write_run


@pytest.mark.parametrize(
    "left,right,counted",
    [
        (100.0, 95.0, "tie"),  # within 5% of the better one
        (100.0, 94.9, "win"),
        (94.9, 100.0, "loss"),
        (-100.0, -105.0, "tie"),
        (-100.0, -105.1, "win"),
        (0.0, -0.1, "win"),  # 5% of nothing
        (0.0, 0.0, "tie"),
        (1.0, -1.0, "win"),
    ],
)
def test_a_tie_is_within_5_percent_of_the_better_score(left, right, counted):
    record = wins.count({"pong": left}, {"pong": right})
    assert record._asdict() == {
        name: int(name == counted + ("es" if counted == "loss" else "s"))
        for name in ("wins", "ties", "losses")
    }


def test_games_that_only_one_agent_has_do_not_count():
    assert wins.count({"a": 1.0, "b": 2.0}, {"b": 1.0, "c": 9.0}) == (1, 0, 0)


def test_dreamer_against_iqn_as_counted_in_table_k1():
    """Counted by hand in the printed table; Tutankham is 264 against 251, and 5% of 264 is 13.2."""
    rows = {str(row["Game"]): row for row in curves.table("table_k1")}
    record = wins.count(
        {game: row["DreamerV2"] for game, row in rows.items()},
        {game: row["IQN"] for game, row in rows.items()},
    )
    lost = "alien boxing choppercommand doubledunk enduro hero montezumarevenge"
    lost += " privateeye seaquest solaris spaceinvaders stargunner tennis venture videopinball"
    tied = "battlezone freeway pong tutankham"
    assert record == (36, len(tied.split()), len(lost.split())) == (36, 4, 15)


def test_rows_are_of_the_first_agent_against_each_other_one(runs):
    write_run(runs / "runs/c/maze/0", game="maze", protocol="gymnasium")
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["DQN"], ["pong", "breakout"])
    )
    [row] = wins.rows(found)
    assert row == {
        "agent": "DreamerV2, ours",
        "against": "DQN, published",
        "games": 2,
        "wins": 0,
        "ties": 0,
        "losses": 2,
        "frames": "2k frames against 199M frames",
    }
