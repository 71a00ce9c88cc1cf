"""Compares runs with each other and with published scores.

python -m dreamer_tf.compare --runs='runs/*/*/*' --baselines=Rainbow,IQN --out=report.html
python -m dreamer_tf.compare --paper=table1
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import command_line

if TYPE_CHECKING:
    from dreamer_tf.scores import comparison

FLAGS = flags.FLAGS
flags.DEFINE_multi_string(
    "runs", [], "Base directories or score files, with wildcards; may be repeated."
)
flags.DEFINE_list(
    "baselines",
    None,
    "Published agents, as in Rainbow,IQN; empty for none. Default: DreamerV2, Rainbow, "
    "IQN, C51 and DQN.",
)
flags.DEFINE_list("games", [], "Games, as in Pong,Breakout; all by default.")
flags.DEFINE_enum("phase", "eval", ["train", "eval"], "Which returns of our runs.")
flags.DEFINE_integer("frames", None, "Compares after this many frames, not at the end.", 1)
flags.DEFINE_enum(
    "table",
    "games",
    ["games", "aggregates", "wins", "origins", "predicted"],
    "The table that md and csv contain.",
)
flags.DEFINE_enum(
    "paper",
    None,
    ["table1", "table2", "tableK1", "figure1", "figure4", "figureA2", "figureB2"]
    + ["figureE1", "figureF1"],
    "A table or figure of the paper, with our runs beside the published ones.",
)
flags.DEFINE_enum(
    "bands", "std", ["std", "interval"], "Bands of the paper's curves: as printed, or bootstrap."
)
flags.DEFINE_enum(
    "format",
    None,
    ["html", "md", "csv", "png", "svg"],
    "Format; by default the one that --out ends with.",
)
flags.DEFINE_string("out", None, "File. Without it, a table is printed.")
flags.DEFINE_enum(
    "subset",
    "atari5",
    ["atari3", "atari5", "atari10"],
    "Games from which --table=predicted predicts the median over 57.",
)
flags.DEFINE_bool("mixed", False, "Compares runs of different protocols all the same.")


def main(argv: Sequence[str]) -> int:
    """Writes or prints the comparison."""
    from dreamer_tf.scores import comparison, names

    form = comparison.choose_format(FLAGS.out, FLAGS.format)
    baselines = comparison.DEFAULT_BASELINES if FLAGS.baselines is None else FLAGS.baselines
    request = comparison.Request(
        runs=FLAGS.runs,
        baselines=baselines,
        games=FLAGS.games,
        phase=FLAGS.phase,
        frames=FLAGS.frames,
        mixed=FLAGS.mixed,
        subset=FLAGS.subset,
    )
    if form not in ("md", "csv") and FLAGS["table"].present:
        raise UserError(
            f"--table={FLAGS.table} is one of md and csv, but the format is {form}: leave --table "
            "out, or end --out with .md or .csv."
        )
    if FLAGS.paper:
        return _paper(request, form)
    found = comparison.collect(request)
    found = found._replace(
        command=shlex.join(["python", "-m", "dreamer_tf.compare", *sys.argv[1:]])
    )
    if FLAGS.out is None:
        print(comparison.text(found, form, FLAGS.table), end="")
        return 0
    comparison.write(found, FLAGS.out, form, FLAGS.table)
    ours = names.number_of(len(found.runs), "run")
    published = names.number_of(len(found.baselines), "published run")
    print(f"{FLAGS.out}: {ours}, {published}")
    return 0


def _paper(request: comparison.Request, form: str) -> int:
    """Writes or prints a table or figure of the paper."""
    from dreamer_tf.scores import paper

    given = [name for name in ("baselines", "table") if FLAGS[name].present]
    drawn = paper.draw(FLAGS.paper, request, FLAGS.bands, given)
    if FLAGS.out is None:
        print(paper.text(drawn, form), end="")
        return 0
    paper.write(drawn, FLAGS.out, form)
    print(f"{FLAGS.out}: {drawn.piece.title}")
    return 0


def run() -> None:
    """Entry point of the console script `dreamer-compare`."""
    command_line.run(main, prints=True)


if __name__ == "__main__":
    run()
