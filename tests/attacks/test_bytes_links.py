"""Links, pipes and missing files in a run: nothing outside changes, nothing starts over."""

import json
import os
import shutil

import gin
import pytest

from dreamer_tf.agents import registry as agents
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from tests.helpers import ScriptedAgent, ScriptedEnvironment, bind

SECRET = "root:x:0:0\n"


@pytest.fixture
def scripted(monkeypatch):
    """Runs a scripted agent with every writer; phases of 12 and 5 steps."""
    monkeypatch.setitem(agents.AGENTS, "scripted", ScriptedAgent)
    configure()


def configure(iterations=1):
    gin.clear_config()
    bind(
        "dreamer_tf.create_agent.agent_name='scripted'",
        f"Runner.num_iterations={iterations}",
        "Runner.training_steps=12",
        "Runner.evaluation_steps=5",
        "Runner.max_steps_per_episode=100",
        "Runner.clip_rewards=False",
        "DreamerRunner.progress_bar=False",
        "CollectorDispatcher.collectors=('json_lines', 'tensorboard', 'console', 'media')",
        f"{launch.FACTORY} = None",
    )


def train(base_dir, seed=0):
    runner = launch.make_runner(str(base_dir), seed, ScriptedEnvironment)
    try:
        runner.run_experiment()
        return runner.agent.agent_steps
    finally:
        runner.close()


def everything(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


@pytest.mark.parametrize(
    "name",
    [
        *("lock", "run.json", "config.gin", "operative_config.gin", "scores.json"),
        *("metrics/json_lines/metrics.jsonl", "metrics/console/console.log", "logs/log_0"),
        *("checkpoints/run.json", "metrics/run.json", "replay/head.bin", "dreams/iteration-0.gif"),
        *("metrics/tensorboard/events.out.tfevents.1", "episodes.jsonl"),
    ],
)
def test_a_file_that_is_a_link_is_refused_and_its_target_stays(scripted, tmp_path, name):
    (tmp_path / "secret").write_text(SECRET)
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=f"{name}: is a link.* --base_dir|{name}: is a link"):
        train(tmp_path / "run")
    assert (tmp_path / "secret").read_text() == SECRET


@pytest.mark.parametrize("name", ["scores.json", "config.gin", "operative_config.gin", "run.json"])
def test_a_partial_file_that_is_a_link_is_replaced_and_its_target_stays(scripted, tmp_path, name):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "run").mkdir()
    (tmp_path / f"run/{name}.partial").symlink_to(tmp_path / "secret")
    assert train(tmp_path / "run") > 0
    assert (tmp_path / "secret").read_text() == SECRET


@pytest.mark.parametrize(
    "name",
    [
        *("metrics", "metrics/json_lines", "metrics/tensorboard", "checkpoints", "logs", "dreams"),
        *("replay", "diagnosis", "checkpoints/ckpt-000001", "checkpoints/.ckpt-000001.partial"),
    ],
)
def test_a_directory_that_is_a_link_is_refused_and_its_target_stays(scripted, tmp_path, name):
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "metrics.jsonl").write_text(SECRET)
    before = everything(target)
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    with pytest.raises(UserError, match=f"{name}: is a link"):
        train(tmp_path / "run")
    assert everything(target) == before


@pytest.mark.parametrize("name", ["lock", "run.json", "scores.json", "metrics/console/console.log"])
def test_a_pipe_or_a_device_does_not_block(scripted, tmp_path, name):
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(UserError, match=f"{name}: is a pipe or a device"):
        train(tmp_path / "run")


def test_links_that_belong_to_the_user_stay(scripted, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/notes").symlink_to("/etc/hostname")
    assert train(tmp_path / "run") > 0


def test_the_base_directory_may_be_a_link(scripted, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    steps = train(tmp_path / "run")
    configure(iterations=2)
    assert train(tmp_path / "run") > steps
    assert (tmp_path / "real/scores.json").exists()


@pytest.fixture
def trained(scripted, tmp_path):
    """The directory of a run with one checkpoint, and its agent steps."""
    steps = train(tmp_path / "run", seed=3)
    configure(iterations=2)
    return tmp_path / "run", steps


def test_another_seed_is_refused_without_its_record(trained):
    base_dir, _ = trained
    (base_dir / "run.json").unlink()
    with pytest.raises(UserError, match="belongs to a run with --seed=3, not 4"):
        train(base_dir, seed=4)


def test_without_its_record_the_same_run_goes_on(trained):
    base_dir, steps = trained
    (base_dir / "run.json").unlink()
    assert train(base_dir, seed=3) > steps
    assert json.loads((base_dir / "run.json").read_text())["seed"] == 3


@pytest.mark.parametrize(
    "removed",
    [
        ["checkpoints"],
        ["checkpoints", "run.json"],
        ["checkpoints", "metrics"],
        ["checkpoints/ckpt-000001"],
        ["checkpoints/ckpt-000001", "run.json"],
    ],
)
def test_without_its_checkpoints_a_run_does_not_start_at_zero(trained, removed):
    base_dir, _ = trained
    for name in removed:
        path = base_dir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = (base_dir / "scores.json").read_text()
    for _ in range(2):  # the refusal itself must not make it acceptable
        with pytest.raises(UserError, match="its checkpoints are gone"):
            train(base_dir, seed=3)
    assert (base_dir / "scores.json").read_text() == before


def test_a_run_of_an_earlier_version_without_its_record_is_refused(trained):
    base_dir, _ = trained
    for name in ("run.json", "checkpoints/run.json", "metrics/run.json"):
        (base_dir / name).unlink()
    with pytest.raises(UserError, match=r"has checkpoints, but no run\.json"):
        train(base_dir, seed=3)


def test_a_changed_seed_in_the_record_is_noticed(trained):
    base_dir, _ = trained
    path = base_dir / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": 4}))
    with pytest.raises(UserError, match="contradict each other on 'seed'"):
        train(base_dir, seed=4)


def test_two_processes_are_refused_without_the_lock_file(scripted, tmp_path):
    runner = launch.make_runner(str(tmp_path), 0, ScriptedEnvironment)
    (tmp_path / "lock").unlink()
    with pytest.raises(UserError, match="in use by another process"):
        launch.make_runner(str(tmp_path), 0, ScriptedEnvironment)
    runner.close()


@pytest.mark.parametrize("text", ["[" * 100_000, "7", "", "\0", '{"seed": ' + "9" * 5000 + "}"])
def test_a_record_that_is_none_is_a_sentence(trained, text):
    base_dir, _ = trained
    (base_dir / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        train(base_dir, seed=3)


@pytest.mark.parametrize("kind", ["pipe", "zero", "link"])
def test_a_recorded_configuration_is_a_regular_file(tmp_path, kind):
    path = tmp_path / "config.gin"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        (tmp_path / "secret").write_text("Runner.num_iterations = 7")
        path.symlink_to("/dev/zero" if kind == "zero" else tmp_path / "secret")
    with pytest.raises(UserError, match="must be a regular file"):
        gin_files.parse_recorded(tmp_path)
