"""The sections of charts: which agents they compare, and what they leave out."""

import json
import re

import pytest

from dreamer_tf.scores import curves, document, names, page_charts, report, standings


def make(ours, *agents, games=("pong", "breakout")):
    found = report.Report(ours, curves.published(agents, games))
    called = names.agents(found.agents)
    table = standings.compute(found)
    rows = standings.aggregate_rows(found, table)
    canvas = document.Canvas(list(called.values()))
    return page_charts.Page(found, table, report.game_rows(found), rows, called, canvas)


def body(build, page):
    return "".join(section.title + section.body for section in build(page))


def test_differences_are_between_agents_after_similar_frames(runs):
    ours = curves.own([str(runs / "runs/*/*/*")])
    text = body(page_charts.differences, make(ours, "DQN", "IQN"))
    assert "DQN (published) above IQN (published) on 1 of 2" in text and "ours" not in text
    assert body(page_charts.differences, make(ours, "DQN")) == ""


@pytest.mark.parametrize("build", [page_charts.differences, page_charts.improvements])
def test_one_agent_has_nobody_to_compare_with(build):
    assert body(build, make([], "DQN")) == ""


def test_points_become_columns_without_names():
    page = make([], "DQN", "IQN")
    points = [
        {"agent": "IQN, published", "score": 1.23456789, "low": 1.0},
        {"agent": "DQN, published", "score": 2.0},
    ]
    columns = page_charts.columns_of(points, page, x="score", low="low", high="high")
    assert columns == {"agent": [1, 0], "x": [1.235, 2.0], "low": [1.0, None]}


def test_profiles_have_two_scales():
    page = make([], "DQN", "IQN")
    text = body(page_charts.profiles, page)
    assert text.count('type="radio"') == 2 and 'data-spec="spec1"' in text
    assert page.canvas.data().count('"type":"log"') == 1


def test_a_curve_of_one_point_is_drawn_as_a_point():
    page = make([], "SimPLe at 400k", "DQN", games=("pong",))
    body(page_charts.learning_curves, page)
    [place] = json.loads(page.canvas.data())["places"].values()
    columns = place["columns"]
    [frames] = [x for x, lone in zip(columns["x"], columns["lone"], strict=True) if lone]
    assert frames == 400_000


def test_our_curves_are_also_drawn_alone_where_published_ones_go_on(runs):
    """Beside returns after 199M frames they lie on one line."""
    ours = curves.own([str(runs / "runs/a/Pong/*")])
    [section] = page_charts.learning_curves(make(ours, "DQN", games=("pong",)))
    captions = re.findall("<figcaption>(.*?)</figcaption>", section.body)
    assert captions == ["Pong, to 2k frames", "Pong"]
    [section] = page_charts.learning_curves(make([], "DQN", "IQN", games=("pong",)))
    assert section.body.count("<figcaption>") == 1
