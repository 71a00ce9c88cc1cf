"""Compares runs with each other and with published scores.

python -m dreamer_tf.compare --runs='runs/*/*/*' --baselines=Rainbow,IQN --out=report.html
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from dreamer_tf.experiment import command_line

if TYPE_CHECKING:
    from dreamer_tf.scores import report

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
flags.DEFINE_integer("frames", None, "Compares after this many frames, not at the end.", 1)
flags.DEFINE_enum(
    "table", "games", ["games", "aggregates", "origins"], "Which table md and csv have."
)
flags.DEFINE_enum("format", None, FORMATS, "What is written; by default what --out ends with.")
flags.DEFINE_string("out", None, "File; a table is printed where there is none.")
flags.DEFINE_bool("mixed", False, "Compares runs of different protocols all the same.")

DEFAULT_BASELINES = ("DreamerV2", "Rainbow", "IQN", "C51", "DQN")


def main(argv: Sequence[str]) -> int:
    """Writes or prints the comparison."""
    from dreamer_tf.errors import UserError
    from dreamer_tf.scores import report

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
    if FLAGS.out and FLAGS.format and Path(FLAGS.out).suffix not in ("", f".{FLAGS.format}"):
        raise UserError(
            f"--out={FLAGS.out} does not end as --format={FLAGS.format}: leave --format out, or "
            f"end the name with .{FLAGS.format}."
        )
    found = _collect()
    if form == "png":
        report.save_chart(found, FLAGS.out)
    elif FLAGS.out:
        try:
            Path(FLAGS.out).write_text(_text(found, form), encoding="utf-8")
        except OSError as error:
            raise UserError(f"--out={FLAGS.out} cannot be written ({error}).") from error
    else:
        print(_text(found, form), end="")
    if FLAGS.out:
        print(f"{len(found.runs)} runs, {len(found.baselines)} published runs, in {FLAGS.out}")
    return 0


def _text(found: "report.Report", form: str) -> str:
    from dreamer_tf.scores import report

    if form == "html":
        return report.to_html(found)
    rows = _rows(found, form)
    if form == "csv":
        return report.to_csv(rows)
    return report.to_markdown(rows) + "".join(f"\n{sentence}\n" for sentence in found.absent)


def _rows(found: "report.Report", form: str) -> list[dict[str, Any]]:
    from dreamer_tf.errors import UserError
    from dreamer_tf.scores import report

    if FLAGS.table == "games":
        return report.game_rows(found)
    if FLAGS.table == "origins":
        return report.origin_rows(found)
    rows, _ = report.aggregate_rows(found)
    if not rows:
        raise UserError(
            "There is no Atari game with reference scores that all agents have, so there are no "
            "aggregates: name fewer --baselines or runs, or use --table=games."
        )
    return report.with_intervals(rows) if form == "md" else rows


def _collect() -> "report.Report":
    """What the flags name, and what they name in vain."""
    from dreamer_tf.errors import UserError, did_you_mean
    from dreamer_tf.scores import curves, report

    chosen = {curves.game_key(game): game for game in FLAGS.games}
    absent = []
    runs = curves.own(FLAGS.runs, FLAGS.phase)
    sources = {curve.source for curve in runs}
    for path in curves.files(FLAGS.runs):
        if str(path.parent) not in sources:
            absent.append(f"{path.parent} has no returns of --phase={FLAGS.phase} yet.")
    if FLAGS.runs and not runs:
        raise UserError(f"None of the runs has returns of --phase={FLAGS.phase}.")
    runs = [curve for curve in runs if not chosen or curve.game in chosen]
    names = DEFAULT_BASELINES if FLAGS.baselines is None else FLAGS.baselines
    names = [name for name in names if name]
    games = set(chosen) or ({curve.game for curve in runs} if runs else None)
    baselines = curves.published(names, games)
    if FLAGS.frames is not None:
        short = sum(not curve.covers(FLAGS.frames) for curve in runs)
        if short:
            absent.append(f"{short} of the runs ended before --frames={FLAGS.frames}.")
        runs, baselines = (
            [curve.until(FLAGS.frames) for curve in found if curve.covers(FLAGS.frames)]
            for found in (runs, baselines)
        )
    if not FLAGS.mixed:
        curves.check_comparable(runs)
    found = report.Report(runs, baselines)
    until = "" if FLAGS.frames is None else f" up to --frames={FLAGS.frames}"
    known = {*curves.published_games(), *found.games}
    for key, game in chosen.items():
        if key not in found.games:
            hint = "" if key in known else did_you_mean(key, known)
            absent.append(f"There is no score of --games={game}{until}.{hint}")
    published = {curve.agent for curve in baselines}
    for name in names:
        if name not in published:
            absent.append(f"Nothing is published of {name} on these games{until}.")
    if not found.all:
        raise UserError(
            " ".join(absent)
            or f"There is nothing to compare{until}: name runs with --runs, or --baselines."
        )
    return found._replace(absent=tuple(absent))


if __name__ == "__main__":
    command_line.run(main)
