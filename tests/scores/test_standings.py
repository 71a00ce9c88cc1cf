"""Who stands beside whom in an aggregate, and on which games."""

from dreamer_tf.scores import curves, report, standings
from tests.scores.runs import write_run


def compute(*agents, games=None):
    return standings.compute(report.Report([], curves.published(agents, games)))


def test_an_agent_with_few_games_takes_none_from_the_others():
    table = compute("DQN", "IQN", "DreamerV2 (Montezuma)")
    assert list(table.scores) == ["DQN, published", "IQN, published"] and len(table.games) == 55
    assert len(compute("SimPLe at 400k", "DER at 400k").games) == 26  # of two, both count


def test_an_agent_of_another_budget_joins_if_it_has_all_games(tmp_path):
    """It is shown beside the others, and ranked with nobody."""
    for game in ("Pong", "Breakout"):
        write_run(tmp_path / f"{game}/0", game=game)
    ours = curves.own([str(tmp_path / "*/*")])
    found = report.Report(ours, curves.published(["DQN", "IQN"], ["pong", "breakout", "boxing"]))
    table = standings.compute(found)
    assert table.games == ["boxing", "breakout", "pong"] and "DreamerV2, ours" not in table.scores
    two = found._replace(baselines=[c for c in found.baselines if c.game != "boxing"])
    table = standings.compute(two)
    assert table.games == ["breakout", "pong"]
    assert table.groups == [["DQN, published", "IQN, published"], ["DreamerV2, ours"]]
    assert table.single == {"DreamerV2, ours"}


def test_the_control_suite_is_aggregated_where_atari_is_not():
    tasks = compute("CURL", "SAC", games=curves.control_suite_tasks())
    assert len(tasks.games) == 20 and tasks.scale.title == "return / 1,000"
    both = compute("DreamerV3", "PPO", games=["pong", "boxing", "walkerwalk", "cheetahrun"])
    assert both.games == ["boxing", "pong"]


def test_nothing_in_common_is_no_aggregate():
    few = [*curves.published(["DQN"], ["pong"]), *curves.published(["IQN"], ["boxing"])]
    found = report.Report([], few)
    table = standings.compute(found)
    assert table.games == [] and standings.aggregate_rows(found, table) == []
