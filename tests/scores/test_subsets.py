"""Atari-3, -5 and -10: the fit of the paper, and an interval that covers agents it has not seen."""

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import comparison, curves, report, subsets


def test_the_regression_is_that_of_the_paper():
    model = subsets.fit("atari5")
    assert len(model.agents) == 44 and len(subsets.dataset()) == 62
    assert round(model.r_squared, 3) == 0.988
    assert (model.weights > 0).all()


@pytest.mark.parametrize("subset,count", [("atari3", 45), ("atari5", 44), ("atari10", 42)])
def test_the_interval_covers_agents_that_it_has_not_seen(subset, count):
    """Neither the fit nor the width of the interval has seen the agent."""
    assert len(subsets.fit(subset).agents) == count
    covered = subsets.covered(subset)
    assert covered >= round(36 / 44 * count) and covered < count  # not so wide that it says nothing


def test_leave_one_out_is_leaving_one_out():
    """The shortcut by the hat matrix gives what refitting gives."""
    model = subsets.fit("atari5")
    shortcut = subsets.left_out(model.features, model.targets)
    for number in (0, 7, 43):
        others = np.arange(44) != number
        weights = subsets.solve(model.features[others], model.targets[others])
        residual = model.targets[number] - model.features[number] @ weights
        assert shortcut[number] == pytest.approx(residual)


def test_more_games_predict_better():
    margins = [subsets.fit(name).margin for name in ("atari3", "atari5", "atari10")]
    assert margins == sorted(margins, reverse=True) and margins[-1] < margins[0]


@pytest.mark.parametrize(
    "agent,printed,exact,true,inside",
    [
        ("DreamerV2", 199, 203, 215, True),
        ("Rainbow", 115, 118, 147, True),
        ("IQN", 94, 96, 129, False),
    ],
)
def test_it_is_too_low_for_our_own_table(agent, printed, exact, true, inside):
    """The figures of docs/baselines.md, from Table K1: it ranks, and does not replace 55 games."""
    table = {str(row["Game"]): row for row in curves.table("table_k1")}
    model = subsets.fit("atari5")

    def predict(normalize):
        return model.predict({game: normalize(game, table[game]) for game in model.games})

    def whole_numbers(_, row):
        return (row[agent] - row["Random"]) / (row["Gamer"] - row["Random"])

    predicted = predict(lambda game, row: subsets.normalize(game, row[agent]))
    assert round(100 * predict(whole_numbers).value) == printed
    assert round(100 * predicted.value) == exact
    [median] = [row["gamer_median"] for row in curves.table("table_1") if row["Agent"] == agent]
    assert round(100 * median) == true
    assert (predicted.low < median < predicted.high) == inside


@pytest.mark.parametrize("subset", subsets.SUBSETS)
def test_how_many_of_our_own_agents_it_covers(subset):
    """The counts of the page and of docs/baselines.md."""
    request = comparison.Request(baselines=subsets.HERE, mixed=True)
    rows = subsets.rows(comparison.collect(request), subset)
    assert len(rows) == len(subsets.HERE)
    inside = [row["within the interval"] for row in rows]
    assert inside.count("yes") == subsets.COVERED_HERE[subset]
    trained = {row["agent"] for row in rows if row["one of the regression"] == "yes"}
    assert trained == {f"{name}, published" for name in ("DreamerV2", "IQN", "C51", "MuZero")}


def test_rows_are_of_agents_that_have_the_games():
    games = subsets.SUBSETS["atari5"]
    found = report.Report([], curves.published(["DQN", "IQN"], games))
    few = [curve for curve in found.baselines if (curve.agent, curve.game) != ("IQN", "qbert")]
    [row] = subsets.rows(found._replace(baselines=few), "atari5")
    assert row["agent"] == "DQN, published" and row["from"] == "5 games"
    assert row["low"] < row["predicted median"] < row["high"]
    assert row["median over 55 games"] == ""  # not measured
    with pytest.raises(UserError, match=r"--subset=atari10: no agent has scores on .*Amidar"):
        subsets.rows(found, "atari10")


def test_the_measured_median_stands_beside_the_predicted_one():
    [row] = subsets.rows(report.Report([], curves.published(["DreamerV2"])), "atari5")
    assert row["median over 55 games"] == pytest.approx(2.14, abs=0.02)


def test_scores_below_random_play_count_as_none():
    assert subsets.logarithm(np.array([-3.0, 0.0, 0.99])).tolist() == [0.0, 0.0, 2.0]
