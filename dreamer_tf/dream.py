"""Shows the open-loop predictions of a stored run's world model next to the truth.

python -m dreamer_tf.dream --base_dir=runs/quickstart/KungFuMaster/0 --out=dream.gif --frames=45
"""

from collections.abc import Sequence
from typing import get_args

from absl import flags

from dreamer_tf.experiment import command_line
from dreamer_tf.native_log import load_tensorflow
from dreamer_tf.open_loop import Actions

FLAGS = flags.FLAGS
flags.DEFINE_string("base_dir", None, "Base directory of the run.")
flags.DEFINE_bool(
    "trust_imports",
    False,
    "Lets the run's gin configuration import Python modules, read files and call any function.",
)
flags.DEFINE_multi_string(
    "import",
    [],
    "Python module of yours that is imported first, as for an environment; the run may use what it "
    "registers. May be repeated.",
)
flags.DEFINE_string("out", "dream.gif", "GIF file that is written.")
flags.DEFINE_integer("context", 5, "Observations that the model sees first.", lower_bound=1)
flags.DEFINE_integer("frames", 45, "Predicted steps after them.", lower_bound=1)
flags.DEFINE_enum(
    "actions",
    "policy",
    get_args(Actions),
    "Actions of the prediction: those that the actor chooses in it, random ones (both are carried "
    "out in the environment as well), or those of stored sequences.",
)
flags.DEFINE_integer("sequences", 4, "Stored sequences, for --actions=replay.", lower_bound=1)
flags.DEFINE_integer(
    "seed", 0, "Seed of environment and prediction.", lower_bound=0, upper_bound=2**31 - 1
)


def main(argv: Sequence[str]) -> int:
    """Writes the GIF and prints the prediction error at a few steps."""
    from dreamer_tf.experiment import preflight, trust
    from dreamer_tf.open_loop import gif

    preflight.check_run(FLAGS.base_dir)
    gif.check_path(FLAGS.out)

    # Only now, because TensorFlow takes seconds to load.
    load_tensorflow()
    from dreamer_tf.experiment.policy import load_policy

    trust.import_modules(FLAGS["import"].value)
    policy = load_policy(FLAGS.base_dir, FLAGS.seed, trust_imports=FLAGS.trust_imports)
    dream = policy.dream(
        FLAGS.out,
        FLAGS.actions,
        context=FLAGS.context,
        length=FLAGS.frames,
        sequences=FLAGS.sequences,
        seed=FLAGS.seed,
    )
    for name, errors in dream.errors().items():
        points = {0, dream.context - 1, dream.context, len(errors) // 2, len(errors) - 1}
        steps = ", ".join(f"step {step} {errors[step]:.2g}" for step in sorted(points))
        print(f"mean squared error of {name}: {steps}")
    print(f"{FLAGS.out}: {len(errors)} frames; the model saw the first {dream.context}")
    return 0


def run() -> None:
    """Entry point of the console script `dreamer-dream`."""
    command_line.run(main)


if __name__ == "__main__":
    run()
