"""The page: every section, nothing from a network, nothing that a score file says runs."""

import html
import re

from dreamer_tf import version
from dreamer_tf.scores import comparison, curves, names, page, report
from tests.scores.runs import write_run


def make(runs, *baselines):
    patterns = [str(runs / "runs/*/*/*")]
    return comparison.collect(comparison.Request(runs=patterns, baselines=baselines))


def test_configurations_are_on_the_page(runs):
    (runs / "runs/a/Pong/0/config.gin").write_text("RSSM.units = 7\n")
    write_run(runs / "runs/b/Pong/0", gin_hash="fedcba9876543210", seed=3)
    text = page.to_html(report.Report(curves.own([str(runs / "runs/*/*/*")]), []))
    assert "RSSM.units = 7" in text and "missing: its directory" in text


def test_words_of_a_score_file_cannot_become_code(tmp_path):
    write_run(tmp_path / "runs/0", agent="</script><script>alert(1)</script>")
    text = page.to_html(report.Report(curves.own([str(tmp_path / "runs/0")]), []))
    assert "<script>alert(1)" not in text


def test_sections_follow_from_what_is_compared(runs):
    """Aggregates and improvements need common games, differences need two agents."""
    alone = titles(page.to_html(make(runs)))
    assert alone[:2] == ["Scores", "Learning curves"] and alone[-1] == "A reviewer's checklist"
    assert "Probability of improvement" not in alone
    several = titles(page.to_html(make(runs, "DQN", "IQN")))
    expected = {"Probability of improvement", "Performance profiles", "Aggregates over frames"}
    assert expected | {"Aggregates over 2 games", "DQN (published) game by game"} <= set(several)


def test_a_game_without_a_score_is_listed_as_missing(runs):
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["IQN"], ["pong"])
    )
    assert "IQN (published) has no score on 1 of 2 games: Breakout." in page.to_html(found)


def test_the_first_screen_says_what_is_compared_when_and_by_which_version(runs):
    text = page.to_html(make(runs, "DQN"))
    assert "<h1>DreamerV2 (ours) against DQN (published)</h1>" in text
    [line] = re.findall('<p class="sub">(.*?)</p>', text)
    assert line.startswith("2 Atari games · 4 runs of ours and 10 published runs · ")
    assert f"dreamer_tf {version.VERSION}, numerics {version.NUMERICS}" in line
    assert "<h1>DreamerV2 on Breakout</h1>" in page.to_html(
        report.Report(curves.own([str(runs / "runs/a/Breakout/0")]), [])
    )


def test_the_page_uses_words(runs):
    text = visible(page.to_html(make(runs, "DQN", "IQN")))
    assert "Clipped record mean" in text and "Breakout" in text
    for odd in ("clipped_record_mean", "gamer_median", "optimality_gap", "-0.00", " 1 runs", "nan"):
        assert odd not in text, odd


def test_the_best_scores_of_a_row_are_bold():
    found = report.Report([], curves.published(["DQN", "IQN", "C51"], ["breakout"]))
    scores = {row["agent"]: row["score"] for row in report.game_rows(found)}
    best = max(scores.values())
    assert re.findall(r"<b>([^<]*)</b>", page.to_html(found)) == [names.score(best)]


def visible(text):
    """What people read: no scripts, no styles, no tags."""
    text = re.sub(r"(?s)<(script|style)>.*?</\1>", "", text)
    return html.unescape(re.sub(r"<[^>]*>", "\n", text))


def titles(text):
    return [html.unescape(title) for title in re.findall("<h2 id[^>]*>([^<]*)</h2>", text)]


def test_the_best_comes_first_among_those_of_its_budget(tmp_path):
    """An agent with a thousandth of the frames was the last of one list."""
    for agent, end in (("A", 1.0), ("B", 5.0)):
        write_run(tmp_path / f"{agent}/0", agent, end=end)
    ours = curves.own([str(tmp_path / "*/*")])
    found = report.Report(ours, curves.published(["DQN", "IQN"], ["pong"]))
    order = '["B (ours)","A (ours)","IQN (published)","DQN (published)"]'
    assert f'"sort":{order}' in page.to_html(found)
