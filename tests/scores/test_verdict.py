"""Who is better, by how much, how sure; and who is not ranked."""

import pytest

from dreamer_tf.scores import aggregate, curves, names, report, standings, verdict
from tests.scores.runs import write_run


def published(*agents, games=("pong", "breakout", "boxing")):
    return report.Report([], curves.published(agents, games))


def words(found):
    table = standings.compute(found)
    return " ".join(verdict.sentences(found, table, names.agents(found.agents)))


def improvements(found):
    return verdict.improvement_rows(found, standings.compute(found))


def test_the_sentence_has_the_values_of_the_aggregates():
    found = published("DQN", "IQN")
    table = standings.compute(found)
    values = {row["agent"]: row["IQM"] for row in standings.aggregate_rows(found, table)}
    text = words(found)
    best = max(values, key=values.get)
    assert text.startswith(
        f"{best.removesuffix(', published')} has the highest interquartile mean over 3"
    )
    assert all(names.score(value) in text for value in values.values())
    [other] = set(values) - {best}
    ahead = aggregate.iqm_lead(table.scores[best], table.scores[other], table.games)
    assert ahead.value == pytest.approx(values[best] - values[other])
    assert names.interval(ahead.low, ahead.high) in text and "is uncertain" in text
    assert text.endswith("DQN is first by the gamer median (3.28 against 2.70).")
    assert "is more than chance: its 95% interval over runs is" in words(
        published("DQN", "IQN", games=("boxing", "enduro"))
    )


def test_equal_agents_are_not_told_apart(tmp_path):
    for seed, end in enumerate((1.0, 3.0, 5.0)):
        write_run(tmp_path / f"a/{seed}", agent="A", seed=seed, end=end)
        write_run(tmp_path / f"b/{seed}", agent="B", seed=seed, end=end + 0.1)
        write_run(tmp_path / f"c/{seed}", "A", "Boxing", seed, end=end)
        write_run(tmp_path / f"d/{seed}", "B", "Boxing", seed, end=end)
    found = report.Report(curves.own([str(tmp_path / "*/*")]), [])
    assert "is uncertain" in words(found) and "contains 0" in words(found)


def test_agents_after_very_different_frames_are_not_ranked_together(runs):
    """2,000 frames of ours had a 'probability of improvement' against 199M published ones."""
    ours = curves.own([str(runs / "runs/*/*/*")])
    found = report.Report(ours, curves.published(["DQN", "IQN"], ["pong", "breakout"]))
    assert "Not ranked with these, which have 199M frames: DreamerV2 (ours) after 2k" in words(
        found
    )
    [row] = improvements(found)
    assert (row["agent"], row["better than"]) == ("DQN, published", "IQN, published")
    assert row["frames"] == "199M against 199M" and 0.0 <= row["probability"] < 0.5
    alone = report.Report(ours, curves.published(["DQN"], ["pong", "breakout"]))
    assert improvements(alone) == []
    assert words(alone).startswith("No aggregate ranks the agents")


def test_one_game_is_ranked_by_its_returns(runs):
    """Its aggregates would be the score of that game in other units."""
    found = report.Report(
        curves.own([str(runs / "runs/a/Pong/*")]), curves.published(["DQN", "IQN"], ["pong"])
    )
    text = words(found)
    assert text.startswith("On Pong, IQN (published) has the highest return: 20.1")
    assert "DreamerV2 (ours) after 2k frames" in text and "interquartile" not in text


def test_single_runs_have_no_certainty(runs):
    """Three runs on Pong, one on Breakout: one counts on both."""
    write_run(runs / "runs/b/Pong/0", agent="Other", end=1.0)
    write_run(runs / "runs/b/Breakout/0", agent="Other", game="Breakout", end=1.0)
    found = report.Report(curves.own([str(runs / "runs/*/*/*")]), [])
    assert "Some games have a single run or only a mean" in words(found)
    [row] = improvements(found)
    assert (row["low"], row["high"], row["runs a game"]) == ("", "", "1 to 3 against 1")


def test_one_task_without_reference_scores_is_ranked_by_its_returns(tmp_path):
    for seed, end in enumerate((1.0, 2.0)):
        write_run(tmp_path / f"a/{seed}", "A", "maze", seed, end=end)
        write_run(tmp_path / f"b/{seed}", "B", "maze", seed, end=end + 5.0)
    found = report.Report(curves.own([str(tmp_path / "*/*")]), [])
    assert words(found) == (
        "On Maze, B has the highest return: 6.50 (2 runs, 6.00 to 7.00). A has 1.50 (2 runs, "
        "1.00 to 2.00). "
        "The lead of 5.00 is more than chance: its 95% interval over runs is 1.96 to 8.04."
    )


def test_ours_are_ranked_beside_the_published_ones(tmp_path):
    """They have 2,000 frames, those 199M: two rankings, ours first."""
    for agent, end in (("A", 1.0), ("B", 5.0)):
        for seed in range(2):
            write_run(tmp_path / f"{agent}/{seed}", agent, seed=seed, end=end + seed)
    ours = curves.own([str(tmp_path / "*/*")])
    text = words(report.Report(ours, curves.published(["DQN", "IQN"], ["pong"])))
    first, second = text.split("On Pong ")[1:]
    assert first.startswith("after 2k frames, B (ours) has the highest return: 5.50")
    assert second.startswith("after 199M frames, IQN (published) has the highest return")


