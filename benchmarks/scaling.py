"""How time and memory of an update grow with B, T, H and the model, and what grows with the rest.

python benchmarks/scaling.py --picture=benchmarks/scaling.png

One thread and CPU time, so that a loaded machine changes little. Memory is what must be there
during an update, counted from the graph; `memory.py` compares such a sum with the peak. Where the
time grows with a larger exponent than the arithmetic, something is wrong.
"""

import os
import tempfile
import time

import numpy as np
from absl import app, flags
from common import one_thread, report
from learners import (
    ACTION_SPACE,
    IMAGE,
    MODELS,
    OBSERVATION_SPACE,
    count_flops,
    make_learner,
    memory_parts,
    model_bindings,
    random_sequences,
)

FLAGS = flags.FLAGS
flags.DEFINE_list("axes", ["B", "T", "H", "model", "environments", "replay"], "What is varied.")
flags.DEFINE_list("batches", ["4", "8", "16", "32"], "B.")
flags.DEFINE_list("lengths", ["16", "32", "64"], "T.")
flags.DEFINE_list("horizons", ["5", "15", "45"], "H.")
flags.DEFINE_list("models", list(MODELS), "Of the table in common.py.")
flags.DEFINE_list("environments", ["1", "4", "16"], "Policy steps for so many at once.")
flags.DEFINE_list("capacities", ["4000", "16000", "64000"], "Agent steps in the replay.")
flags.DEFINE_integer("updates", 3, "Updates that are timed; the fastest counts.")
flags.DEFINE_string("picture", None, "PNG to draw.")


def least_cpu_seconds(function, repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def update(batch: int, length: int, horizon: int, model: str) -> dict:
    learner = make_learner("small", [*model_bindings(model), f"ActorCritic.horizon={horizon}"])
    sequences = random_sequences(batch, length)

    def run() -> None:
        float(learner.update(sequences)["model_loss"])

    run()
    return {
        "seconds": least_cpu_seconds(run, FLAGS.updates),
        "arithmetic": count_flops(learner, batch, length),
        "memory": sum(memory_parts(learner, sequences).values()),
        "parameters": sum(learner.num_parameters.values()),
    }


def policy(count: int) -> dict:
    acting = make_learner("small", []).acting
    observation = {"image": np.zeros((count, *IMAGE.shape), np.uint8)}
    state, first = acting.initial_state(count), np.zeros(count, bool)
    acting.step(observation, first, state, 0, True)

    def run() -> None:
        acting.step(observation, first, state, 0, True)

    return {"seconds": least_cpu_seconds(run, 200), "arithmetic": count}


def replay(capacity: int) -> dict:
    from dreamer_tf.replay.episode_replay import EpisodeReplay

    sizes = {"capacity": capacity, "reserve": 0, "batch_size": 8, "sequence_length": 32}
    with tempfile.TemporaryDirectory() as directory:
        buffer = EpisodeReplay(
            directory, OBSERVATION_SPACE, ACTION_SPACE, seed=0, prefetch=False, **sizes
        )
        image = np.random.default_rng(0).integers(0, 256, IMAGE.shape, np.uint8)
        for step in range(capacity):
            phase = step % 500
            flags_of_step = {"is_first": phase == 0, "is_last": phase == 499}
            buffer.add({"image": image}, step % 18, 0.0, **flags_of_step, is_terminal=False)
        seconds = least_cpu_seconds(buffer.sample, 200)
        buffer.close()
    return {"seconds": seconds, "arithmetic": 1.0}


def points(axis: str) -> list[tuple[float, dict]]:
    """The value on the axis and what was measured there."""
    base = {"batch": 8, "length": 32, "horizon": 15, "model": "S"}
    name, values = {
        "B": ("batch", FLAGS.batches),
        "T": ("length", FLAGS.lengths),
        "H": ("horizon", FLAGS.horizons),
        "model": ("model", FLAGS.models),
        "environments": ("", FLAGS.environments),
        "replay": ("", FLAGS.capacities),
    }[axis]
    found = []
    for value in values:
        if axis in ("environments", "replay"):
            result = (policy if axis == "environments" else replay)(int(value))
        else:
            result = update(**base | {name: value if axis == "model" else int(value)})
        x = result["parameters"] if axis == "model" else float(value)
        report(axis=axis, value=x, **{k: v for k, v in result.items() if k != "parameters"})
        found.append((x, result))
    return found


def exponent(found: list[tuple[float, dict]], key: str) -> float:
    """The slope in logarithms: 1 for what doubles with the axis, 0 for what stays."""
    x = np.log([value for value, _ in found])
    y = np.log([result[key] for _, result in found])
    return float(np.polyfit(x, y, 1)[0])


def draw(measured: dict[str, list[tuple[float, dict]]], path: str) -> None:
    from matplotlib.figure import Figure

    columns = min(len(measured), 3)
    rows = -(-len(measured) // columns)
    figure = Figure(figsize=(3.4 * columns, 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (axis, found) in zip(grid, measured.items(), strict=False):
        x = [value for value, _ in found]
        for key, style in (("seconds", "o-"), ("arithmetic", "k--"), ("memory", "s-")):
            if key not in found[0][1]:
                continue
            y = np.array([result[key] for _, result in found])
            axes.loglog(x, y / y[0], style, label=f"{key}, exponent {exponent(found, key):.2f}")
        axes.set_xticks(x, [f"{value:,.0f}" for value in x])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.yaxis.set_minor_formatter("{x:.3g}")
        axes.set_xlabel({"model": "parameters", "replay": "steps in the replay"}.get(axis, axis))
        axes.legend(fontsize=7)
        axes.grid(alpha=0.3)
    figure.supylabel("relative to the first point")
    figure.savefig(path, dpi=110)


def main(_) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    one_thread()
    measured = {axis: points(axis) for axis in FLAGS.axes}
    for axis, found in measured.items():
        report(
            benchmark="scaling",
            axis=axis,
            points=len(found),
            exponent_of_time=exponent(found, "seconds"),
            exponent_of_arithmetic=exponent(found, "arithmetic"),
            **(
                {"exponent_of_memory": exponent(found, "memory")} if "memory" in found[0][1] else {}
            ),
        )
    if FLAGS.picture:
        draw(measured, FLAGS.picture)


if __name__ == "__main__":
    app.run(main)
