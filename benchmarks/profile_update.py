"""Which operations an update spends its time on, by `tf.profiler`.

python benchmarks/profile_update.py --size=small --batch=8 --length=32 --cores=1

The table has the time of each kind of operation without that of the operations it calls, and its
share of all of them. The JSON line has the same times in ms per update. Operations that are known
to be cheap are not seen one by one: they count as "TensorFlow's executor".
"""

import collections
import glob
import tempfile
from collections.abc import Iterator
from typing import Any

from absl import app, flags
from common import report, use_cores
from learners import make_learner, matmul_rate, random_sequences

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch", 8, "B, sequences.")
flags.DEFINE_integer("length", 32, "T, steps of a sequence.")
flags.DEFINE_enum("size", "small", ["paper", "small", "tiny"], "Which model.")
flags.DEFINE_integer("cores", 1, "CPU cores that may compute; 0: all.")
flags.DEFINE_integer("updates", 10, "Updates that are profiled.")
flags.DEFINE_integer("warm_up", 20, "Updates before them: the executor learns which are cheap.")
flags.DEFINE_integer("rows", 20, "Rows of the table.")
flags.DEFINE_multi_string("gin_bindings", [], "Further gin bindings.")

# What TensorFlow's executor does itself. In "Run" it waits for all the others.
WAITING = "Run"
EXECUTOR = ("Process", "FunctionRun", "ExecutorDoneCallback", "_update")


def own_times(events: list[tuple[float, float, str]]) -> Iterator[tuple[str, float]]:
    """Name and time of each event of one thread, without the events inside of it.

    Args:
      events: start, duration and name; in any order.
    """
    open_events: list[list[Any]] = []  # name, end, time without the events inside
    for start, duration, name in sorted(events, key=lambda event: (event[0], -event[1])):
        while open_events and open_events[-1][1] <= start:
            name_before, _, own = open_events.pop()
            yield name_before, own
        if open_events:
            open_events[-1][2] -= duration
        open_events.append([name, start + duration, duration])
    for name, _, own in open_events:
        yield name, own


def times_of(directory: str) -> tuple[collections.Counter, collections.Counter]:
    """Milliseconds and calls of each kind of operation in a profile that is stored."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    [path] = glob.glob(f"{glob.escape(directory)}/**/*.xplane.pb", recursive=True)
    space = xplane_pb2.XSpace()
    with open(path, "rb") as file:
        space.ParseFromString(file.read())
    milliseconds: collections.Counter = collections.Counter()
    calls: collections.Counter = collections.Counter()
    for plane in (plane for plane in space.planes if "CPU" in plane.name):
        names = plane.event_metadata
        for line in plane.lines:
            # In picoseconds. An operation is "name:kind", and we count by kind.
            events = [
                (event.offset_ps, event.duration_ps, names[event.metadata_id].name)
                for event in line.events
            ]
            for name, own in own_times(events):
                milliseconds[name.rpartition(":")[2]] += own / 1e9
                calls[name.rpartition(":")[2]] += 1
    return milliseconds, calls


def main(_) -> None:
    """Profiles, and prints the table and the JSON line."""
    use_cores(FLAGS.cores)
    learner = make_learner(FLAGS.size, FLAGS.gin_bindings)
    import tensorflow as tf

    sequences = random_sequences(FLAGS.batch, FLAGS.length)
    for _ in range(FLAGS.warm_up):
        float(learner.update(sequences)["model_loss"])
    with tempfile.TemporaryDirectory() as directory:
        tf.profiler.experimental.start(directory)
        for _ in range(FLAGS.updates):
            float(learner.update(sequences)["model_loss"])
        tf.profiler.experimental.stop()
        milliseconds, calls = times_of(directory)
    milliseconds.pop(WAITING, None)
    executor = sum(milliseconds.pop(name, 0.0) for name in EXECUTOR)
    milliseconds["TensorFlow's executor"] = executor
    total = sum(milliseconds.values())
    print("| operation | ms | share | calls |\n|---|---|---|---|")
    for name, value in milliseconds.most_common(FLAGS.rows):
        count = round(calls[name] / FLAGS.updates) or ""
        print(f"| {name} | {value / FLAGS.updates:.2f} | {value / total:.3f} | {count} |")
    report(
        benchmark="profile_update",
        size=FLAGS.size,
        batch=FLAGS.batch,
        length=FLAGS.length,
        milliseconds=total / FLAGS.updates,
        matmul_gflop_per_second=matmul_rate("float32") / 1e9,
        **{name: value / FLAGS.updates for name, value in milliseconds.most_common(FLAGS.rows)},
    )


if __name__ == "__main__":
    app.run(main)
