"""Time of one agent step: observation in, action out, and how much of it is not the network.

python benchmarks/policy_step.py --size=paper
"""

import time

import numpy as np
from absl import app, flags
from common import report
from learners import ACTION_SPACE, IMAGE, OBSERVATION_SPACE, make_learner

FLAGS = flags.FLAGS
flags.DEFINE_enum("size", "paper", ["paper", "small", "tiny"], "Which model.")
flags.DEFINE_string("precision", "float32", "Learner.precision.")
flags.DEFINE_integer("steps", 500, "Steps that are timed.")
flags.DEFINE_multi_string("gin_bindings", [], "Further gin bindings.")


def main(_) -> None:
    bindings = [f"Learner.precision='{FLAGS.precision}'", *FLAGS.gin_bindings]
    learner = make_learner(FLAGS.size, bindings)
    from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent

    agent = DreamerV2Agent(OBSERVATION_SPACE, ACTION_SPACE)
    agent.learner = learner
    observation = {"image": np.random.default_rng(0).integers(0, 256, IMAGE.shape, np.uint8)}
    agent.begin_episode(observation)
    for _ in range(20):
        agent.step(0.0, observation)
    times = []
    for _ in range(FLAGS.steps):
        started = time.perf_counter()
        agent.step(0.0, observation)
        times.append(time.perf_counter() - started)

    import tensorflow as tf

    # The compiled function alone, with everything in tensors and nothing taken out.
    function = learner.acting.compiled(explore=False)
    image = tf.constant(observation["image"][None])
    state, first = learner.acting.initial_state(1), tf.constant([False])
    inputs = tf.nest.flatten(({"image": image}, first, state, tf.constant(0, tf.int64)))
    network = []
    for _ in range(FLAGS.steps):
        started = time.perf_counter()
        function(*inputs)
        network.append(time.perf_counter() - started)
    total, inner = 1e3 * float(np.median(times)), 1e3 * float(np.median(network))
    report(
        benchmark="policy_step",
        size=FLAGS.size,
        precision=FLAGS.precision,
        milliseconds=total,
        milliseconds_outside_network=total - inner,
    )


if __name__ == "__main__":
    app.run(main)
