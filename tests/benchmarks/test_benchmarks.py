"""Every benchmark runs at a tiny size and prints one JSON line; FLOPs are counted right."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dreamer_tf.environments.crafter import ACHIEVEMENTS
from tests.scores.test_run_metrics import EPISODE, write

DIRECTORY = Path(__file__).resolve().parents[2] / "benchmarks"


def run(directory, script, *arguments):
    result = subprocess.run(
        [sys.executable, str(DIRECTORY / script), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def json_line(output):
    [line] = [line for line in output.splitlines() if line.startswith("{")]
    return json.loads(line)


@pytest.mark.ci
def test_sweep_plan(tmp_path):
    values = json_line(run(tmp_path, "sweep_plan.py"))
    assert values["runs"] == 275 and values["complete"] == 138
    assert values["dry_run_seconds"] > 0 and values["status_seconds"] > 0


@pytest.mark.ci
def test_sweep_overhead(tmp_path):
    values = json_line(run(tmp_path, "sweep_overhead.py", "--runs=2", "--steps=600", "--turns=1"))
    assert len(values["sweep_seconds"]) == len(values["hand_seconds"]) == 1
    assert values["overhead"] > -1


@pytest.mark.ci
def test_distribute(tmp_path):
    arguments = ["--size=tiny", "--batch=4", "--length=6", "--updates=3"]
    values = json_line(run(tmp_path, "distribute.py", *arguments))
    assert values["workers"] == 2 and values["overhead"] > -1
    assert values["seconds_together"] > 0 and values["seconds_apart"] > 0


def test_crafter_score(tmp_path):
    names = {name: float(name == "wake_up") for name in ACHIEVEMENTS}
    write(tmp_path / "runs/3", [], [EPISODE | {"info": names}], game="Crafter", label="mine")
    output = run(tmp_path, "crafter_score.py", "--runs=runs/*", "--evidence=kept")
    one, all_runs = (json.loads(line) for line in output.splitlines())
    assert one["rates"]["wake_up"] == 100.0 and one["score"] == 0.2334
    assert (all_runs["config"], all_runs["seeds"], all_runs["mean"]) == ("mine", 1, 0.2334)
    assert json.loads((tmp_path / "kept/3/achievements.json").read_text())["episodes"] == 1


def test_train_step(tmp_path):
    output = run(tmp_path, "train_step.py", "--size=tiny", "--batch=2", "--length=6", "--updates=2")
    values = json_line(output)
    assert values["traces"] == 1 and values["gflop"] > 0
    for key in ("seconds", "cpu_seconds", "seconds_to_first_update", "utilization"):
        assert values[key] > 0


def test_profile_of_an_update(tmp_path):
    arguments = ["--size=tiny", "--batch=2", "--length=6", "--updates=2", "--warm_up=1"]
    output = run(tmp_path, "profile_update.py", *arguments)
    values = json_line(output)
    assert "| _MklMatMul |" in output or "| MatMul |" in output
    assert 0 < values["TensorFlow's executor"] < values["milliseconds"]


def test_times_in_a_profile_leave_out_what_is_inside():
    code = (
        "from profile_update import own_times; "
        "events = [(0, 10, 'outer'), (2, 3, 'inner'), (3, 1, 'core'), (12, 4, 'next')]; "
        "print(sorted(own_times(events)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=DIRECTORY, capture_output=True, text=True, timeout=60
    )
    expected = [("core", 1), ("inner", 2), ("next", 4), ("outer", 7)]
    assert result.stdout.strip() == str(expected), result.stderr


def test_startup(tmp_path):
    values = json_line(run(tmp_path, "startup.py", "--times=1"))
    assert values["import_seconds"] < values["error_seconds"]


def test_compare_page(tmp_path):
    values = json_line(run(tmp_path, "compare_page.py", "--times=1", "--games=Pong,Breakout"))
    assert values["cold_seconds"] > 0 and values["cached_seconds"] > 0


def test_policy_step(tmp_path):
    values = json_line(run(tmp_path, "policy_step.py", "--size=tiny", "--steps=20"))
    assert values["milliseconds"] > 0


def test_replay(tmp_path):
    arguments = ["--capacity=2000", "--batch=4", "--length=10", "--batches=5", "--episode=100"]
    values = json_line(run(tmp_path, "replay.py", *arguments))
    assert values["disk_gb_at_2e6_steps"] == pytest.approx(8.2, rel=0.1)
    assert values["share_of_copy_speed"] > 0


def test_environment(tmp_path):
    values = json_line(run(tmp_path, "environment.py", "--steps=50", "--rounds=1"))
    assert values["share"] > 0


def test_end_to_end(tmp_path):
    arguments = ["--size=tiny", "--steps=30", "--prefill=30"]
    short = ("Runner.max_steps_per_episode=60", "EpisodeReplay.batch_size=4")
    arguments += [f"--gin_bindings={binding}" for binding in short]
    values = json_line(run(tmp_path, "end_to_end.py", *arguments))
    assert values.pop("share_of_updates") > 0
    shares = [value for key, value in values.items() if key.startswith("share_")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-2)
    assert values["share_waiting"] > 0 and values["share_environment"] > 0


def test_gpu_table(tmp_path):
    output = run(
        tmp_path,
        "gpu_table.py",
        "--size=tiny",
        "--batches=2",
        "--length=6",
        "--precisions=float32",
        "--xla=false",
        "--updates=1",
        "--devices=1,2",
        "--policy_devices=/CPU:0",
    )
    assert (
        "| 2 | float32 | False | 1 |" in output
        and "| 2 | float32 | False | 2 |" in output
        and "error" not in output
        and '"device": "/CPU:0"' in output
        and "Learner.precision = 'float32'" in output
        and "Learner.policy_device = '/CPU:0'" in output
    )


def test_scaling(tmp_path):
    arguments = ["--axes=B,environments,replay", "--batches=2,4", "--environments=1,2"]
    arguments += ["--capacities=1000,2000", "--updates=1", "--picture=picture.png"]
    lines = [json.loads(line) for line in run(tmp_path, "scaling.py", *arguments).splitlines()]
    fits = {line["axis"]: line for line in lines if "benchmark" in line}
    assert set(fits) == {"B", "environments", "replay"}
    assert fits["B"]["exponent_of_arithmetic"] == pytest.approx(1.0)
    assert 0.3 < fits["B"]["exponent_of_memory"] < 1.0  # weights do not grow with B
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_memory(tmp_path):
    values = json_line(run(tmp_path, "memory.py", "--batch=2", "--length=6"))
    parts = ("weights_and_moments", "gradients", "activations", "batch")
    assert all(values[f"{part}_gib"] > 0 for part in parts)
    assert values["peak_over_sum"] > 1


def test_flops_of_the_papers_sizes():
    """791e9 at B = 16 and T = 50, the number of the design."""
    code = (
        "import learners; learner = learners.make_learner('paper', []); "
        "print(learners.count_flops(learner, 16, 50) / 1e9)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=DIRECTORY, capture_output=True, text=True, timeout=200
    )
    assert float(result.stdout) == pytest.approx(791.25, abs=0.01), result.stderr
