"""The reviewer's checklist says what the curves say."""

import pytest

from dreamer_tf.environments import atari
from dreamer_tf.scores import checklist, curves, names, report, standings
from tests.scores.runs import write_run


def answers(found):
    table = standings.compute(found)
    rows = checklist.answers(found, table, names.agents(found.agents))
    return {row.question: row for row in rows}


def find(found, words):
    [row] = [row for question, row in answers(found).items() if words in question]
    return row


def test_published_agents_of_two_protocols():
    found = report.Report([], curves.published(["DreamerV2", "Rainbow"], ["pong", "boxing"]))
    assert find(found, "sticky").answer == "yes"
    actions = find(found, "18 actions")
    assert actions.answer == "no" and actions.because.startswith("Rainbow:")
    assert find(found, "when a life").answer == "yes"
    assert find(found, "one protocol").answer == "no"
    assert find(found, "from evaluation").answer == "no"
    assert find(found, "at least 5 runs").answer == "yes"
    assert find(found, "aggregate have an interval").answer == "yes"
    single = find(found, "single games hold")
    assert single.answer == "no" and "With 5 runs," in single.because and "83%" in single.because
    several = find(found, "aggregates hold")
    assert several.answer == "no" and "With 5 runs of each game" in several.because
    assert "92%" in several.because  # which is not 95%
    assert "in 92% of cases at most" in several.because
    assert find(found, "number of frames").answer == "yes"
    assert find(found, "tuning").answer == find(found, "hours").answer == "unknown"


def test_a_source_that_is_silent_is_unknown():
    found = report.Report([], curves.published(["SimPLe at 400k"], ["pong"]))
    assert find(found, "sticky").answer == "unknown"
    assert find(found, "from evaluation").answer == "unknown"
    assert find(found, "at least 5 runs").answer == "no"
    assert not [question for question in answers(found) if "interval" in question]  # nor any


def test_other_frames_and_other_suites(runs):
    ours = curves.own([str(runs / "runs/*/*/*")])
    mixed = report.Report(ours, curves.published(["DQN"], ["pong", "breakout"]))
    frames = find(mixed, "number of frames")
    assert (frames.answer, frames.because) == ("no", "2k to 199M frames on Breakout.")
    write_run(runs / "runs/c/maze/0", game="maze", protocol="gymnasium")
    maze = report.Report(curves.own([str(runs / "runs/c/*/*")]), [])
    assert not [question for question in answers(maze) if "sticky" in question]


@pytest.mark.parametrize("preset", sorted(atari.PRESETS))
def test_every_preset_is_known(preset):
    """What the checklist says of a protocol is what the environment does."""
    settings = atari.PRESETS[preset]
    expected = (
        settings["sticky_actions"] > 0,
        settings["full_action_space"],
        not settings["end_on_life_loss"],
    )
    assert checklist.setting(preset) == expected
    changed = f"{preset}, sticky_actions=0.1, full_action_space=False, end_on_life_loss=True"
    assert checklist.setting(changed) == (True, False, False)
    assert checklist.setting("of tomorrow") == (None, None, None)


def test_hours_come_from_the_records_of_the_runs(runs):
    """`run.json` is written by anybody."""
    records = {0: '{"hours": 1.5}', 1: '{"hours": 2}', 2: '{"hours": "many"}'}
    for seed, text in records.items():
        (runs / f"runs/a/Pong/{seed}/run.json").write_text(text)
    ours = curves.own([str(runs / "runs/a/Pong/*")])
    found = find(report.Report(ours, []), "hours")
    assert (found.answer, found.because) == (
        "no",
        "Our runs took 1.5 to 2 hours; 1 run did not say.",
    )
    assert find(report.Report(ours[:2], []), "hours").answer == "yes"
    mixed = report.Report(ours, curves.published(["DQN"], ["pong"]))
    assert find(mixed, "hours").answer == "unknown"
    for text in ('{"hours": 1e400}', '{"hours": NaN}', '{"hours": true}', '{"hours": -1}', "[]"):
        (runs / "runs/a/Pong/0/run.json").write_text(text)
        assert find(report.Report(ours[:1], []), "hours").answer == "unknown"


def test_the_episodes_of_the_last_scores_are_counted(runs):
    ours = curves.own([str(runs / "runs/a/Pong/*")])
    found = find(report.Report(ours, []), "mean of at least 10 episodes")
    assert (found.answer, found.because) == (
        "no",
        "The last scores of our runs are means of 3 episodes.",
    )
    more = [curve._replace(episodes=10 + number) for number, curve in enumerate(ours)]
    found = find(report.Report(more, []), "mean of at least 10 episodes")
    assert found.answer == "yes" and "10 to 12 episodes" in found.because
    mixed = report.Report(more, curves.published(["DQN"], ["pong"]))
    assert find(mixed, "mean of at least 10 episodes").answer == "unknown"
    # Between two points nobody knows.
    assert ours[0].until(1500).episodes is None
    assert ours[0].until(2000).episodes == 3


def test_frames_are_compared_on_each_game(tmp_path):
    """Another game may be played longer by all, and an iteration ends with a whole episode."""
    for agent, more in (("A", 0), ("B", 40)):
        write_run(tmp_path / f"{agent}0", agent, "pong", ends=(1000, 2000 + more))
        write_run(tmp_path / f"{agent}1", agent, "boxing", ends=(1000, 9000 + more))
    found = report.Report(curves.own([str(tmp_path / "*")]), [])
    frames = find(found, "number of frames")
    assert (frames.answer, frames.because) == ("yes", "On each game, within 5%.")
