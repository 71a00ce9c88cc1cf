"""Describes a configuration next to the paper: Table D1, sizes, and what a run costs.

python -m dreamer_tf.describe --gin_files=atari.gin
python -m dreamer_tf.describe --parameters=WorldModel
"""

from collections.abc import Sequence

from absl import flags

from dreamer_tf.experiment import command_line
from dreamer_tf.native_log import load_tensorflow

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("gin_files", [], "Gin files, as for train; may be repeated.")
flags.DEFINE_multi_string("gin_bindings", [], "Gin bindings, as for train; may be repeated.")
flags.DEFINE_float(
    "updates_per_second",
    None,
    "Rate for the days of a run, for example of your GPU. Default: measured here.",
    lower_bound=1e-9,
)
flags.DEFINE_string(
    "parameters",
    None,
    "Prints the gin parameters with this text in their names, their defaults and meanings, and "
    "stops; all for every one.",
)


def main(argv: Sequence[str]) -> int:
    """Prints the description."""
    from dreamer_tf.errors import UserError
    from dreamer_tf.experiment import gin_files, preflight

    if FLAGS.parameters is not None:
        load_tensorflow()
        from dreamer_tf.experiment import manual

        print("\n".join(parameter.text() for parameter in manual.find(FLAGS.parameters)))
        return 0
    if not FLAGS.gin_files:
        raise UserError("--gin_files is missing: name a gin file, as in --gin_files=atari.gin.")
    preflight.check(FLAGS.gin_files, FLAGS.gin_bindings)

    # Only now, because TensorFlow takes seconds to load.
    load_tensorflow()
    from dreamer_tf.experiment import describing

    gin_files.parse(FLAGS.gin_files, FLAGS.gin_bindings)
    print(describing.describe(FLAGS.updates_per_second))
    return 0


def run() -> None:
    """Entry point of the console script `dreamer-describe`."""
    command_line.run(main)


if __name__ == "__main__":
    run()
