"""The document: charts share specifications, nothing ends a script, people can read it."""

import json
import re
import subprocess

import pytest

from dreamer_tf.scores import comparison, document
from tests.scores import browser
from tests.scores.runs import write_run


def test_charts_share_their_specifications():
    canvas = document.Canvas(["A"])
    first = canvas.chart({"mark": "bar"}, {"agent": [0]})
    second = canvas.figure("B", {"mark": "bar"}, {"agent": [0]})
    data = json.loads(canvas.data())
    assert len(data["specs"]) == 1 and len(data["places"]) == 2
    assert 'id="chart0"' in first and 'id="chart1"' in second


def test_no_text_ends_a_script_or_an_attribute():
    evil = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    canvas = document.Canvas([evil])
    body = canvas.legend() + canvas.figure(evil, {"title": evil}, {"agent": [0], "x": [evil]})
    body += document.table([{evil: evil, "n": 1}]) + document.paragraph(evil)
    text = document.assemble(evil, [document.Section(evil, body)] * 2, canvas, evil)
    assert "<script>alert" not in text and "<img" not in text.split("<script>")[0]
    assert text.count("</script>") == 2


def test_contents_list_the_sections():
    parts = [document.Section(name, "") for name in ("A", "", "B & C")]
    text = document.assemble("T", parts, document.Canvas())
    assert re.findall(r'<a href="#(.*?)">(.*?)</a>', text.split("</header>")[0]) == [
        ("part0", "A"),
        ("part2", "B &amp; C"),
    ]


def test_the_style_knows_themes_phones_and_paper():
    text = document.assemble("T", [], document.Canvas())
    for rule in ("prefers-color-scheme: dark", "max-width: 700px", "@media print"):
        assert rule in text
    assert 'name="viewport"' in text
    variables = set(re.findall(r"var\((--\w+)\)", text.split("<script>")[0]))
    assert variables <= set(re.findall(r"(--\w+):", text))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """55 games and six agents."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    request = comparison.Request(baselines=(*comparison.DEFAULT_BASELINES, "DreamerV2 (schedules)"))
    comparison.write(comparison.collect(request), str(path), "html")
    return path


@pytest.mark.ci
@browser.in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_covered_or_too_small(whole, width):
    found = browser.layout(whole, width)
    assert found["wrong"] == [] and found["charts"] == 60 + 5 + 2 + 1 + 1 + 4
    if width == 1280:
        assert found["scrolls"] == 0  # every table fits
        assert found["first"]["bottom"] < 800  # the answer needs no scrolling
    # A click sorts, a second one turns the order round; games without a score stay at the end.
    assert found["once"][55:] == found["twice"][55:] == ["-"] * 5
    down, up = ([float(value) for value in found[name][:55]] for name in ("once", "twice"))
    assert down == sorted(down, reverse=True) and up == sorted(up)
    assert "0.01" in found["profile"] and "100" in found["profile"]


@pytest.mark.ci
@browser.in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_few_runs_of_long_names_are_shown_as_well(tmp_path, width):
    """One game, names of 80 letters, one run, agents after very different numbers of frames."""
    for seed in range(2):
        write_run(tmp_path / f"runs/a/{seed}", agent="LongName" * 10, seed=seed, end=seed + 5.0)
    write_run(tmp_path / "runs/b/0", agent="A long name of words " * 4)
    path = tmp_path / "report.html"
    request = comparison.Request(runs=[str(tmp_path / "runs/*/*")], baselines=["DQN", "IQN"])
    comparison.write(comparison.collect(request), str(path), "html")
    found = browser.layout(path, width)
    assert [wrong for wrong in found["wrong"] if "shortened" not in wrong] == []


@pytest.mark.ci
@browser.in_a_browser
def test_the_layout_test_sees_what_is_wrong(tmp_path):
    """A table that is cut, a text on another one, letters that are too small."""
    canvas = document.Canvas(["A"])
    body = '<div style="overflow:hidden"><table><td style="min-width:3000px">wide</table></div>'
    body += '<p style="margin-top:-40px">above</p><p style="font-size:7px">small</p>'
    path = tmp_path / "bad.html"
    path.write_text(document.assemble("T", [document.Section("", body)], canvas))
    wrong = " ".join(browser.layout(path, 390)["wrong"])
    assert "cut table" in wrong and "small text" in wrong and "'wide' and 'above'" in wrong


@pytest.mark.ci
@browser.in_a_browser
def test_the_page_is_printed_on_pages(whole):
    """All charts are there, and the table runs over several pages."""
    out = whole.with_name("report.pdf")
    command = browser._command(whole.parent, 1280, 3000)
    subprocess.run([*command, f"--print-to-pdf={out}", f"file://{whole}"], check=True, timeout=300)
    assert out.stat().st_size > 200_000 and out.read_bytes().count(b"/Type /Page") > 6


@pytest.mark.ci
@browser.in_a_browser
def test_the_page_opens_in_a_browser(runs):
    request = comparison.Request(runs=[str(runs / "runs/*/*/*")], baselines=("DQN",))
    path = runs / "report.html"
    comparison.write(comparison.collect(request), str(path), "html")
    shown = browser.assert_opens(path, charts=2)
    assert "Where the numbers come from" in shown


@pytest.mark.ci
@browser.in_a_browser
def test_names_of_a_score_file_stay_text_in_a_browser(tmp_path):
    """In the table, in legends, on axes, in the data of charts."""
    evil = "<img src=x onerror=\"document.body.id='owned'\">{{7*7}}"
    for seed in range(2):
        write_run(tmp_path / f"runs/a/{seed}", agent=evil, seed=seed, end=seed)
        write_run(tmp_path / f"runs/b/{seed}", agent=evil, game=evil[:60], seed=seed, end=seed)
        write_run(tmp_path / f"runs/c/{seed}", agent="</script>" + evil, seed=seed, end=seed)
    path = tmp_path / "report.html"
    request = comparison.Request(runs=[str(tmp_path / "runs/*/*")], baselines=["DQN"])
    comparison.write(comparison.collect(request), str(path), "html")
    shown = browser.assert_opens(path, charts=3)
    assert 'id="owned"' not in shown and "<img" not in re.sub("(?s)<script>.*?</script>", "", shown)
