"""The score of Crafter: of runs, and of random play.

python benchmarks/crafter_score.py --runs='runs/crafter_small/*/*' --steps=100000
python benchmarks/crafter_score.py --random_steps=100000 --seeds=3
"""

import json
from pathlib import Path

import numpy as np
from absl import flags
from common import interval_of_mean, report

from dreamer_tf.environments.crafter import Crafter
from dreamer_tf.experiment import command_line
from dreamer_tf.scores import crafter

FLAGS = flags.FLAGS
flags.DEFINE_string("runs", None, "Base directories of runs, with wildcards.")
flags.DEFINE_integer("steps", None, "Agent steps; later episodes are left out.", 1)
flags.DEFINE_integer("random_steps", None, "Agent steps of random play; whole episodes.", 1)
flags.DEFINE_integer("seeds", 3, "Seeds of random play: 0, 1, ...", 1)
flags.DEFINE_string("evidence", None, "Writes SEED/achievements.json into this directory.")


def play_randomly(seed: int, steps: int) -> crafter.Run:
    """Episodes that random play ends within so many steps, and at least one."""
    environment, rng = Crafter(), np.random.default_rng(seed)
    environment.reset(seed=seed)
    played, unlocked = 0, []
    while played < steps or not unlocked:
        *_, terminated, truncated, info = environment.step(rng.integers(environment.action_space.n))
        played += 1
        if terminated or truncated:
            unlocked.append(info)
            environment.reset()
    return crafter.Run("random", seed, played, len(unlocked), crafter.success_rates(unlocked))


def main(_) -> int:
    found = crafter.runs(FLAGS.runs, FLAGS.steps) if FLAGS.runs else []
    if FLAGS.random_steps:
        found += [play_randomly(seed, FLAGS.random_steps) for seed in range(FLAGS.seeds)]
    for run in found:
        report(benchmark="crafter_score", score=run.score, **run._asdict())
        if FLAGS.evidence:
            path = Path(FLAGS.evidence, str(run.seed), "achievements.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(run._asdict() | {"score": run.score}, indent=1) + "\n")
    for config in sorted({run.config for run in found}):
        scores = np.array([run.score for run in found if run.config == config])
        report(
            benchmark="crafter_score",
            config=config,
            seeds=len(scores),
            mean=float(scores.mean()),
            interval=interval_of_mean(scores, 0.95),
        )
    return 0


if __name__ == "__main__":
    command_line.run(main, prints=True)
