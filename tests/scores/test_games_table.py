"""The table of games and agents."""

import re

from dreamer_tf.scores import curves, games_table, names, report


def rows_of(found, noted=()):
    called = names.agents(found.agents)
    text = games_table.to_html(report.game_rows(found), found, called, set(noted))
    return re.findall(r"<tr>(.*?)</tr>", text)


def published(*games):
    return report.Report([], curves.published(["DQN", "DreamerV2"], games))


def test_a_row_has_its_scores_and_the_references():
    head, breakout, pooyan = rows_of(published("pooyan", "breakout"), ["breakout"])
    assert re.findall("<button>(.*?)</button>", head) == [
        *("Game", "DQN", "DreamerV2", "Random", "Human")
    ]
    assert "Breakout" in breakout and "†" in breakout and "†" not in pooyan
    assert breakout.count("data-value") == 4 and pooyan.count("data-value") == 1
    assert pooyan.count('class="n gap">-<') == 3  # no DreamerV2, no random play, no gamer


def test_intervals_and_runs_stand_below_the_score():
    _, breakout = rows_of(published("breakout"))
    assert "<small>5 runs</small>" in breakout
    assert "<small>4 runs, 4 ended early</small>" in breakout
    assert len(re.findall(r"<small>[\d.]+ to [\d.]+</small>", breakout)) == 2


def test_one_agent_alone_is_not_the_best(runs):
    found = report.Report(curves.own([str(runs / "runs/*/*/*")]), [])
    assert not any("<b>" in row for row in rows_of(found))
    single = next(row for row in rows_of(found) if "Breakout" in row)
    assert "<small>1 run</small>" in single and " to " not in single
