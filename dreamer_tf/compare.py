"""Compares runs with each other and with published scores.

python -m dreamer_tf.compare --runs='runs/*/*/*' --baselines=Rainbow,IQN --out=report.html
"""

from collections.abc import Sequence

from absl import flags

from dreamer_tf.experiment import command_line

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
    "table", "games", ["games", "aggregates", "origins"], "The table that md and csv contain."
)
flags.DEFINE_enum(
    "format", None, ["html", "md", "csv", "png"], "Format; by default the one that --out ends with."
)
flags.DEFINE_string("out", None, "File. Without it, a table is printed.")
flags.DEFINE_bool("mixed", False, "Compares runs of different protocols all the same.")


def main(argv: Sequence[str]) -> int:
    """Writes or prints the comparison."""
    from dreamer_tf.scores import comparison

    form = comparison.choose_format(FLAGS.out, FLAGS.format)
    baselines = comparison.DEFAULT_BASELINES if FLAGS.baselines is None else FLAGS.baselines
    found = comparison.collect(
        comparison.Request(
            runs=FLAGS.runs,
            baselines=baselines,
            games=FLAGS.games,
            phase=FLAGS.phase,
            frames=FLAGS.frames,
            mixed=FLAGS.mixed,
        )
    )
    if FLAGS.out is None:
        print(comparison.text(found, form, FLAGS.table), end="")
        return 0
    comparison.write(found, FLAGS.out, form, FLAGS.table)
    print(f"{FLAGS.out}: {len(found.runs)} runs, {len(found.baselines)} published runs")
    return 0


def run() -> None:
    """Entry point of the console script `dreamer-compare`."""
    command_line.run(main)


if __name__ == "__main__":
    run()
