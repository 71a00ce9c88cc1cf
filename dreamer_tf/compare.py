"""Compares runs with each other and with published scores.

python -m dreamer_tf.compare --runs='runs/*/*/*' --baselines=Rainbow,IQN --out=report.html
"""

import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from dreamer_tf import command_line

FLAGS = flags.FLAGS
FORMATS = ("html", "md", "csv", "png")
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
flags.DEFINE_enum("format", None, FORMATS, "What is written; by default what --out ends with.")
flags.DEFINE_string("out", None, "File; a table is printed where there is none.")
flags.DEFINE_bool("mixed", False, "Compares runs of different protocols all the same.")

DEFAULT_BASELINES = ("DreamerV2", "Rainbow", "IQN", "C51", "DQN")


def main(argv: Sequence[str]) -> int:
    """Writes or prints the comparison."""
    from dreamer_tf.errors import UserError
    from dreamer_tf.scores import curves, report

    form = FLAGS.format or (Path(FLAGS.out).suffix.removeprefix(".") if FLAGS.out else "md")
    if form not in FORMATS:
        raise UserError(
            f"--out={FLAGS.out}: what to write is not clear; end it with one of "
            f".{', .'.join(FORMATS)} or add --format."
        )
    if FLAGS.out is None and form in ("html", "png"):
        raise UserError(f"--format={form} needs a file: add --out=report.{form}.")
    if FLAGS.out and not os.path.isdir(os.path.dirname(os.path.abspath(FLAGS.out))):
        raise UserError(f"--out={FLAGS.out}: its directory does not exist; make it first.")
    chosen = {curves.game_key(game) for game in FLAGS.games}
    runs = [
        curve for curve in curves.own(FLAGS.runs, FLAGS.phase) if not chosen or curve.game in chosen
    ]
    if FLAGS.runs and not runs:
        raise UserError(
            f"None of the runs has returns of --phase={FLAGS.phase}"
            + (f" for --games={','.join(FLAGS.games)}." if chosen else ".")
        )
    if not FLAGS.mixed:
        curves.check_comparable(runs)
    baselines = DEFAULT_BASELINES if FLAGS.baselines is None else FLAGS.baselines
    games = chosen or ({curve.game for curve in runs} if runs else None)
    found = report.Report(runs, curves.published([name for name in baselines if name], games))
    if not found.all:
        raise UserError("There is nothing to compare: name runs with --runs, or --baselines.")
    if form == "html":
        Path(FLAGS.out).write_text(report.to_html(found), encoding="utf-8")
    elif form == "png":
        report.save_chart(found, FLAGS.out)
    else:
        rows = report.game_rows(found)
        text = report.to_csv(rows) if form == "csv" else report.to_markdown(rows)
        if FLAGS.out is None:
            print(text, end="")
        else:
            Path(FLAGS.out).write_text(text, encoding="utf-8")
    if FLAGS.out:
        print(f"{len(found.runs)} runs, {len(found.baselines)} published runs, in {FLAGS.out}")
    return 0


if __name__ == "__main__":
    command_line.run(main)
