"""Makes one archive of a run, to move or publish it, and unpacks archives of anybody.

python -m dreamer_tf.pack --base_dir=runs/quickstart/KungFuMaster/0
python -m dreamer_tf.pack --unpack=0.tar.gz --base_dir=runs/theirs/Pong/0
"""

import os
from collections.abc import Sequence

from absl import flags

from dreamer_tf.experiment import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string("base_dir", None, "Base directory of the run; with --unpack, the one to make.")
flags.DEFINE_string(
    "out",
    None,
    "The archive; ends with .tar, .tar.gz or .tar.xz. Default: the name of the base directory with "
    ".tar.gz, beside it.",
)
flags.DEFINE_string("unpack", None, "An archive to unpack into --base_dir.")


def main(argv: Sequence[str]) -> int:
    """Packs or unpacks a run."""
    from dreamer_tf.errors import UserError
    from dreamer_tf.experiment import preflight
    from dreamer_tf.storage import packing

    if FLAGS.unpack is not None:
        if not FLAGS.base_dir or FLAGS.out is not None:
            raise UserError("--unpack needs --base_dir, the directory to make, and no --out.")
        count = packing.unpack(FLAGS.unpack, FLAGS.base_dir)
        print(f"{FLAGS.base_dir}: {count} files")
        return 0
    preflight.check_run(FLAGS.base_dir)
    name = os.path.normpath(FLAGS.base_dir)
    if os.path.basename(name) in (".", ".."):
        name = os.path.abspath(name)
    out = FLAGS.out or f"{name}.tar.gz"
    size = packing.pack(FLAGS.base_dir, out)
    print(f"{out}: {size / 1e6:,.1f} MB")
    return 0


def run() -> None:
    """Entry point of the console script `dreamer-pack`."""
    command_line.run(main)


if __name__ == "__main__":
    run()
