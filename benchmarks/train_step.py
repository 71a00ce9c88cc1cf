"""Time of one complete update: world model, actor and critic.

python benchmarks/train_step.py --batch=16 --length=50 --size=paper
"""

import math
import os
import time

import numpy as np
from absl import app, flags
from common import peak_memory_gib, report, seconds_since_process_start, use_cores
from learners import count_flops, make_learner, matmul_rate, random_sequences

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch", 16, "B, sequences.")
flags.DEFINE_integer("length", 50, "T, steps of a sequence.")
flags.DEFINE_enum("size", "paper", ["paper", "small", "tiny"], "Which model.")
flags.DEFINE_string("precision", "float32", "Learner.precision.")
flags.DEFINE_bool("jit_compile", False, "Learner.jit_compile.")
flags.DEFINE_integer("updates", 10, "Updates that are timed, after the first.")
flags.DEFINE_integer("cores", 0, "CPU cores that may compute; 0: all.")
flags.DEFINE_integer("devices", 1, "GPUs, or logical CPUs without one, that share the batch.")
flags.DEFINE_multi_string("gin_bindings", [], "Further gin bindings.")


def main(_) -> None:
    use_cores(FLAGS.cores)
    bindings = [
        f"Learner.precision='{FLAGS.precision}'",
        f"Learner.jit_compile={FLAGS.jit_compile}",
        *FLAGS.gin_bindings,
    ]
    if FLAGS.devices > 1:
        from dreamer_tf.experiment.devices import configure_devices

        configure_devices(strategy="mirrored", devices=FLAGS.devices)
    learner = make_learner(FLAGS.size, bindings)
    sequences = random_sequences(FLAGS.batch, FLAGS.length)
    float(learner.update(sequences)["model_loss"])
    first = seconds_since_process_start()
    before = matmul_rate(FLAGS.precision)
    wall, cpu = [], []
    for _ in range(FLAGS.updates):
        started, used = time.perf_counter(), time.process_time()
        loss = float(learner.update(sequences)["model_loss"])
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    rate = (before + matmul_rate(FLAGS.precision)) / 2
    flops = count_flops(learner, FLAGS.batch, FLAGS.length)
    seconds = float(np.median(wall))
    report(
        benchmark="train_step",
        size=FLAGS.size,
        batch=FLAGS.batch,
        length=FLAGS.length,
        cores=FLAGS.cores or os.cpu_count(),
        precision=FLAGS.precision,
        jit_compile=FLAGS.jit_compile,
        devices=FLAGS.devices,
        seconds=seconds,
        cpu_seconds=float(np.median(cpu)),
        seconds_to_first_update=first,
        traces=learner.num_traces,
        finite=math.isfinite(loss),
        peak_memory_gib=peak_memory_gib(),
        gflop=flops / 1e9,
        matmul_gflop_per_second=rate / 1e9,
        utilization=flops / (seconds * rate * _chips()),
    )


def _chips() -> int:
    """Devices with arithmetic of their own; logical CPUs share the cores."""
    import tensorflow as tf

    return FLAGS.devices if tf.config.get_visible_devices("GPU") else 1


if __name__ == "__main__":
    app.run(main)