def test_a_small_lead_on_one_game_is_uncertain():
    """1% ahead, with intervals of a third."""
    text = words(published("DreamerV2", "Rainbow", games=["amidar"]))
    assert "is uncertain" in text and "contains 0" in text and "Rainbow has 2,529 (" in text


def test_published_means_are_no_runs():
    """They had a probability of improvement, 'three runs against one'."""
    found = published("SimPLe at 400k", "DER at 400k", games=("pong", "boxing"))
    assert improvements(found) == []
    assert "single run or only a mean, so nothing says" in words(found)
    table = standings.compute(found)
    [row, _] = standings.aggregate_rows(found, table)
    assert row["runs a game"] == "a published mean" and row["IQM low"] == ""


def test_an_agent_with_few_games_is_not_ranked():
    found = published("DQN", "IQN", "DreamerV2 (Montezuma)", games=None)
    assert "not ranked: DreamerV2 (Montezuma)." in words(found)


def test_equal_returns_have_no_winner(tmp_path):
    for agent, end in (("A", 1.0), ("B", 1.0), ("C", 0.5)):
        write_run(tmp_path / f"{agent}/0", agent, "maze", 0, end=end)
    found = report.Report(curves.own([str(tmp_path / "*/*")]), [])
    assert words(found) == "On Maze, A and B have the highest return: 1.00. C has 0.50 (one run)."
    alike = report.Report(curves.own([str(tmp_path / "[AB]/*")]), [])
    assert words(alike) == "On Maze, A and B have the highest return: 1.00."


def test_tasks_without_reference_scores_are_counted(tmp_path):
    for game, ends in (("maze", (1.0, 2.0)), ("catch", (2.0, 1.0)), ("cart", (3.0, 1.0))):
        for agent, end in zip("AB", ends, strict=True):
            write_run(tmp_path / f"{game}/{agent}", agent, game, end=end)
    write_run(tmp_path / "alone/A", "A", "alone")
    found = report.Report(curves.own([str(tmp_path / "*/*")]), [])
    assert words(found).startswith(
        "Of 3 comparisons on a game, after similar numbers of frames, the highest return is of A "
        "in 2 (Cart and Catch; 0 of them by more than chance) and B in 1 (Maze; 0 of them by more "
        "than chance). No "
    )


def test_what_is_missing_is_said_once_for_each_agent():
    found = published("DQN", "DreamerV2", games=("pong", "pooyan", "carnival"))
    gaps = verdict.gaps(report.game_rows(found), names.agents(found.agents))
    assert gaps == ["DreamerV2 has no score on 2 of 3 games: Carnival and Pooyan."]
    found = published("DQN", "DreamerV2", "DreamerV3", games=("pong", "pooyan"))
    gaps = verdict.gaps(report.game_rows(found), names.agents(found.agents))
    assert gaps == ["DreamerV2 and DreamerV3 have no score on 1 of 2 games: Pooyan."]


def test_other_protocols_and_returns_are_said_at_once():
    called = {"DreamerV3, published": "V3", "DQN, published": "DQN", "C51, published": "C51"}
    text = verdict.caveats(published("DreamerV3", "DQN", "C51", games=["pong"]), called)
    assert text == [
        "Protocols differ: dreamerv3_atari with sticky actions, all 18 actions (V3); dopamine with "
        "sticky actions, the game's own actions (DQN and C51).",
        "Returns differ: unknown (V3); training (DQN and C51).",
    ]
    assert verdict.caveats(published("DQN", "C51"), called) == []


def test_runs_without_any_difference_say_nothing_about_chance():
    """An interval of 0.02 to 0.02 was called more than chance."""
    assert verdict.lead_on_game({"a": [1.0, 1.0], "b": [0.98, 0.98]}).sure is None
    assert verdict.lead_on_game({"a": [1.0, 1.0], "b": [0.1, 0.2]}).sure


def test_a_lead_across_protocols_is_one_between_seeds_only(tmp_path):
    for seed in range(3):
        write_run(tmp_path / f"a/{seed}", "A", seed=seed, end=seed + 15.0)
        write_run(tmp_path / f"b/{seed}", "B", seed=seed, end=seed - 5.0, protocol="atari100k")
        write_run(tmp_path / f"c/{seed}", "C", seed=seed, end=seed - 9.0)

    def of(pattern):
        return words(report.Report(curves.own([str(tmp_path / pattern)]), []))

    assert of("[ab]/*").endswith("That is between seeds: how they were measured differs, too.")
    assert "more than chance" in of("[ac]/*") and "measured" not in of("[ac]/*")


def test_few_runs_on_one_game_have_a_probability_without_an_interval(tmp_path):
    """Three runs that beat three others gave an interval from 1 to 1."""
    for seed in range(5):
        for agent, end in (("A", 9.0), ("B", 1.0)):
            write_run(tmp_path / f"{agent}/{seed}", agent, seed=seed, end=end + seed / 10)
    for seeds, ends in (("012", ("", "")), ("01234", (1.0, 1.0))):
        found = report.Report(curves.own([str(tmp_path / f"*/[{seeds}]")]), [])
        [row] = improvements(found)
        assert row["probability"] == 1.0 and (row["low"], row["high"]) == ends
