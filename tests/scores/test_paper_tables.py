"""The paper's tables follow from the published runs; runs of ours stand beside them."""

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files
from dreamer_tf.scores import aggregate, curves, paper_tables
from tests.scores.runs import write_run

Request = paper_tables.Request


def test_table_1_has_every_agent_as_printed():
    rows = paper_tables.table_1(Request())
    assert [row["agent"].removesuffix(", published") for row in rows] == [
        row["Agent"] for row in curves.table("table_1")
    ]
    for row in rows:
        if "IMPALA" in row["agent"]:
            assert row["games"] == "no runs published" and row["as printed"].startswith("1.92 /")
            continue
        values = " / ".join(f"{row[name]:.2f}" for name in aggregate.AGGREGATES)
        assert values == row["as printed"], row["agent"]


def test_runs_of_ours_are_compared_on_their_games(runs):
    """Mean of 2, 4 and 9 on Pong, 30 on Breakout, beside the published scores of both."""
    ours = curves.own([str(runs / "runs/*/*/*")])
    rows = {row["agent"]: row for row in paper_tables.table_1(Request(ours))}
    row = rows["DreamerV2, ours"]
    (low, high), (other_low, other_high) = (
        aggregate.reference(game, "Gamer") for game in ("pong", "breakout")
    )
    expected = ((5.0 - low) / (high - low) + (30.0 - other_low) / (other_high - other_low)) / 2
    assert row["gamer_mean"] == pytest.approx(expected)
    assert (row["games"], row["runs a game"], row["frames"]) == (2, "1 to 3", "0.002M")
    assert rows["IQN, published"]["games"] == 2 and "IMPALA, published" not in rows
    assert "as printed" not in row  # it is of 55 games


def test_agents_without_a_common_game_have_no_aggregate(tmp_path):
    write_run(tmp_path / "a/0", game="Pong")
    write_run(tmp_path / "b/0", agent="IQN", game="Alien")
    ours = curves.own([str(tmp_path / "*/0")])
    with pytest.raises(UserError, match="leave some out, or use --paper=tableK1"):
        paper_tables.table_1(Request(ours))
    rows = {row["Task"]: row for row in paper_tables.table_k1(Request(ours))}
    assert rows["Pong"]["DreamerV2, ours"] == "2" and rows["Pong"]["IQN, ours"] == ""


def test_two_runs_of_one_seed_both_count(tmp_path):
    """As of two machines, or of one and two threads: the last one alone counted."""
    write_run(tmp_path / "a/0", game="Pong", end=2.0)
    write_run(tmp_path / "b/0", game="Pong", end=6.0)
    ours = curves.own([str(tmp_path / "*/0")])
    [row] = [row for row in paper_tables.table_1(Request(ours)) if row["agent"].endswith("ours")]
    assert row["runs a game"] == "2"
    [pong] = paper_tables.table_k1(Request(ours, games=["pong"]))
    assert pong["DreamerV2, ours"] == "4"  # of 2 and 6


def test_published_agents_have_no_scores_before_1m_frames():
    with pytest.raises(UserError, match="no scores up to --frames=1000"):
        paper_tables.table_1(Request(frames=1000))


def test_table_2_names_a_gin_file_for_every_row():
    rows = paper_tables.table_2(Request())
    assert [row["agent"] for row in rows] == list(paper_tables.TABLE_2)
    for row in rows:
        gin_files.find(row["gin file"])
    gaussian = next(row for row in rows if row["agent"] == "No Discrete Latents")
    assert gaussian["against DreamerV2"] == "8 better, 5 tied, 42 worse"


def test_the_counts_of_section_3_2_are_of_55_games():
    for row in curves.table("table_2"):
        counts = [row[name] for name in ("Better", "Tied", "Worse") if name in row]
        assert not counts or sum(counts) == 55


def test_runs_of_ours_stand_above_table_2(runs):
    ours = curves.own([str(runs / "runs/*/*/*")])
    first, second, *_ = paper_tables.table_2(Request(ours))
    assert first["agent"] == "DreamerV2, ours" and first["games"] == 2
    assert second["agent"] == "DreamerV2" and second["games"] == 55


def test_table_k1_is_as_printed_with_stars_within_5_percent():
    rows = paper_tables.table_k1(Request())
    assert len(rows) == 55
    for row, line in zip(rows, curves.table("table_k1"), strict=True):
        for name in ("Rainbow", "IQN", "DreamerV2"):
            value = float(row[name].rstrip("*").replace(",", ""))
            # Runs are stored with five digits.
            assert value == pytest.approx(line[name], rel=1e-4, abs=0.51), row["Task"]
    found = {row["Task"]: row for row in rows}
    zone = [found["Battle Zone"][name] for name in ("Rainbow", "IQN", "DreamerV2")]
    assert zone == ["40,061*", "40,953*", "40,325*"]  # 5% below 40,953 is 38,905
    assert found["Pitfall"]["DreamerV2"] == "0*"  # a mean just below 0, as printed
    assert [found["Skiing"][name][-1] for name in ("Rainbow", "IQN", "DreamerV2")] == [*"82*"]


def test_chosen_games_are_the_rows_of_table_k1():
    rows = paper_tables.table_k1(Request(games=["pong", "alien"]))
    assert [row["Task"] for row in rows] == ["Alien", "Pong"]
