"""Peak memory of updates against the sum of what must be in memory.

python benchmarks/memory.py --model=L --batch=16 --length=50

The sum has the weights, two moments and one gradient of every trained weight, the batch, and what
the forward pass of the world model, actor and critic keeps for the gradients. The peak counts from
the moment before the learner is made, so libraries do not count.
"""

import psutil
from absl import app, flags
from common import one_thread, peak_memory_gib, report
from learners import MODELS, make_learner, memory_parts, model_bindings, random_sequences

FLAGS = flags.FLAGS
flags.DEFINE_enum("model", "S", list(MODELS), "Of the table in common.py.")
flags.DEFINE_integer("batch", 8, "B, sequences.")
flags.DEFINE_integer("length", 32, "T, steps of a sequence.")
flags.DEFINE_multi_string("gin_bindings", [], "Further gin bindings.")


def main(_) -> None:
    one_thread()
    # Libraries do not count.
    before = psutil.Process().memory_info().rss / 2**30
    learner = make_learner("small", [*model_bindings(FLAGS.model), *FLAGS.gin_bindings])
    sequences = random_sequences(FLAGS.batch, FLAGS.length)
    for _ in range(2):
        float(learner.update(sequences)["model_loss"])
    peak = peak_memory_gib() - before
    found = memory_parts(learner, sequences)
    parts = {f"{name}_gib": value / 2**30 for name, value in found.items()}
    total = sum(parts.values())
    report(
        benchmark="memory",
        model=FLAGS.model,
        batch=FLAGS.batch,
        length=FLAGS.length,
        **parts,
        sum_gib=total,
        peak_gib=peak,
        peak_over_sum=peak / total,
    )


if __name__ == "__main__":
    app.run(main)
