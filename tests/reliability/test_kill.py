"""A training process that is killed ends with the same run as one that is not, bit for bit.

The fast test kills it twice inside saving and at one random moment; `make chaos` at 200 random
moments (`KILLS` in the environment: another number) and at every point of every checkpoint.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.storage import faults
from dreamer_tf.storage.checkpoints import CheckpointStore
from tests.helpers import TINY

ITERATIONS = 3
BINDINGS = (
    *TINY,
    f"Runner.num_iterations={ITERATIONS}",
    "Runner.training_steps=60",
    "DreamerRunner.dream_length=16",
    "DreamerRunner.dream_context=2",
)
# What depends on the clock.
TIMES = ("seconds", "Seconds", "PerSecond", "time")


def start(base_dir, fault=None, more=(), gin_file="atari.gin", bindings=BINDINGS, flags=()):
    command = [sys.executable, "-m", "dreamer_tf.train", f"--gin_files={gin_file}", "--seed=3"]
    command += [
        f"--base_dir={base_dir}",
        *(f"--gin_bindings={binding}" for binding in (*bindings, *more)),
        *flags,
    ]
    environment = os.environ | ({faults.VARIABLE: fault} if fault else {})
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_for_the_start(process):
    for line in process.stdout:
        if line.startswith("random start"):
            return
    raise AssertionError(process.stderr.read())


def finish(base_dir):
    """Runs to the end; seconds from the start of the training."""
    process = start(base_dir)
    wait_for_the_start(process)
    started = time.monotonic()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return time.monotonic() - started


def without_times(values):
    return {key: value for key, value in values.items() if not any(t in key for t in TIMES)}


def contents(base_dir):
    """Everything that a run leaves behind, without what depends on the clock."""
    base_dir = Path(base_dir)
    store = CheckpointStore(base_dir / "checkpoints")
    checkpoint = store.load(store.numbers()[-1])
    state = checkpoint.state
    state["agent"].pop("seconds")
    for part in ("log_sizes", "logs"):  # sizes of lines with times, Dopamine's steps per second
        state["runner"].pop(part)
    lines = (base_dir / "metrics/json_lines/metrics.jsonl").read_text().splitlines()
    episodes = (base_dir / "episodes.jsonl").read_text().splitlines()
    return {
        "arrays": checkpoint.arrays,
        "state": state,
        "checkpoints": store.numbers(),
        "replay": {path.name: path.read_bytes() for path in (base_dir / "replay").iterdir()},
        "scores": (base_dir / "scores.json").read_text(),
        "metrics": [without_times(json.loads(line)) for line in lines],
        "episodes": [without_times(json.loads(line)) for line in episodes],
        "dreams": {path.name: path.read_bytes() for path in (base_dir / "dreams").iterdir()},
    }


def assert_same(ours, theirs):
    for name, value in ours["arrays"].items():
        np.testing.assert_array_equal(value, theirs["arrays"][name], err_msg=name)
    for key in ("state", "checkpoints", "scores", "metrics", "episodes", "dreams", "replay"):
        assert ours[key] == theirs[key], key


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Contents of a run that nobody killed, and how long it took."""
    base_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    seconds = finish(base_dir)
    found = contents(base_dir)
    assert len(found["dreams"]) == ITERATIONS and len(found["metrics"]) > 5
    assert len(found["episodes"]) > ITERATIONS
    return found, seconds


def kill_at_points(base_dir, points):
    for point in points:
        process = start(base_dir, fault=point)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, (point, errors)


