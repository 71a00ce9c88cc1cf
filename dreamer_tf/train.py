"""Trains an agent.

python -m dreamer_tf.train --gin_files=atari.gin --gin_bindings="AtariEnvironment.game_name='Pong'"
"""

import contextlib
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from dreamer_tf.experiment import command_line
from dreamer_tf.native_log import load_tensorflow

if TYPE_CHECKING:
    from dreamer_tf.experiment.runner import DreamerRunner

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "base_dir",
    None,
    "Base directory of the run. A run is resumed by its directory; without --gin_files, as it has "
    "recorded. Default: runs/<config>/<game>/<seed>, where <config> also says which bindings "
    "differ.",
)
flags.DEFINE_string(
    "label", None, "Name of the configuration in the default --base_dir and in comparisons."
)
flags.DEFINE_multi_string(
    "gin_files",
    [],
    "Gin files, searched in the working directory, then among the shipped ones; may be repeated.",
)
flags.DEFINE_multi_string(
    "gin_bindings",
    [],
    "Gin bindings that override the files, as in \"AtariEnvironment.game_name='Breakout'\"; may be "
    "repeated.",
)
flags.DEFINE_multi_string(
    "import",
    [],
    "Python module of yours that is imported first, as for an environment; may be repeated.",
)
flags.DEFINE_string(
    "init_from",
    None,
    "Base directory of another run. A new run begins with its weights; a run that is resumed has "
    "its own.",
)
flags.DEFINE_enum(
    "init_parts",
    None,
    ["both", "world_model", "behavior"],
    "What --init_from gives. Default: both.",
)
flags.DEFINE_integer("seed", 0, "Seed of the whole run.", lower_bound=0, upper_bound=2**31 - 1)
flags.DEFINE_string(
    "scratch",
    None,
    "Directory on a disk of this node that holds the replay while the run goes on. What a "
    "checkpoint needs is copied to --base_dir when it is saved.",
)
flags.DEFINE_boolean(
    "dry_run",
    False,
    "Checks everything, makes an update on made-up data, says what the run will cost, and stops.",
)
flags.DEFINE_bool(
    "verify",
    False,
    "Before it resumes, reads every stored step, not only samples, and compares it with the "
    "checkpoint.",
)

INTERRUPTED = 75  # EX_TEMPFAIL: start the same command again


def main(argv: Sequence[str]) -> int:
    """Runs or resumes the experiment that the flags name."""
    from dreamer_tf.errors import UserError
    from dreamer_tf.experiment import gin_files, initial, naming, preflight, trust
    from dreamer_tf.replay import staging

    recorded = not FLAGS.gin_files and FLAGS.base_dir is not None
    if recorded:
        preflight.check_run(FLAGS.base_dir)
    elif not FLAGS.gin_files:
        names = ", ".join(path.name for path in gin_files.shipped_files())
        raise UserError(
            f"--gin_files is missing: name a gin file, or one of the shipped {names}; or name a "
            "run to resume with --base_dir alone."
        )
    bindings = [*trust.import_modules(FLAGS["import"].value), *FLAGS.gin_bindings]
    bindings += initial.bindings(FLAGS.init_from, FLAGS.init_parts)
    if FLAGS.label is not None:
        naming.check_label(FLAGS.label)
    preflight.check(FLAGS.gin_files, bindings)

    if FLAGS.scratch is not None:
        staging.use(FLAGS.scratch)

    # Only now, because TensorFlow takes seconds to load.
    load_tensorflow()
    from dreamer_tf.experiment import launch
    from dreamer_tf.networks.workers import WorkersLost

    seed = FLAGS.seed
    if recorded:
        gin_files.parse_recorded(FLAGS.base_dir)
        seed = seed if FLAGS["seed"].present else gin_files.recorded_seed(FLAGS.base_dir)
    gin_files.parse(FLAGS.gin_files, bindings)
    base_dir = FLAGS.base_dir or naming.run_directory(
        FLAGS.gin_files, bindings, launch.environment_name(), seed, FLAGS.label
    )
    try:
        if FLAGS.dry_run:
            launch.dry_run(base_dir, seed, FLAGS.init_from)
            return 0
        return _train(base_dir, seed)
    except WorkersLost as lost:
        launch.end_without(lost, INTERRUPTED)


def _train(base_dir: str, seed: int) -> int:
    """Runs or resumes the configured experiment."""
    from dreamer_tf.experiment import launch
    from dreamer_tf.networks.workers import WorkersLost

    runner = launch.make_runner(base_dir, seed, label=FLAGS.label, init_from=FLAGS.init_from)
    with contextlib.ExitStack() as at_end:
        at_end.callback(runner.close)
        try:
            return _run(runner)
        except WorkersLost:
            at_end.pop_all()  # the updates of a group that has fallen apart may never end
            raise


def _run(runner: "DreamerRunner") -> int:
    from dreamer_tf.experiment import launch, policy
    from dreamer_tf.experiment.signals import Interrupted

    print(launch.describe(runner), flush=True)
    if FLAGS.verify:
        print(f"verified        {launch.verify(runner)}", flush=True)
    launch.rehearse(runner)
    if runner.finished:
        print("The run is complete: raise Runner.num_iterations to continue it.")
    try:
        runner.run_experiment()
    except Interrupted:
        command = f"{launch.python()} -m dreamer_tf.train {shlex.join(sys.argv[1:])}"
        print(f"\nStopped and saved at {runner.agent.agent_steps:,} agent steps. To continue:")
        print(command)
        return INTERRUPTED
    for line in policy.recorded(runner):
        print(line)
    print(launch.closing_words(runner))
    launch.check_learned(runner)
    return 0


def run() -> None:
    """Entry point of the console script `dreamer-train`."""
    command_line.run(main, resumable=True)


if __name__ == "__main__":
    run()
