"""The paper's tables and figures by name: `python -m dreamer_tf.compare --paper=table1`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.scores import aggregate, comparison, curves, document, paper_charts, tables
from dreamer_tf.scores import paper_figures as figures
from dreamer_tf.scores.comparison import PICTURES
from dreamer_tf.scores.paper_tables import END, Request, table_1, table_2, table_k1

Rows = list[dict[str, Any]]

BANDS = ("std", "interval")
_BANDS = {
    "std": "Bands are one standard deviation over seeds.",
    "interval": "Bands are 95% bootstrap intervals.",
}
_CARRIED = "A run that ended early keeps its last value, as in the paper."


class Piece(NamedTuple):
    """A table or figure of the paper."""

    title: str
    text: str  # what the reader must know, in plain sentences
    build: Callable[[Request], Rows]  # all points or rows
    rows: Callable[[Rows], Rows] | None = None  # fewer of them, for a table that people read
    chart: Callable[[Rows], Any] | None = None  # an Altair chart; None for tables


PIECES = {
    "table1": Piece(
        "Table 1: Atari performance at 200M steps",
        "Scores are normalized for each game and run, averaged over runs, then over games. "
        f"Scores are those at {{frames}} frames; the published runs go to 199M. {_CARRIED}",
        table_1,
    ),
    "table2": Piece(
        "Table 2: ablations",
        "As printed. The curves behind it were not published. A tie is a score within 5% of the "
        "other.",
        table_2,
    ),
    "tableK1": Piece(
        "Table K1: scores on individual games",
        "* is within 5% of the best agent of the row. Scores are means over the runs at {frames} "
        f"frames; the published runs are stored with five digits. {_CARRIED}",
        table_k1,
    ),
    "figure1": Piece(
        "Figure 1: gamer normalized median",
        "SimPLe has one score per game, after 400,000 frames without sticky actions, on fewer "
        "games. The dashed line is the gamer.",
        figures.figure_1,
        chart=paper_charts.bars,
    ),
    "figure4": Piece(
        "Figure 4: Atari performance over 200M steps",
        f"The lines are the aggregates of Table 1 at each number of frames. {_CARRIED}",
        figures.figure_4,
        figures.last_rows,
        lambda points: paper_charts.panels(points, 4),
    ),
    "figureE1": Piece(
        "Figure E1: difference of gamer normalized scores",
        f"Scores are means over runs at {{frames}} frames. {_CARRIED}",
        figures.figure_e1,
        figures.difference_rows,
        paper_charts.differences,
    ),
    "figureF1": Piece(
        "Figure F1: returns on every game",
        f"Means over runs. {_CARRIED}",
        figures.figure_f1,
        figures.last_rows,
        lambda points: paper_charts.panels(points, 8),
    ),
    "figureA2": Piece(
        "Figure A2: the humanoid from pixels",
        f"Means over runs. {_CARRIED}",
        figures.figure_a2,
        figures.last_rows,
        lambda points: paper_charts.panels(points, 1),
    ),
    "figureB2": Piece(
        "Figure B2: Montezuma's Revenge",
        "Means over runs. Rainbow with curiosity (Taiga et al., 2019) published no curve in this "
        f"form. {_CARRIED}",
        figures.figure_b2,
        figures.last_rows,
        lambda points: paper_charts.panels(points, 1),
    ),
}


_ONE_GAME = ("figureA2", "figureB2")


class Drawn(NamedTuple):
    """A table or figure with its numbers."""

    piece: Piece
    points: Rows
    text: str  # what the reader must know


def draw(
    name: str, asked: comparison.Request, bands: str = "std", idle: Sequence[str] = ()
) -> Drawn:
    """Computes a table or figure.

    Args:
      name: of `PIECES`.
      asked: its `runs`, `games`, `phase`, `frames` and `mixed` count.
      bands: one of `BANDS`, for curves.
      idle: flags that were given and have no meaning here.

    Raises:
      UserError: a flag without meaning, no game or run is left, or our runs have different
        protocols.
    """
    if idle:
        raise UserError(f"--paper={name} has its own agents and rows: leave --{idle[0]} out.")
    piece = PIECES[name]
    games = _games(name, asked.games)
    runs = curves.own(asked.runs, asked.phase)
    if asked.runs and not runs:
        raise UserError(f"None of the runs has returns of --phase={asked.phase}.")
    if not asked.mixed:
        curves.check_comparable(runs)
    request = Request(runs, games, asked.frames or END, bands)
    points = piece.build(request)
    text = piece.text.format(frames=f"{request.frames / 1e6:g}M")
    if any("low" in point for point in points):
        text += f" {_BANDS[bands]}"
    return Drawn(piece, points, text)


def _games(name: str, asked: Sequence[str]) -> list[str]:
    """Keys of the games that were asked for."""
    if asked and name in _ONE_GAME:
        raise UserError(f"--paper={name} is about one task: leave --games out.")
    keys = {curves.game_key(game): game for game in asked}
    for key, game in keys.items():
        if key not in aggregate.games():
            raise UserError(
                f"--games={game} is none of the paper's 55 Atari games."
                f"{did_you_mean(key, aggregate.games())}"
            )
    return list(keys)


def write(drawn: Drawn, out: str, form: str) -> None:
    """Writes a table or figure into a file.

    Args:
      drawn: from `draw`.
      out: the file.
      form: one of `comparison.FORMATS`.

    Raises:
      UserError: the file cannot be written, or a table has no picture.
    """
    if form not in PICTURES:
        comparison.save(text(drawn, form), out)
        return
    try:
        _chart(drawn).save(out, scale_factor=2)
    except OSError as error:
        raise UserError(f"--out={out} cannot be written ({error}).") from error


def _chart(drawn: Drawn) -> Any:
    if drawn.piece.chart is None:
        raise UserError(f"{drawn.piece.title} is no picture: end --out with .md, .csv or .html.")
    return drawn.piece.chart(drawn.points)


def text(drawn: Drawn, form: str) -> str:
    """A table or figure as 'md', 'html' or 'csv', which has every point."""
    if form == "csv":
        return tables.to_csv(drawn.points)
    rows = drawn.piece.rows(drawn.points) if drawn.piece.rows else drawn.points
    if form == "md":
        return f"{drawn.piece.title}\n\n{tables.to_markdown(rows)}\n{drawn.text}\n"
    chart = None if drawn.piece.chart is None else _chart(drawn)
    canvas = document.Canvas()
    body = document.paragraph(drawn.text) + document.table(rows)
    if chart is not None:
        body += document.scroll(canvas.chart(chart.to_dict()))
    return document.assemble(drawn.piece.title, [document.Section("", body)], canvas)
