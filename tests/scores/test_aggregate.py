"""Aggregates reproduce the paper's Table 1; published data is what its source says."""

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import aggregate, bootstrap, curves

TABLE_1 = {row["Agent"]: row for row in curves.table("table_1")}


def last_scores(agent):
    """Game -> score of every published run at 199M frames.

    Of a run that ended early it is the last one. Some of DreamerV2's have a value at 200M frames,
    others do not.
    """
    scores = {}
    for curve in curves.published([agent], aggregate.games()):
        scores.setdefault(curve.game, []).append(curve.at(199e6))
    return scores


def printed(values):
    return {name: round(value, 2) for name, value in values.items()}


@pytest.mark.parametrize("agent", ["DreamerV2", "IQN", "Rainbow"])
def test_table_1_from_table_k1(agent):
    """To every printed digit, although K1 is rounded to whole numbers."""
    scores = {row["Game"]: [row[agent]] for row in curves.table("table_k1")}
    assert len(scores) == 55
    expected = {name: TABLE_1[agent][name] for name in aggregate.AGGREGATES}
    assert printed(aggregate.aggregate(scores)) == expected


@pytest.mark.parametrize(
    "agent", ["DQN", "C51", "Rainbow", "IQN", "DreamerV2", "DreamerV2 (schedules)"]
)
def test_table_1_from_the_runs(agent):
    """From every published run: normalized per game and run first, averaged afterwards."""
    found = last_scores(agent)
    assert len(found) == 55
    values = printed(aggregate.aggregate(found))
    expected = {name: TABLE_1[agent][name] for name in aggregate.AGGREGATES}
    assert values == expected


@pytest.mark.parametrize("agent", ["DreamerV2", "IQN", "Rainbow"])
def test_table_k1_from_the_runs(agent):
    """Every printed score is the mean over the runs; half a point is rounding."""
    found = last_scores(agent)
    for row in curves.table("table_k1"):
        assert abs(np.mean(found[row["Game"]]) - row[agent]) <= 0.501 + 1e-4 * abs(row[agent])


def test_averaging_first_would_be_wrong_where_scores_are_clipped():
    low, high = aggregate.reference("pong", "Record")
    runs = [low, low + 2 * (high - low)]
    assert aggregate.aggregate({"pong": runs})["clipped_record_mean"] == pytest.approx(0.5)


def test_intervals_contain_their_values_and_order_agents():
    agents = ["IQN", "DQN"]
    found = {agent: last_scores(agent) for agent in agents}
    games = aggregate.games()[:10]
    result = aggregate.intervals(found, games, reps=200)
    for agent in agents:
        for interval in result[agent].values():
            assert interval.low <= interval.value <= interval.high
            assert interval.low < interval.high
    assert result["IQN"]["IQM"].value > result["DQN"]["IQM"].value
    assert result == aggregate.intervals(found, games, reps=200)  # the same in every call
    better = aggregate.probability_of_improvement(found["IQN"], found["DQN"], games, reps=100)
    assert 0.5 < better.low <= better.value <= better.high <= 1.0


def evenly(scores, games):
    """Gamer normalized scores [rows, games]; every run of a game appears equally often."""
    runs = [np.sort(aggregate.normalize(game, scores[game], "Gamer"))[None] for game in games]
    return bootstrap.even(runs)[0].reshape(len(games), -1).T


def test_intervals_are_those_of_rliable():
    """Where games have equal numbers of runs, which is what rliable takes."""
    from rliable import library, metrics

    games = aggregate.games()[:12]
    matrices = {agent: evenly(last_scores(agent), games) for agent in ("IQN", "DQN")}
    assert all(matrix.shape == (5, 12) for matrix in matrices.values())
    tables = {agent: last_scores(agent) for agent in matrices}
    ours = aggregate.intervals(tables, games)
    values, bounds = library.get_interval_estimates(
        matrices, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=2000
    )
    for agent in matrices:
        iqm = ours[agent]["IQM"]
        assert iqm.value == pytest.approx(values[agent][0])
        width = iqm.high - iqm.low
        np.testing.assert_allclose((iqm.low, iqm.high), bounds[agent][:, 0], atol=0.15 * width)
    better = aggregate.probability_of_improvement(tables["IQN"], tables["DQN"], games)
    expected = metrics.probability_of_improvement(matrices["IQN"], matrices["DQN"])
    assert better.value == pytest.approx(expected)


def test_every_run_counts_whatever_the_number_of_runs():
    """A game with 1 run does not make those of the others arbitrary, and order does not matter."""
    low, high = aggregate.reference("pong", "Gamer")
    runs = [low + share * (high - low) for share in (0.1, 0.2, 0.9, 0.8, 0.5, 0.7)]
    few = [aggregate.reference("boxing", "Gamer")[1]]
    games = ["boxing", "pong"]
    matrix = evenly({"pong": runs, "boxing": few}, games)
    assert matrix.shape == (6, 2) and matrix[:, 1].mean() == pytest.approx(
        np.mean(aggregate.normalize("pong", runs, "Gamer"))
    )
    found = [
        aggregate.intervals({"A": {"pong": order, "boxing": few}}, games, reps=50)["A"]["IQM"].value
        for order in (runs, runs[::-1])
    ]
    assert found[0] == pytest.approx(found[1])
    many = {"pong": runs * 3 + runs[:1], "boxing": few * 7}  # 19 and 7: no small common multiple
    assert evenly(many, games).shape == (120, 2)


def test_performance_profiles_are_shares_of_runs_above_a_score():
    """Shares of what is above each score, counted by hand; falling, with the value inside."""
    low, high = aggregate.reference("pong", "Gamer")
    runs = [low + share * (high - low) for share in (0.2, 0.4, 0.6, 0.8)]
    found = aggregate.performance_profiles({"A": {"pong": runs}}, ["pong"], np.array([0, 0.5, 1]))
    np.testing.assert_allclose(found["A"][:, 0], [1.0, 0.5, 0.0])
    assert found["A"][1, 1] < 0.5 < found["A"][1, 2]
    games = aggregate.games()[:5]
    profile = aggregate.performance_profiles(
        {"IQN": last_scores("IQN")}, games, np.linspace(-1, 5, 21)
    )["IQN"]
    assert (np.diff(profile[:, 0]) <= 0).all()
    assert (profile[:, 1] <= profile[:, 0]).all() and (profile[:, 0] <= profile[:, 2]).all()


def test_the_interval_of_a_mean_lies_within_the_runs():
    interval = aggregate.mean_interval([1.0, 2.0, 3.0, 4.0])
    assert interval.value == 2.5 and 1.0 <= interval.low < 2.5 < interval.high <= 4.0
    assert aggregate.mean_interval([3.0]) == (3.0, 3.0, 3.0)


def test_a_game_without_a_reference_score_is_named():
    with pytest.raises(UserError, match="no gamer score for the game 'pooyan'"):
        aggregate.normalize("pooyan", [1.0], "Gamer")
