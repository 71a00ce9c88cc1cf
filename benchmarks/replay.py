"""The replay at the paper's batch: against a plain copy of the same bytes, with a cold cache too.

python benchmarks/replay.py --capacity=400000
"""

import os
import resource
import tempfile
import time

import numpy as np
from absl import app, flags
from common import report
from learners import ACTION_SPACE, IMAGE, OBSERVATION_SPACE

FLAGS = flags.FLAGS
flags.DEFINE_integer("capacity", 400_000, "Steps that are stored; 4.1 kB each.")
flags.DEFINE_integer("batch", 50, "B, sequences.")
flags.DEFINE_integer("length", 50, "T, steps of a sequence.")
flags.DEFINE_integer("batches", 100, "Batches that are timed.")
flags.DEFINE_integer("episode", 1000, "Steps of an episode.")


def main(_) -> None:
    from dreamer_tf.replay.episode_replay import EpisodeReplay

    with tempfile.TemporaryDirectory() as directory:
        replay = EpisodeReplay(
            directory,
            OBSERVATION_SPACE,
            ACTION_SPACE,
            seed=0,
            capacity=FLAGS.capacity,
            reserve=0,
            batch_size=FLAGS.batch,
            sequence_length=FLAGS.length,
            prefetch=False,
        )
        image = np.random.default_rng(0).integers(0, 256, (256, *IMAGE.shape), np.uint8)
        started = time.perf_counter()
        for step in range(FLAGS.capacity):
            phase = step % FLAGS.episode
            replay.add(
                {"image": image[step % 256]},
                step % 18,
                0.0,
                is_first=phase == 0,
                is_last=phase == FLAGS.episode - 1,
                is_terminal=False,
            )
        add = (time.perf_counter() - started) / FLAGS.capacity
        started = time.perf_counter()
        replay.flush()
        replay.state()
        checkpoint = time.perf_counter() - started
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

        batch = replay.sample()
        size = sum(array.nbytes for array in (*batch.observation.values(), *batch[1:]))
        times = []
        for _ in range(FLAGS.batches):
            started = time.perf_counter()
            replay.sample()
            times.append(time.perf_counter() - started)
        sample = float(np.median(times))
        # A plain copy of as many bytes from as many far apart places of a block of memory.
        rows = FLAGS.batch * 64
        rng = np.random.default_rng(1)
        block = np.ones((rows, FLAGS.length, *IMAGE.shape), np.uint8)
        times = []
        for _ in range(FLAGS.batches):
            picks = rng.integers(0, rows, FLAGS.batch)
            started = time.perf_counter()
            target = np.empty((FLAGS.batch, *block.shape[1:]), np.uint8)
            for row, pick in enumerate(picks):
                target[row] = block[pick]
            times.append(time.perf_counter() - started)
        copy = float(np.median(times)) * size / target.nbytes
        disk = sum(entry.stat().st_blocks * 512 for entry in os.scandir(directory))
        replay.close()
    report(
        benchmark="replay",
        capacity=FLAGS.capacity,
        batch=FLAGS.batch,
        length=FLAGS.length,
        milliseconds_per_batch=1e3 * sample,
        sequences_per_second=FLAGS.batch / sample,
        gigabytes_per_second=size / sample / 1e9,
        share_of_copy_speed=copy / sample,
        microseconds_per_add=1e6 * add,
        microseconds_per_step_of_checkpoint=1e6 * checkpoint / FLAGS.capacity,
        resident_mib_after_filling=resident,
        disk_gb_at_2e6_steps=disk / FLAGS.capacity * 2e6 / 1e9,
    )


if __name__ == "__main__":
    app.run(main)
