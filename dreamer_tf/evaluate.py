"""Evaluates a stored policy over whole episodes and prints the returns as JSON.

python -m dreamer_tf.evaluate --base_dir=runs/quickstart/KungFuMaster/0 --video=episode.gif
"""

import json
import math
import statistics
from collections.abc import Sequence
from typing import Any

from absl import flags

from dreamer_tf.experiment import command_line
from dreamer_tf.native_log import load_tensorflow

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
flags.DEFINE_integer("episodes", 10, "Number of whole episodes.", lower_bound=1)
flags.DEFINE_integer(
    "seed", 0, "Seed of environment and policy.", lower_bound=0, upper_bound=2**31 - 1
)
flags.DEFINE_string("video", None, "GIF file for a recording of the first episode.")
flags.DEFINE_integer("video_frames", 1000, "Longest recording, in agent steps.", lower_bound=1)


def main(argv: Sequence[str]) -> int:
    """Runs the episodes and prints one JSON object."""
    from dreamer_tf.experiment import preflight, trust
    from dreamer_tf.open_loop import gif

    if FLAGS.video:
        gif.check_path(FLAGS.video)
    preflight.check_run(FLAGS.base_dir)

    # Only now, because TensorFlow takes seconds to load.
    load_tensorflow()
    from dreamer_tf.experiment.policy import load_policy

    trust.import_modules(FLAGS["import"].value)
    policy = load_policy(FLAGS.base_dir, FLAGS.seed, trust_imports=FLAGS.trust_imports)
    returns, lengths = [], []
    for episode in range(FLAGS.episodes):
        frames: list[Any] | None = [] if FLAGS.video and episode == 0 else None
        # Only the first episode is seeded: a seeded reset would repeat it.
        seed = FLAGS.seed if episode == 0 else None
        episode_return, length = policy.run_episode(seed, frames, FLAGS.video_frames)
        returns.append(episode_return)
        lengths.append(length)
        if frames is not None:
            gif.write_gif(FLAGS.video, frames)
    error = statistics.stdev(returns) / math.sqrt(len(returns)) if len(returns) > 1 else None
    print(
        json.dumps(
            {
                "mean": statistics.fmean(returns),
                "standard_error": error,
                "episodes": len(returns),
                "returns": returns,
                "lengths": lengths,
                "game": policy.environment.name,
                "protocol": policy.protocol,
                "checkpoint": policy.checkpoint,
                "agent_steps": policy.agent_steps,
                "seed": FLAGS.seed,
            }
        )
    )
    return 0


def run() -> None:
    """Entry point of the console script `dreamer-evaluate`."""
    command_line.run(main, prints=True)


if __name__ == "__main__":
    run()
