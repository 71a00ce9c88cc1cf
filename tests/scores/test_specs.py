"""The specifications are Vega-Lite, and a chart has only layers that have points."""

import altair as alt
import pytest

from dreamer_tf.scores import specs

AGENTS = [f"agent {number}" for number in range(11)]
ALL = {"agent", "x", "y", "low", "high", "single", "lone", "runs"}
SPECS = {
    "dots": specs.dots(AGENTS, {"value", "low"}, "score"),
    "one row": specs.dots(AGENTS, {"value"}, "score", 0.5, AGENTS[:1]),
    "lines": specs.lines(AGENTS, ALL, "frames", "return", log=True),
    "profiles": specs.profiles(AGENTS, ALL, False, "score", 8.0),
    "profiles, log": specs.profiles(AGENTS, ALL, True, "score", 8.0),
    "differences": specs.differences(55, "red", "blue", "scores"),
}


@pytest.mark.parametrize("name", SPECS)
def test_every_specification_follows_the_schema(name):
    alt.Chart.from_dict({**SPECS[name], "data": {"values": []}}, validate=True)
    with pytest.raises(Exception, match="colour"):
        alt.Chart.from_dict({**SPECS[name], "colour": 1, "data": {"values": []}}, validate=True)


def test_layers_without_points_are_left_out():
    assert len(specs.lines(AGENTS, ALL)["layer"]) == 4
    assert len(specs.lines(AGENTS, {"agent", "x", "y"})["layer"]) == 1
    assert len(specs.dots(AGENTS, {"value"}, "")["layer"]) == 1


def test_dots_of_one_color_have_other_shapes():
    _, dot = specs.dots(AGENTS, {"value", "low"}, "")["layer"]
    looks = [dot["encoding"][name]["scale"]["range"] for name in ("color", "shape")]
    assert len(set(zip(*looks, strict=True))) == len(AGENTS)


def test_agents_with_one_color_have_other_dashes():
    """There are eight colors."""
    line = specs.lines(AGENTS, ALL)
    colors = line["encoding"]["color"]["scale"]["range"]
    [dashes] = [
        layer["encoding"]["strokeDash"]["scale"]["range"]
        for layer in line["layer"]
        if "strokeDash" in layer["encoding"]
    ]
    looks = list(zip(colors, map(tuple, dashes), strict=True))
    assert colors[0] == colors[8] and len(set(looks)) == len(AGENTS)


def test_an_algorithm_has_one_color_on_every_page():
    ours, published, other = specs.styles(["DreamerV2 (ours)", "DreamerV2 (published)", "Mine"])
    assert ours.color == published.color == specs.styles(["IQN", "DreamerV2"])[1].color
    assert (ours.variant, published.variant, other.variant) == (0, 1, 0)
    assert other.color not in {ours.color, *(s.color for s in specs.styles(["Rainbow", "IQN"]))}


def test_a_page_of_unknown_agents_uses_all_colors():
    assert len({style.color for style in specs.styles(AGENTS)}) == specs.COLORS
