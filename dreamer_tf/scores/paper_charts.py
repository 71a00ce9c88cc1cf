"""Altair charts of the paper's figures."""

from collections.abc import Sequence
from typing import Any

Points = Sequence[dict[str, Any]]
# 50M and 12k, but 0.25: the units of SI have a letter for thousandths, too.
_LABELS = "abs(datum.value) < 1000 ? format(datum.value, '~g') : format(datum.value, '~s')"
_WIDE, _SMALL, _ALONE = (220, 170), (130, 90), (460, 260)  # pixels of a panel


def bars(points: Points) -> Any:
    """Figure 1: the gamer normalized median of each agent; the line is the gamer."""
    import altair as alt

    chart = (
        alt.Chart(alt.Data(values=list(points)))
        .mark_bar()
        .encode(
            x=alt.X("agent:N", sort=None, title=None, axis=alt.Axis(labelAngle=-20)),
            y=alt.Y("gamer_median:Q", title="gamer normalized median"),
            color=alt.Color("agent:N", sort=None, legend=None),
            tooltip=["agent:N", "gamer_median:Q", "games:Q", "frames:N"],
        )
    )
    gamer = alt.Chart(alt.Data(values=[{"gamer": 1.0}])).mark_rule(strokeDash=[4, 4])
    return alt.layer(chart, gamer.encode(y="gamer:Q")).properties(width=320, height=240)


def panels(points: Points, columns: int) -> Any:
    """Figures 4, F1, A2 and B2: a panel for each game or aggregate, curves with bands."""
    import altair as alt

    order = list(dict.fromkeys(point["panel"] for point in points))
    agents = list(dict.fromkeys(point["agent"] for point in points))
    base = alt.Chart(alt.Data(values=list(points))).encode(
        x=alt.X("frames:Q", title=None, axis=alt.Axis(labelExpr=_LABELS, tickCount=5)),
        color=alt.Color(
            "agent:N",
            scale=alt.Scale(domain=agents),
            legend=alt.Legend(orient="bottom", title="", symbolOpacity=1, labelLimit=0),
        ),
    )
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("low:Q", title=None, axis=alt.Axis(labelExpr=_LABELS, tickCount=5)), y2="high:Q"
    )
    line = base.mark_line().encode(
        y="value:Q",
        tooltip=["agent:N", "panel:N", "frames:Q", "value:Q", "low:Q", "high:Q", "runs:N"],
    )
    # Vega-Lite draws an area between fields that a point lacks as an area down to 0.
    band = band.transform_filter("isValid(datum.low)")
    width, height = _SMALL if len(order) > 8 else _WIDE if len(order) > 1 else _ALONE
    return (
        alt.layer(band, line)
        .properties(width=width, height=height)
        .facet(facet=alt.Facet("panel:N", title=None, sort=order), columns=columns)
        .resolve_scale(x="independent", y="independent")
    )


def differences(points: Points) -> Any:
    """Figure E1: bars of the differences, sorted, on a symmetric log scale."""
    import altair as alt

    charts = []
    for panel in dict.fromkeys(point["panel"] for point in points):
        values = [point for point in points if point["panel"] == panel]
        charts.append(
            alt.Chart(alt.Data(values=values), title=panel)
            .mark_bar()
            .encode(
                y=alt.Y("game:N", sort=None, title=None),
                x=alt.X(
                    "difference:Q",
                    title="gamer normalized",
                    scale=alt.Scale(type="symlog", constant=0.1),
                    axis=alt.Axis(values=[-10, -1, 0, 1, 10, 100, 1000], labelExpr=_LABELS),
                ),
                color=alt.condition("datum.difference > 0", alt.value("#3a7"), alt.value("#c55")),
                tooltip=["game:N", "difference:Q"],
            )
            .properties(width=170, height={"step": 11})
        )
    return alt.concat(*charts, columns=4)
