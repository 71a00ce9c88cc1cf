"""Every table and figure by name, in every format; errors are sentences."""

import csv
import io
import re

import pytest

from dreamer_tf import compare
from dreamer_tf.errors import UserError
from dreamer_tf.scores import comparison, paper
from tests.docs.test_pages import ROOT
from tests.scores.browser import assert_opens, in_a_browser
from tests.scores.runs import write_run

Request = comparison.Request
FEW = Request(games=("Pong", "Breakout"))
FIGURES = [name for name, piece in paper.PIECES.items() if piece.chart]


def test_the_flags_offer_every_piece():
    source = (ROOT / "dreamer_tf/compare.py").read_text()
    offered = re.findall(r'"((?:table|figure)\w\d?)"', source)
    assert sorted(offered) == sorted(paper.PIECES)
    assert compare.FLAGS["bands"].parser.enum_values == list(paper.BANDS)


@pytest.mark.parametrize("name", paper.PIECES)
def test_every_piece_is_a_table_and_has_all_its_points(name):
    request = Request() if name in ("figureA2", "figureB2", "table2") else FEW
    drawn = paper.draw(name, request)
    text = paper.text(drawn, "md")
    assert text.startswith(drawn.piece.title) and "|---|" in text and "missing" not in text
    assert "{" not in drawn.text
    rows = list(csv.DictReader(io.StringIO(paper.text(drawn, "csv"))))
    assert len(rows) == len(drawn.points) > 0
    assert ("Bands are" in drawn.text) == any("low" in point for point in drawn.points)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn(name, tmp_path):
    request = Request() if name in ("figureA2", "figureB2") else FEW
    paper.write(paper.draw(name, request), str(tmp_path / "a.png"), "png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name,charts", [("table1", 0), ("figure4", 1)])
def test_a_page_has_the_table_and_the_chart(name, charts, tmp_path):
    paper.write(paper.draw(name, FEW), str(tmp_path / "a.html"), "html")
    text = (tmp_path / "a.html").read_text()
    assert text.count('<div class="chart" id="chart') == charts and "<table>" in text
    assert f"<h1>{paper.PIECES[name].title}</h1>" in text


@pytest.mark.parametrize(
    "name,request_,idle,words",
    [
        ("table1", Request(), ["table"], "leave --table out"),
        ("figureA2", FEW, [], "about one task: leave --games out"),
        ("tableK1", Request(games=["Breakot"]), [], "Did you mean 'breakout'"),
        ("table1", Request(frames=10), [], "no scores up to --frames=10"),
        ("table1", Request(runs=["nowhere/*"]), [], "there is no scores.json"),
    ],
)
def test_errors_name_what_to_change(name, request_, idle, words):
    with pytest.raises(UserError, match=words):
        paper.draw(name, request_, idle=idle)


@pytest.mark.ci
@in_a_browser
def test_every_figure_opens_in_a_browser(tmp_path):
    for name in FIGURES:
        request = Request() if name in ("figureA2", "figureB2") else FEW
        paper.write(paper.draw(name, request), str(tmp_path / f"{name}.html"), "html")
        assert_opens(tmp_path / f"{name}.html", charts=1)


def test_a_table_is_no_picture(tmp_path):
    with pytest.raises(UserError, match=r"is no picture: end --out with \.md"):
        paper.write(paper.draw("table2", Request()), str(tmp_path / "a.png"), "png")


def test_runs_without_returns_of_the_phase_are_named(runs):
    request = Request(runs=[str(runs / "runs/*/*/*")], phase="other")
    with pytest.raises(UserError, match="None of the runs has returns of --phase=other"):
        paper.draw("table1", request)


def test_runs_of_two_protocols_need_mixed(runs):
    write_run(runs / "runs/b/Pong/7", seed=7, protocol="nature2015", gin_hash="fedcba9876543210")
    request = Request(runs=[str(runs / "runs/*/*/*")], games=["Pong"])
    with pytest.raises(UserError, match="--mixed"):
        paper.draw("tableK1", request)
    [row] = paper.draw("tableK1", request._replace(mixed=True)).points
    assert len([name for name in row if name.endswith(", ours")]) == 2
