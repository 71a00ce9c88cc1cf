"""Frames per second of a real run, and where the time goes.

python benchmarks/end_to_end.py --size=small --steps=2000

Updates overlap with the rest: `share_waiting` is the part of the time in which nothing else went
on, `share_of_updates` the time of the updates themselves. The other shares add up to 1.
"""

import os
import tempfile

from absl import app, flags
from common import report
from learners import FILES, TINY

FLAGS = flags.FLAGS
flags.DEFINE_enum("size", "small", ["paper", "small", "tiny"], "Which model.")
flags.DEFINE_integer("steps", 2000, "Agent steps that are timed, in whole episodes.")
flags.DEFINE_integer("environments", 1, "DreamerRunner.num_environments.")
flags.DEFINE_bool("overlap", True, "DreamerV2Agent.overlap.")
flags.DEFINE_multi_string("gin_bindings", [], "Further gin bindings.")
flags.DEFINE_integer("prefill", 500, "Agent steps before the first update.")


def seconds_spent(runner) -> dict[str, float]:
    return {"environment": runner.seconds_in_environment, **runner.agent.seconds}


def main(_) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from dreamer_tf.experiment import gin_files, launch

    bindings = [
        "Runner.num_iterations=2",
        "Runner.evaluation_steps=0",
        "EpisodeReplay.capacity=50000",
        "EpisodeReplay.reserve=500000",
        "DreamerRunner.progress_bar=False",
        f"DreamerV2Agent.prefill_steps={FLAGS.prefill}",
        f"Runner.training_steps={FLAGS.prefill + 100}",
        f"DreamerRunner.num_environments={FLAGS.environments}",
        f"DreamerV2Agent.overlap={FLAGS.overlap}",
        *FLAGS.gin_bindings,
    ]
    more = TINY if FLAGS.size == "tiny" else ()
    gin_files.parse([FILES.get(FLAGS.size, "atari.gin")], [*more, *bindings])
    with tempfile.TemporaryDirectory() as directory:
        runner = launch.make_runner(directory, 0)
        phases = []
        run_phase = runner._run_one_phase

        def timed_phase(min_steps, statistics, mode):
            before = seconds_spent(runner)
            steps = runner.agent.agent_steps
            result = run_phase(min_steps, statistics, mode)
            after = seconds_spent(runner)
            phases.append(
                {
                    "steps": runner.agent.agent_steps - steps,
                    "wall": runner._phases[mode]["seconds"],
                    **{name: after[name] - before[name] for name in after},
                }
            )
            runner._training_steps = FLAGS.steps
            return result

        runner._run_one_phase = timed_phase
        runner.run_experiment()
        timed = phases[1]  # the first iteration compiles
        steps, wall, updates = timed.pop("steps"), timed.pop("wall"), timed.pop("update")
        report(
            benchmark="end_to_end",
            size=FLAGS.size,
            environments=FLAGS.environments,
            overlap=FLAGS.overlap,
            agent_steps=steps,
            agent_steps_per_second=steps / wall,
            frames_per_second=steps * runner.environment.frames_per_step / wall,
            seconds=wall,
            **{f"share_{name}": seconds / wall for name, seconds in timed.items()},
            share_other=1.0 - sum(timed.values()) / wall,
            share_of_updates=updates / wall,
        )


if __name__ == "__main__":
    app.run(main)
