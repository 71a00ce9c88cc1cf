"""The table of games and agents."""

import re

from dreamer_tf.scores import curves, games_table, names, printed, report
from tests.scores.runs import write_run


def rows_of(found, noted=()):
    called = names.agents(found.agents)
    rows, beside = report.game_rows(found), printed.scores(found)
    text = games_table.to_html(rows, found, called, beside, set(noted))
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
    assert '<small class="ends">5 runs</small>' in breakout
    assert '<small class="ends">4 runs, 4 ended early</small>' in breakout
    assert len(re.findall(r'<small class="ends">[\d.]+ to [\d.]+</small>', breakout)) == 2


def test_the_printed_score_stands_below_the_computed_one():
    head, breakout = rows_of(published("breakout"))
    assert breakout.count('<small class="k1">') == 1  # Table K1 has no DQN
    assert '<small class="k1">312 printed</small>' in breakout
    assert "<small>200M frames</small><small>4 runs</small>" in head


def test_bold_compares_agents_after_similar_frames(tmp_path):
    """Ours have 2,000 frames, the published ones 199M."""
    for agent, end in (("A", 1.0), ("B", 1.03), ("C", 0.9)):
        write_run(tmp_path / f"{agent}/0", agent, "Pong", end=end)
    ours = curves.own([str(tmp_path / "*/*")])
    found = report.Report(ours, curves.published(["DQN", "IQN"], ["pong"]))
    _, pong = rows_of(found)
    assert re.findall("<b>(.*?)</b>", pong) == ["1.00", "1.03", "20.1"]


def test_a_published_mean_is_no_run():
    found = report.Report([], curves.published(["SimPLe at 400k"], ["pong"]))
    head, pong = rows_of(found)
    assert (
        "<small>400k frames</small><small>a published mean</small>" in head and "1 run" not in pong
    )


def test_one_agent_alone_is_not_the_best(runs):
    found = report.Report(curves.own([str(runs / "runs/*/*/*")]), [])
    assert not any("<b>" in row for row in rows_of(found))
    single = next(row for row in rows_of(found) if "Breakout" in row)
    assert '<small class="ends">1 run</small>' in single and " to " not in single
