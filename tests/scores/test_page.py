"""The page: every section, nothing from a network, nothing that a score file says runs."""

import re
import shutil
import subprocess

import pytest

from dreamer_tf.scores import comparison, curves, page, report
from tests.scores.runs import write_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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
    assert "Curves" in alone and "Last scores" in alone
    assert "Probability of improvement" not in alone and "Missing" not in alone
    several = titles(page.to_html(make(runs, "DQN")))
    assert several[0] == "Aggregates over 2 games"
    expected = {"Probability of improvement", "Performance profiles", "Aggregates over frames"}
    assert expected | {"DreamerV2, ours against DQN, published"} <= set(several)


def test_a_game_without_a_score_is_listed_as_missing(runs):
    found = report.Report(
        curves.own([str(runs / "runs/*/*/*")]), curves.published(["IQN"], ["pong"])
    )
    assert "IQN, published on breakout" in page.to_html(found)


def titles(text):
    return re.findall("<h2>([^<]*)</h2>", text)


def browser():
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def assert_opens(path, charts):
    """A page opens without a network and without an error, and draws every chart."""
    assert not re.search(r"<(script|link)[^>]+(src|href)=", path.read_text())
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
    command += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
    command += ["--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={path.parent / 'profile'}"]
    command += ["--virtual-time-budget=20000", "--dump-dom"]
    shown = subprocess.run(
        [*command, f"file://{path}"], capture_output=True, text=True, timeout=200
    )
    assert "CONSOLE" not in shown.stderr, shown.stderr[-2000:]
    drawn = re.findall(r'<div id="chart\d+"[^>]*>(.*?)</div>', shown.stdout, re.S)
    assert len(drawn) >= charts and all("<svg" in chart for chart in drawn)
    return shown.stdout


in_a_browser = pytest.mark.skipif(
    browser() is None, reason=f"none of {', '.join(BROWSERS)} is installed"
)


@pytest.mark.ci
@in_a_browser
@pytest.mark.parametrize("baselines", [("DQN",), ("Rainbow", "DreamerV2")])
def test_the_page_opens_in_a_browser(runs, baselines):
    request = comparison.Request(
        runs=[str(runs / "runs/*/*/*")] if len(baselines) == 1 else [], baselines=baselines
    )
    path = runs / "report.html"
    comparison.write(comparison.collect(request), str(path), "html")
    assert "Where the numbers come from" in assert_opens(path, charts=2)
