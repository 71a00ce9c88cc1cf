"""Vega-Lite specifications of the page's charts. Colors are variables of the page's style sheet.

They are written as they are in JSON: the page has up to a hundred charts, and building and checking
each of them in Altair takes longer than everything else. A test checks them against the schema.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

Spec = dict[str, Any]

COLORS = 8  # variables --agent0 to --agent7 in page.css; further agents repeat them, dashed
VARIANTS = 4
# These have the same color on every page.
_USUAL = {"DreamerV2": 0, "Rainbow": 1, "IQN": 2, "C51": 3, "DQN": 4, "DreamerV3": 5}
_OTHERS = (6, 5, 3, 4, 7, 2, 1, 0)  # colors of other agents, those of the best known ones last
# 50M and 12k, but 0.25: the units of SI have a letter for thousandths, too.
_SHORT = "abs(datum.value) < 1000 ? format(datum.value, '~g') : format(datum.value, '~s')"
_BOOTSTRAP = {"filter": "isValid(datum.low)"}


class Style(NamedTuple):
    """How the page draws an agent."""

    color: str  # a variable of the style sheet, which has a value in either theme
    variant: int  # of dashes and shapes: 0 to 3, different for agents of one color


def styles(agents: Sequence[str]) -> list[Style]:
    """Colors of agents: one for an algorithm, whether runs of it are ours or published.

    Args:
      agents: what the page calls them.
    """
    algorithms = [re.sub(r" \((ours|published)\)$", "", agent) for agent in agents]
    different = list(dict.fromkeys(algorithms))
    taken = {name: _USUAL[name] for name in different if name in _USUAL}
    free = [n for n in _OTHERS if n not in taken.values()] or list(_OTHERS)
    others = [name for name in different if name not in taken]
    taken |= {name: free[n % len(free)] for n, name in enumerate(others)}
    numbers = [taken[name] for name in algorithms]
    return [
        Style(f"var(--agent{number})", numbers[:place].count(number) % VARIANTS)
        for place, number in enumerate(numbers)
    ]


def _colors(agents: Sequence[str]) -> Spec:
    scale: Spec = {"domain": list(agents), "range": [style.color for style in styles(agents)]}
    return {"field": "agent", "type": "nominal", "scale": scale, "legend": None}


def _dashes(agents: Sequence[str]) -> Spec:
    patterns = ([1, 0], [5, 3], [2, 2], [8, 3, 2, 3])
    dashes = [patterns[style.variant] for style in styles(agents)]
    scale: Spec = {"domain": list(agents), "range": dashes}
    return {"field": "agent", "type": "nominal", "scale": scale, "legend": None}


def _shapes(agents: Sequence[str]) -> Spec:
    """Agents with one color have different shapes."""
    shapes = ("circle", "square", "diamond", "triangle-up")
    found = [shapes[style.variant] for style in styles(agents)]
    scale: Spec = {"domain": list(agents), "range": found}
    return {"field": "agent", "type": "nominal", "scale": scale, "legend": None}


def _axis(**more: Any) -> Spec:
    # Of values that are given, Vega would show no more than the count.
    count = {} if "values" in more else {"tickCount": 4}
    return {"labelExpr": _SHORT, "labelOverlap": "greedy", "labelFlush": True} | count | more


def dots(
    agents: Sequence[str],
    fields: Collection[str],
    title: str,
    reference: float | None = None,
    rows: Sequence[str] | None = None,
) -> Spec:
    """A dot with its interval for each agent, of points with 'agent', 'value', 'low' and 'high'.

    Args:
      agents: in the order of colors.
      fields: those that points have.
      title: of the horizontal axis.
      reference: where a dashed line stands between 0 and 1, if anywhere.
      rows: agents in the order of rows; all by default.
    """
    y: Spec = {"field": "agent", "type": "nominal", "sort": list(rows or agents), "title": None}
    y |= {"axis": {"labelLimit": 150, "ticks": False, "domain": False, "labelPadding": 12}}
    x: Spec = {"type": "quantitative", "title": title, "axis": _axis(tickCount=5)}
    if reference is not None:
        x |= {"scale": {"domain": [0, 1]}}
    tooltip = [{"field": name} for name in ("agent", "value", "low", "high")]
    colored = {"color": _colors(agents), "y": y}
    rule: Spec = {
        "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.55},
        "transform": [_BOOTSTRAP],
    }
    rule |= {"encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}} | colored}
    dot: Spec = {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}}
    dot |= {
        "encoding": {"x": x | {"field": "value"}, "tooltip": tooltip, "shape": _shapes(agents)}
        | colored
    }
    # Vega warns about a layer without points.
    layers: list[Spec] = [rule, dot] if "low" in fields else [dot]
    if reference is not None:
        mark = {"type": "rule", "strokeDash": [4, 4], "color": "var(--muted)"}
        layers.insert(0, {"mark": mark, "encoding": {"x": x | {"datum": reference}}})
    return {"height": 26 * len(rows or agents), "layer": layers}


def lines(
    agents: Sequence[str],
    fields: Collection[str],
    x: str = "",
    y: str = "",
    log: bool = False,
    height: int = 95,
) -> Spec:
    """Curves with bands, of points with 'agent', 'x', 'y', and 'low', 'high', 'runs', 'single'.

    Args:
      agents: in the order of colors.
      fields: those that points have.
      x: title of the horizontal axis; none if empty.
      y: title of the vertical axis; none if empty.
      log: a horizontal log scale.
      height: in pixels.
    """
    # A linear axis ends at a round number, which is labelled; a log axis would double.
    scale: Spec = {"type": "log" if log else "linear", "nice": not log}
    across: Spec = {"field": "x", "type": "quantitative", "title": x or None, "scale": scale}
    # Between powers of ten there are too many labels.
    ticks: Spec = {"values": [10**power for power in range(-2, 13)]} if log else {}
    across |= {"axis": _axis(**(ticks or {"tickCount": 2 if height < 150 else 4}))}
    up: Spec = {"type": "quantitative", "title": y or None, "axis": _axis(tickCount=3)}
    up |= {"scale": {"zero": False}}
    tooltip = [{"field": name} for name in ("agent", "x", "y", "low", "high", "runs")]
    band: Spec = {
        "mark": {"type": "area", "opacity": 0.2},
        "transform": [_BOOTSTRAP],
        "encoding": {"y": up | {"field": "low"}, "y2": {"field": "high"}},
    }
    single: Spec = {
        "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.45},
        "transform": [{"filter": "isValid(datum.single)"}],
        "encoding": {"y": up | {"field": "single"}, "detail": {"field": "run"}},
    }
    line: Spec = {
        "mark": {"type": "line", "strokeWidth": 1.8},
        "transform": [{"filter": "isValid(datum.y)"}],
        "encoding": {"y": up | {"field": "y"}, "strokeDash": _dashes(agents), "tooltip": tooltip},
    }
    lone: Spec = {  # a line through one point is nothing to see
        "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1},
        "transform": [{"filter": "datum.lone"}],
        "encoding": {"y": up | {"field": "y"}, "tooltip": tooltip},
    }
    return {
        "height": height,
        "encoding": {"x": across, "color": _colors(agents)},
        "layer": [
            layer
            for field, layer in (("low", band), ("single", single), ("y", line), ("lone", lone))
            if field in fields
        ],
    }


def profiles(
    agents: Sequence[str], fields: Collection[str], log: bool, title: str, largest: float
) -> Spec:
    """Performance profiles, of points with 'agent', 'x' (the score), 'y' (the share), bands.

    Args:
      agents: in the order of colors.
      fields: those that points have.
      log: a horizontal log scale.
      title: of the horizontal axis.
      largest: its end on a linear scale.
    """
    spec = lines(agents, fields, title, "share of runs above it", log, 250)
    ticks = {"values": [0.01, 0.1, 1, 10, 100]} if log else {"tickCount": 8}
    spec["encoding"]["x"]["axis"] = _axis(**ticks)
    spec["encoding"]["x"]["scale"] |= {
        "domain": [0.01, 100] if log else [0, largest],
        "clamp": True,
    }
    for layer in spec["layer"]:
        layer["encoding"]["y"] |= {"scale": {"domain": [0, 1]}}
        layer["encoding"]["y"] |= {"axis": {"format": "%", "tickCount": 5}}
    edge = (
        f"datum.x >= {0.01} && datum.x <= {100}" if log else f"datum.x >= 0 && datum.x <= {largest}"
    )
    return spec | {"transform": [{"filter": edge}]}


def differences(games: int, better: str, worse: str, unit: str) -> Spec:
    """Sorted bars on a symmetric log scale (figure E1), of points with 'game' and 'difference'.

    Args:
      games: their number.
      better: color of the bars above zero.
      worse: color of the bars below.
      unit: what the differences are of.
    """
    x: Spec = {
        "field": "difference",
        "type": "quantitative",
        "title": f"difference of {unit}",
        # Differences span from hundredths to hundreds, in both directions.
        "scale": {"type": "symlog", "constant": 0.1},
        "axis": _axis(values=[-1000, -100, -10, -1, 0, 1, 10, 100, 1000], orient="top"),
    }
    y: Spec = {"field": "game", "type": "nominal", "sort": None, "title": None}
    y |= {"axis": {"labelLimit": 140, "ticks": False, "domain": False, "labelOverlap": False}}
    bars = {"condition": {"test": "datum.difference > 0", "value": better}, "value": worse}
    tooltip = [{"field": name} for name in ("game", "difference", "first", "second")]
    return {
        "height": 15 * games,
        "mark": {"type": "bar", "height": {"band": 0.75}},
        "encoding": {"x": x, "y": y, "color": bars, "tooltip": tooltip},
    }
