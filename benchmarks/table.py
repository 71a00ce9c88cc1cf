"""Runs the benchmarks one after the other and prints what they measured next to the targets.

python benchmarks/table.py
"""

import json
import subprocess
import sys
from pathlib import Path

# Target (two CPU cores, float32), key of the JSON line, and the command that measures it.
TARGETS = (
    ("update, B=16: utilization at least 0.80", "utilization", "train_step.py --batch=16"),
    ("update, B=50: utilization at least 0.80", "utilization", "train_step.py --batch=50"),
    ("update, B=50: peak memory under 8 GiB", "peak_memory_gib", "train_step.py --batch=50"),
    (
        "process start to first update: under 20 s",
        "seconds_to_first_update",
        "train_step.py --batch=16",
    ),
    ("traces of the update: 1", "traces", "train_step.py --batch=16"),
    ("policy step: under 2.5 ms", "milliseconds", "policy_step.py"),
    ("replay batch: at least half of copy speed", "share_of_copy_speed", "replay.py"),
    ("environment: at least 0.85 of bare ALE", "share", "environment.py"),
    ("loop: less than 0.03 in none of the parts", "share_other", "end_to_end.py"),
)


def main() -> None:
    """Prints a Markdown table; a benchmark that several rows need runs once."""
    measured: dict[str, dict] = {}
    print("| target | measured | command |\n|---|---|---|")
    for target, key, command in TARGETS:
        if command not in measured:
            script, *arguments = command.split()
            path = str(Path(__file__).with_name(script))
            result = subprocess.run(
                [sys.executable, path, *arguments], capture_output=True, text=True
            )
            lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
            measured[command] = json.loads(lines[-1]) if lines else {}
            print(lines[-1] if lines else result.stderr, file=sys.stderr)
        value = measured[command].get(key, "failed")
        print(f"| {target} | {value} | `python benchmarks/{command}` |", flush=True)


if __name__ == "__main__":
    main()
