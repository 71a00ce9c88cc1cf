"""Runs the benchmarks one after the other and prints what they measured next to the targets.

python benchmarks/table.py
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path

SMALL = "train_step.py --size=small --batch=8 --length=32 --updates=60 --cores=1"
ROAD_RUNNER = "end_to_end.py \"--gin_bindings=AtariEnvironment.game_name='RoadRunner'\""

# Target (two CPU cores, float32), key of the JSON line, and the command that measures it.
TARGETS = (
    ("update, `atari_small.gin`, one core: utilization at least 0.55", "utilization", SMALL),
    ("its first update, from the process start: under 12 s", "seconds_to_first_update", SMALL),
    ("update, B=16: utilization at least 0.80", "utilization", "train_step.py --batch=16"),
    ("update, B=50: utilization at least 0.85", "utilization", "train_step.py --batch=50"),
    ("update, B=50: peak memory under 8 GiB", "peak_memory_gib", "train_step.py --batch=50"),
    (
        "process start to first update, B=16: under 20 s",
        "seconds_to_first_update",
        "train_step.py --batch=16",
    ),
    ("traces of the update: 1", "traces", "train_step.py --batch=16"),
    ("policy step, `atari_small.gin`: under 0.8 ms", "milliseconds", "policy_step.py --size=small"),
    ("policy step: under 2.0 ms", "milliseconds", "policy_step.py"),
    (
        "run of `atari_small.gin` on Road Runner: at least 100 agent steps/s",
        "agent_steps_per_second",
        ROAD_RUNNER,
    ),
    ("share of the loop outside of all measured parts: under 0.03", "share_other", ROAD_RUNNER),
    ("`import dreamer_tf`: under 0.1 s", "import_seconds", "startup.py"),
    ("`train --help`: under 0.5 s", "help_seconds", "startup.py"),
    ("an error that needs no TensorFlow: under 2 s", "error_seconds", "startup.py"),
    ("page of 55 games x 6 agents, cold: under 10 s", "cold_seconds", "compare_page.py"),
    ("the same with cached intervals", "cached_seconds", "compare_page.py"),
    ("replay batch: at least half of copy speed", "share_of_copy_speed", "replay.py"),
    ("environment: at least 0.85 of bare ALE", "share", "environment.py"),
)


def main() -> None:
    """Prints a Markdown table; a benchmark that several rows need runs once."""
    measured: dict[str, dict] = {}
    print("| target | measured | command |\n|---|---|---|")
    for target, key, command in TARGETS:
        if command not in measured:
            script, *arguments = shlex.split(command)
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