def kill_at_random(base_dir, seconds, rng):
    """Starts or resumes the run and kills it; False where it ended before."""
    process = start(base_dir)
    try:
        wait_for_the_start(process)
        process.communicate(timeout=rng.uniform(0.0, 0.8 * seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    return False


def test_killed_while_saving_and_at_a_random_moment(undisturbed, tmp_path):
    expected, seconds = undisturbed
    kill_at_points(tmp_path / "run", ["arrays_written", "checkpoint_written:2"])
    rng = random.Random(random.randrange(2**31))
    while not kill_at_random(tmp_path / "run", seconds, rng):
        pass
    finish(tmp_path / "run")
    assert_same(expected, contents(tmp_path / "run"))


@pytest.mark.ci
def test_killed_on_a_node_and_continued_on_another(undisturbed, tmp_path):
    """With `--scratch` the replay of a killed run stays behind on the disk of its node."""
    expected, _ = undisturbed
    run, first, second = (tmp_path / name for name in ("run", "first", "second"))
    process = start(run, fault="checkpoint_written:2", flags=[f"--scratch={first}"])
    _, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, errors
    [left] = first.iterdir()
    assert {path.name for path in left.iterdir()} >= set(expected["replay"])
    process = start(run, flags=[f"--scratch={second}"])
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert_same(expected, contents(run))
    assert list(second.iterdir()) == []


@pytest.mark.chaos
@pytest.mark.timeout(4 * 3600)
def test_killed_at_random_moments(undisturbed, tmp_path):
    """Real kills; a run that has come to its end is compared, and another one begun."""
    expected, seconds = undisturbed
    seed = random.randrange(2**31)
    rng, kills, runs = random.Random(seed), 0, 0
    wanted = int(os.environ.get("KILLS", "200"))
    while kills < wanted:
        base_dir = tmp_path / str(runs)
        while kills < wanted and kill_at_random(base_dir, seconds, rng):
            kills += 1
        finish(base_dir)
        assert_same(expected, contents(base_dir))
        runs += 1
    print(f"{runs} runs survived {kills} kills at random moments, seed {seed}")


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(1, ITERATIONS + 1))
@pytest.mark.parametrize("point", faults.POINTS)
def test_killed_at_a_point_of_every_checkpoint(undisturbed, tmp_path, point, number):
    expected, _ = undisturbed
    kill_at_points(tmp_path / "run", [f"{point}:{number}"])
    finish(tmp_path / "run")
    assert_same(expected, contents(tmp_path / "run"))


DQN = (
    "Runner.num_iterations=3",
    "Runner.training_steps=60",
    "Runner.evaluation_steps=1",
    "Runner.max_steps_per_episode=20",
    "DreamerRunner.progress_bar=False",
    "JaxDQNAgent.min_replay_history=20",
    "JaxDQNAgent.target_update_period=16",
    "ReplayBuffer.max_capacity=80",
)
LOW_DATA = (
    *DQN,
    "ReplayBuffer.batch_size=4",
    "PrioritizedSamplingDistribution.max_capacity=81",
)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("gin_file", "bindings", "fault"),
    [
        ("dqn.gin", DQN, "replay_flushed:2"),
        ("dqn.gin", DQN, "checkpoint_written:1"),
        ("dqn.gin", DQN, "scores_written:3"),
        ("der.gin", LOW_DATA, "replay_flushed:2"),
        ("drq_eps.gin", LOW_DATA, "checkpoint_written:1"),
        ("spr.gin", LOW_DATA, "scores_written:2"),
    ],
)
def test_an_agent_of_dopamine_that_is_killed(tmp_path, gin_file, bindings, fault):
    def outcome(base_dir, fault=None):
        process = start(base_dir, fault, gin_file=gin_file, bindings=bindings)
        process.communicate(timeout=600)
        return process.returncode

    assert outcome(tmp_path / "whole") == 0
    assert outcome(tmp_path / "killed", fault) == -signal.SIGKILL
    assert outcome(tmp_path / "killed") == 0
    found = []
    for base_dir in (tmp_path / "whole", tmp_path / "killed"):
        store = CheckpointStore(base_dir / "checkpoints")
        number, checkpoint = store.load_latest()
        state = {key: checkpoint.state[key] for key in ("replay", "files")}
        found.append((number, state, (base_dir / "scores.json").read_text(), checkpoint.arrays))
    assert found[0][:3] == found[1][:3]
    for name, array in found[0][3].items():
        np.testing.assert_array_equal(array, found[1][3][name], err_msg=name)
