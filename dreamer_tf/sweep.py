"""Runs many experiments: configurations x games x seeds, on this machine or on a cluster.

python -m dreamer_tf.sweep --configs='atari_small.gin;rainbow.gin+base/atari_100k.gin' \
    --games=Pong,@atari5 --seeds=0-4
python -m dreamer_tf.sweep --status
"""

from collections.abc import Sequence

from absl import flags

from dreamer_tf.experiment import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "configs",
    None,
    "Gin files. A + joins those of one configuration, a ; separates configurations, as in "
    "'atari_small.gin;rainbow.gin+base/atari_100k.gin'.",
)
flags.DEFINE_list(
    "games",
    [],
    "Games, as in Pong,@atari5; also @atari26 and @atari55, domain/task of the control suite, or "
    "ids of Gymnasium. Default: the game of each configuration.",
)
flags.DEFINE_string("seeds", "0", "Seeds and ranges of seeds, as in 0-4,7.")
flags.DEFINE_multi_string(
    "vary",
    [],
    "A gin parameter with several values, as in 'WorldModel.kl_scale=0.1,1.0'; may be repeated, "
    "then every combination is run.",
)
flags.DEFINE_multi_string("gin_bindings", [], "Gin bindings of all runs; may be repeated.")
flags.DEFINE_multi_string("import", [], "As for train; may be repeated.")
flags.DEFINE_string("root", "runs", "Directory of all runs; every node must see it.")
flags.DEFINE_string("name", None, "Name of the sweep. Default: made from what is swept.")
flags.DEFINE_string("scratch", None, "As for train: a directory on a disk of each node.")
flags.DEFINE_string("address", None, "A Ray cluster, as in auto. Default: this machine alone.")
flags.DEFINE_string(
    "slurm",
    None,
    "Submits array jobs to SLURM, with these options of sbatch, as in "
    "'--partition=gpu --time=12:00:00', and does not wait for them.",
)
flags.DEFINE_integer("cpus", None, "CPUs of this machine that the sweep may use.", lower_bound=1)
flags.DEFINE_integer(
    "workers_per_run",
    1,
    "Processes that train one agent together, each with its own CPUs and GPUs; not with --slurm.",
    lower_bound=1,
    upper_bound=1_000,
)
flags.DEFINE_float(
    "cpus_per_run", 1.0, "CPUs and threads of a run, or of each of its workers.", lower_bound=0.01
)
flags.DEFINE_float(
    "gpus_per_run",
    None,
    "GPUs of a run, or of each of its workers, as in 0.5. Default: 1 where there are any; with "
    "--slurm none, and whole ones.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "retries",
    2,
    "How often a run is started again that failed, but not by a user's error (exit code 2).",
    lower_bound=0,
)
flags.DEFINE_bool("dry_run", False, "Prints the plan and what is missing of it, and stops.")
flags.DEFINE_bool("status", False, "Prints how far the sweep is, and stops.")
flags.DEFINE_bool("stop", False, "Asks all runs of the sweep to save and to stop, and waits.")
flags.DEFINE_bool("report", False, "Writes the page of compare from what is there, and stops.")
flags.DEFINE_string("out", "report.html", "File of --report.")
flags.DEFINE_bool("mixed", False, "Lets --report compare runs of different protocols.")

_QUESTIONS = ("dry_run", "status", "stop", "report")


def main(argv: Sequence[str]) -> int:
    """Does what the flags ask for."""
    from dreamer_tf.errors import UserError
    from dreamer_tf.sweeps import driver, home, plan
    from dreamer_tf.sweeps.engine import Resources

    asked = [name for name in _QUESTIONS if FLAGS[name].value]
    if len(asked) > 1:
        raise UserError(f"--{asked[0]} and --{asked[1]} exclude each other: leave one of them out.")
    if FLAGS.configs is None and asked and asked != ["dry_run"]:
        place = home.recorded(FLAGS.root, FLAGS.name)
        request = place.request()
    else:
        request = plan.Request(
            configs=FLAGS.configs or "",
            games=FLAGS.games,
            seeds=FLAGS.seeds,
            vary=FLAGS.vary,
            gin_bindings=FLAGS.gin_bindings,
            imports=FLAGS["import"].value or [],
            root=FLAGS.root,
            scratch=FLAGS.scratch,
        )
        place = home.Home(FLAGS.root, FLAGS.name or home.name_of(request))
    # Who starts runs asks the environments again: their code may have changed.
    names = place.names() if asked and asked != ["dry_run"] else {}
    sweep = driver.Sweep(request, plan.make(request, names), place, names)
    if asked == ["report"]:
        # Only now, because pandas and the charts take seconds to load.
        from dreamer_tf.sweeps import report

        print(report.write(driver.look(sweep), FLAGS.out, FLAGS.mixed))
        return 0
    if asked:
        answers = {"dry_run": driver.dry_run, "status": driver.status, "stop": driver.stop}
        return answers[asked[0]](sweep)
    resources = Resources(
        FLAGS.address,
        FLAGS.cpus,
        FLAGS.cpus_per_run,
        FLAGS.gpus_per_run,
        FLAGS.workers_per_run,
    )
    if FLAGS.slurm is not None:
        if FLAGS.address is not None:
            raise UserError("--slurm and --address exclude each other: leave one of them out.")
        if FLAGS.workers_per_run > 1:
            raise UserError(
                "--workers_per_run needs Ray: leave --slurm out, or start the workers of each run "
                "with srun, as docs/distributed.md shows."
            )
        return driver.submit(sweep, resources, FLAGS.slurm, FLAGS.retries)
    return driver.run(sweep, resources, FLAGS.retries)


def run() -> None:
    """Entry point of the console script `dreamer-sweep`."""
    command_line.run(main)


if __name__ == "__main__":
    run()
