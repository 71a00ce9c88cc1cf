"""One self-contained HTML file that works without a network: sections, tables, charts."""

import functools
import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_tf.scores import cache, names, specs, tables

_LINES = ("", "second", "third", "fourth")  # of a legend, by variant, as `specs.lines` draws them

# Columns of the points of a chart, by name; 'agent' has the numbers of agents.
Columns = Mapping[str, Sequence[Any]]


class Section(NamedTuple):
    """A part of the page."""

    title: str  # plain text; a section without one follows the one before it
    body: str  # HTML


class Canvas:
    """Collects the charts of a page while its sections are written."""

    def __init__(self, agents: Sequence[str] = ()):
        """Initializes an empty canvas.

        Args:
          agents: what the page calls them, in the order of their colors.
        """
        self.agents = list(agents)
        self._specs: dict[str, str] = {}  # specification as JSON -> name
        self._places: dict[str, dict[str, Any]] = {}

    def spec(self, spec: specs.Spec) -> str:
        """Registers a specification that charts share, and returns its name."""
        return self._specs.setdefault(json.dumps(spec), f"spec{len(self._specs)}")

    def chart(self, spec: specs.Spec, columns: Columns | None = None, name: str = "") -> str:
        """HTML of the place of a chart.

        Args:
          spec: Vega-Lite, without data.
          columns: the data; None if the specification is complete.
          name: what it shows, for screen readers and for the name of a file that is saved.
        """
        place = f"chart{len(self._places)}"
        self._places[place] = {"spec": self.spec(spec), "columns": columns, "name": name}
        return f'<div class="chart" id="{place}"></div>'

    def figure(self, caption: str, spec: specs.Spec, columns: Columns | None = None) -> str:
        """A chart below its name."""
        return (
            f'<figure class="plot"><figcaption>{html.escape(caption)}</figcaption>'
            f"{self.chart(spec, columns, caption)}</figure>"
        )

    def legend(self) -> str:
        """The colors of all agents; charts have no legend of their own."""
        items = (
            f'<li><i class="{_LINES[style.variant]}" style="border-color: {style.color}"></i>'
            f"{html.escape(agent)}</li>"
            for agent, style in zip(self.agents, specs.styles(self.agents), strict=True)
        )
        return f'<ul class="legend">{"".join(items)}</ul>'

    def data(self) -> str:
        """All charts, as JSON that cannot end the script it stands in."""
        parsed = {name: json.loads(text) for text, name in self._specs.items()}
        found = {"agents": self.agents, "specs": parsed, "places": self._places}
        return json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")


def assemble(title: str, sections: Sequence[Section], canvas: Canvas, subtitle: str = "") -> str:
    """The whole page.

    Args:
      title: plain text.
      sections: in their order.
      canvas: has the charts of the sections.
      subtitle: plain text.
    """
    parts, contents = [], []
    for number, section in enumerate(sections):
        if section.title:
            name = html.escape(section.title)
            contents.append(f'<li><a href="#part{number}">{name}</a></li>')
            parts.append(f'<h2 id="part{number}">{name}</h2>')
        parts.append(section.body)
    listed = f"<nav aria-label='Contents'><ol>{''.join(contents)}</ol></nav>"
    return _PAGE.format(
        title=html.escape(title),
        style=_file("page.css"),
        head=(f'<p class="sub">{html.escape(subtitle)}</p>' if subtitle else "")
        + (listed if len(contents) > 1 else ""),
        body="\n".join(parts),
        # The JavaScript is part of the page, so it also opens on a cluster without a network.
        bundle=_bundle(),
        charts=canvas.data(),
        script=_file("page.js"),
    )


@functools.cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed; putting them together takes seconds, so it is kept."""
    from importlib import metadata

    import vl_convert

    def build() -> str:
        return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")

    return cache.text(f"vega-{metadata.version('vl-convert-python')}", build)


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p{f' class={kind!r}' if kind else ''}>{html.escape(text)}</p>"


def table(
    rows: Sequence[Mapping[str, Any]],
    kind: str = "",
    cell: Callable[[str, Any], str] | None = None,
) -> str:
    """Rows as an HTML table that scrolls where the screen is narrow.

    Args:
      rows: column -> value.
      kind: class of the table: 'cards' stacks its rows on narrow screens.
      cell: HTML of a value, from its column and the value; as text by default.
    """
    if not rows:
        return paragraph("Nothing.")
    columns = tables.columns(list(rows))
    numbers = {
        name for name in columns if any(isinstance(row.get(name), int | float) for row in rows)
    }

    def side(name: str) -> str:
        return ' class="n"' if name in numbers else ""

    head = "".join(
        f'<th scope="col"{side(name)}>{html.escape(names.heading(name))}</th>' for name in columns
    )
    body = []
    for row in rows:
        cells = []
        for name in columns:
            value = row.get(name, "")
            text = cell(name, value) if cell else html.escape(tables.shown(value))
            label = html.escape(names.heading(name), quote=True)
            cells.append(f'<td data-name="{label}"{side(name)}>{text}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    return scroll(
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>", kind
    )


def scroll(content: str, kind: str = "") -> str:
    """HTML that scrolls sideways instead of being cut, also with the keyboard."""
    return f'<div class="scroll {kind}" tabindex="0">{content}</div>'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style></head><body>
<header><h1>{title}</h1>{head}</header>
<main>
{body}
</main>
<script>{bundle}</script>
<script>const charts = {charts};
{script}</script>
</body></html>
"""
