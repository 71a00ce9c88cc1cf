"""The accelerator table: update and policy step in every precision, with and without XLA.

python benchmarks/gpu_table.py                      # the paper's sizes, B = 16 and 50
python benchmarks/gpu_table.py --devices=1,2,4,8 --batches=48 --xla=false     # several GPUs
python benchmarks/gpu_table.py --size=tiny --batches=2 --length=8 --policy_devices=/CPU:0

The last line tries it out on a CPU. Every row is a process of its own (precision and XLA cannot
be mixed in one), so a row that fails does not end the table. Rows of the largest batch come first,
and after `--seconds` no further row begins. Prints one JSON line a row, then the table in Markdown
and the settings for such a GPU.
"""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

from absl import app, flags
from choice import defaults

FLAGS = flags.FLAGS
flags.DEFINE_enum("size", "paper", ["paper", "small", "tiny"], "Which model.")
flags.DEFINE_list("batches", ["16", "50"], "B, one row each.")
flags.DEFINE_integer("length", 50, "T.")
flags.DEFINE_list("precisions", ["float32", "mixed_float16", "mixed_bfloat16"], "Rows.")
flags.DEFINE_list("xla", ["false", "true"], "Learner.jit_compile, rows.")
flags.DEFINE_list("devices", ["1"], "GPUs that share a batch, rows. XLA is for one of them.")
flags.DEFINE_list("policy_devices", ["/GPU:0", "/CPU:0"], "Learner.policy_device, rows.")
flags.DEFINE_integer("updates", 20, "Updates that are timed.")
flags.DEFINE_integer("seconds", 300, "Of the whole table: a row after them is left out.")

UPDATES_OF_THE_PAPER = 12.5e6  # 200M frames, action repeat 4, one update per 4 agent steps


def run(started: float, script: str, *arguments: str) -> dict:
    """The JSON line of a benchmark, or its last line of error."""
    left = FLAGS.seconds - (time.monotonic() - started)
    if left <= 0:
        return {"error": f"left out after {FLAGS.seconds} s"}
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired:
        return {"error": f"given up after {left:.0f} s"}
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode or not lines:
        return {"error": (result.stderr.strip().splitlines() or ["no output"])[-1][:200]}
    return json.loads(lines[-1])


def main(_) -> None:
    started, rows, policies = time.monotonic(), [], []
    batches = sorted(map(int, FLAGS.batches), reverse=True)

    def time_policies() -> None:
        for precision, device in itertools.product(FLAGS.precisions, FLAGS.policy_devices):
            row = {"precision": precision, "device": device} | run(
                started,
                "policy_step.py",
                f"--size={FLAGS.size}",
                f"--precision={precision}",
                f"--gin_bindings=Learner.policy_device='{device}'",
            )
            policies.append(row)
            print(json.dumps(row), flush=True)

    for batch, precision, xla, devices in itertools.product(
        batches, FLAGS.precisions, FLAGS.xla, map(int, FLAGS.devices)
    ):
        if devices > 1 and xla == "true":
            continue
        if batch != batches[0] and not policies:
            time_policies()  # the settings need them more than smaller batches
        row = {"batch": batch, "precision": precision, "jit_compile": xla == "true"}
        row["devices"] = devices
        row |= run(
            started,
            "train_step.py",
            f"--size={FLAGS.size}",
            f"--batch={batch}",
            f"--length={FLAGS.length}",
            f"--precision={precision}",
            f"--jit_compile={xla}",
            f"--devices={devices}",
            f"--updates={FLAGS.updates}",
        )
        if "seconds" in row:
            row["updates_per_second"] = 1.0 / row["seconds"]
            row["days_for_200m_frames"] = row["seconds"] * UPDATES_OF_THE_PAPER / 86400
        rows.append(row)
        print(json.dumps(row), flush=True)
    if not policies:
        time_policies()
    print("\n| B | precision | XLA | GPUs | updates/s | utilization | days for 200M frames |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        figures = (
            f"{row['updates_per_second']:.2f} | {row['utilization']:.2f} | "
            f"{row['days_for_200m_frames']:.1f}"
            if "seconds" in row
            else f"{row['error']} | |"
        )
        settings = " | ".join(str(row[key]) for key in ("batch", "precision", "jit_compile"))
        print(f"| {settings} | {row['devices']} | {figures} |")
    print("\nFor such a GPU, after `include 'atari.gin'`:\n")
    print("\n".join(defaults(rows, policies)) or "Nothing was measured.")


if __name__ == "__main__":
    app.run(main)
