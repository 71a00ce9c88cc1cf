"""The charts show every point that they get."""

import pytest

from dreamer_tf.scores import paper_charts

CURVES = [
    {"panel": panel, "agent": agent, "frames": frames, "value": 1.0, "low": 0.5, "high": 1.5}
    for panel in ("Pong", "Gamer Median")
    for agent in ("A", "B")
    for frames in (1.0, 2.0)
]


def test_panels_keep_their_order_and_every_agent_its_colour():
    chart = paper_charts.panels(CURVES, 4).to_dict()
    assert chart["facet"]["sort"] == ["Pong", "Gamer Median"] and chart["columns"] == 4
    colour = chart["spec"]["layer"][0]["encoding"]["color"]
    assert colour["scale"]["domain"] == ["A", "B"]


def test_a_point_without_a_band_draws_none():
    chart = paper_charts.panels(CURVES, 1).to_dict()
    assert {"filter": "isValid(datum.low)"} in chart["spec"]["layer"][0]["transform"]


def test_bars_have_the_gamer_as_a_line():
    points = [{"agent": "A", "gamer_median": 2.0, "games": 55, "frames": "199M"}]
    chart = paper_charts.bars(points).to_dict()
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["bar", "rule"]


@pytest.mark.parametrize("panels", [1, 4])
def test_differences_have_one_chart_for_each_pair(panels):
    points = [
        {"panel": f"A - {number}", "game": "Pong", "difference": 1.0, "rank": 1}
        for number in range(panels)
    ]
    chart = paper_charts.differences(points).to_dict()
    assert [part["title"] for part in chart["concat"]] == [f"A - {n}" for n in range(panels)]
