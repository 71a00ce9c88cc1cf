"""All that runs have logged, as one table; nothing else than logs is read."""

import json
import os

import pytest

import dreamer_tf
from dreamer_tf.errors import UserError
from dreamer_tf.scores import run_metrics
from tests.scores.runs import write_run

TIME = "2026-01-31T12:00:00.000+00:00"
EPISODE = {"phase": "train", "step": 10, "frames": 40, "updates": 1, "return": 1.5, "length": 7}
EPISODE |= {"seconds": 2.5, "time": TIME}


def write(directory, lines, episodes=(), **facts):
    logs = directory / "metrics/json_lines"
    logs.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps({"seed": 3, "gin_hash": "0"} | facts))
    (logs / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if episodes:
        text = "".join(json.dumps(line) + "\n" for line in episodes)
        (directory / "episodes.jsonl").write_text(text)


def test_metrics_and_episodes_are_one_tidy_table(tmp_path):
    new = {"game": "Pong", "frames_per_step": 4}
    lines = [{"step": 10, "time": TIME, "Agent/kl": 0.5, "Agent/loss": float("nan")}]
    write(tmp_path / "atari+kl_scale=1.0/Pong/3", lines, [EPISODE], **new)
    write(tmp_path / "b/Pong/3", lines, label="mine", **new)
    table = dreamer_tf.load_metrics(str(tmp_path / "*/*/*"))
    assert list(table.columns[:7]) == [
        *("config", "game", "seed", "steps", "frames", "metric", "value"),
    ]
    assert set(table.config) == {"atari+kl_scale=1.0", "mine"}
    assert (table.game == "Pong").all() and (table.seed == 3).all()
    assert (table.steps == 10).all() and (table.frames == 40).all()
    values = table[table.config != "mine"].set_index("metric").value
    assert values["Agent/kl"] == 0.5 and values["Train/EpisodeReturn"] == 1.5
    assert values["Train/EpisodeLength"] == 7.0 and values.isna()["Agent/loss"]
    assert table.time.dt.hour.unique().tolist() == [12]
    assert len(table) == 6


def test_lines_of_older_runs_count_iterations(tmp_path):
    lines = [{"step": 10, "Agent/kl": 0.5}, {"step": 1, "Eval/AverageReturns": 2.0}]
    write(tmp_path / "a/Pong/3", lines)
    write_run(tmp_path / "scores")
    os.rename(tmp_path / "scores/scores.json", tmp_path / "a/Pong/3/scores.json")
    table = run_metrics.load_metrics([tmp_path / "a/Pong/3"]).set_index("metric")
    assert table.steps["Agent/kl"] == 10 and table.frames.isna()["Agent/kl"]
    assert table.steps.isna()["Eval/AverageReturns"]
    assert table.frames["Eval/AverageReturns"] == 2000
    assert table.game.unique().tolist() == ["Pong"]


def test_half_of_a_last_line_is_left_out(tmp_path):
    write(tmp_path / "run", [{"step": 10, "time": TIME, "Agent/kl": 0.5}])
    with open(tmp_path / "run" / run_metrics.METRICS, "a") as file:
        file.write('{"step": 20, "Ag')
    assert len(run_metrics.load_metrics(tmp_path / "run")) == 1


def test_a_run_that_has_logged_nothing_has_no_rows(tmp_path):
    write(tmp_path / "run", [])
    assert run_metrics.load_metrics(tmp_path / "run").empty


def test_runs_at_other_depths_are_found_once(tmp_path):
    """'*/*/*' found the checkpoints and logs of a run two levels deep, and no metrics."""
    line = {"step": 10, "time": TIME, "Agent/kl": 0.5}
    for place in ("a/Pong/3", "b/3", "c/3"):
        write(tmp_path / place, [line], game="Pong", frames_per_step=4)
        for copy in ("checkpoints", "metrics"):
            (tmp_path / place / copy).mkdir(exist_ok=True)
            copied = (tmp_path / place / "run.json").read_text()
            (tmp_path / place / copy / "run.json").write_text(copied)
    table = run_metrics.load_metrics(str(tmp_path / "*/*/*"))
    assert sorted(table.config) == ["a", "b", "c"]
    assert sorted(table.run) == sorted(str(tmp_path / p) for p in ("a/Pong/3", "b/3", "c/3"))


def test_no_run_is_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there is no run in such a place"):
        run_metrics.load_metrics(str(tmp_path / "*"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", "{"),
        ("run.json", '{"seed": "x"}'),
        ("run.json", '{"seed": -1}'),
        (run_metrics.METRICS, "no json\n"),
        (run_metrics.METRICS, "[1]\n"),
        (run_metrics.METRICS, '{"Agent/kl": 1}\n'),
        (run_metrics.METRICS, '{"step": 1, "Agent/kl": "x"}\n'),
        (run_metrics.METRICS, '{"step": 1, "Agent/kl": {"a": 1}}\n'),
        (run_metrics.METRICS, '{"step": 1, "Agent/kl": true}\n'),
        (run_metrics.METRICS, f'{{"step": 1, "Agent/kl": {10**400}}}\n'),
        (run_metrics.METRICS, f'{{"step": {2**70}, "Agent/kl": 1}}\n'),
        (run_metrics.METRICS, '{"step": 1, "time": 3, "Agent/kl": 1}\n'),
        (run_metrics.METRICS, "[" * 100_000 + "\n"),
        (run_metrics.METRICS, b"\xff\xfe\n"),
        (run_metrics.EPISODES, '{"phase": "train"}\n'),
        (run_metrics.EPISODES, json.dumps(EPISODE | {"return": None}) + "\n"),
    ],
)
def test_a_foreign_file_is_one_sentence(tmp_path, name, text):
    write(tmp_path / "run", [])
    (tmp_path / "run" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=f"{name} is not what a run writes") as raised:
        run_metrics.load_metrics(tmp_path / "run")
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600


@pytest.mark.parametrize("name", ["run.json", run_metrics.METRICS, run_metrics.EPISODES])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_regular_files_are_read(tmp_path, name, kind):
    write(tmp_path / "run", [], [EPISODE])
    path = tmp_path / "run" / name
    os.rename(path, tmp_path / "elsewhere")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(UserError, match=f"{name} is not what a run writes"):
        run_metrics.load_metrics(tmp_path / "run")


def test_a_log_larger_than_any_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "run", [{"step": 10, "time": TIME, "Agent/kl": 0.5}])
    monkeypatch.setattr(run_metrics, "_BYTES", 10)
    with pytest.raises(UserError, match="more than 10 bytes"):
        run_metrics.load_metrics(tmp_path / "run")


def test_a_run_that_several_patterns_find_is_there_once(tmp_path, monkeypatch):
    """Its values counted twice, and nobody noticed."""
    write(tmp_path / "runs/a/Pong/0", [{"step": 3, "Agent/loss": 1.0}])
    monkeypatch.chdir(tmp_path)
    once = run_metrics.load_metrics("runs/*/*/*")
    for patterns in (["runs/*/*/*", "runs/a/*/*"], ["runs/a/Pong/0", tmp_path / "runs/*/*/*"]):
        assert len(run_metrics.load_metrics(patterns)) == len(once) > 0
    with pytest.raises(UserError, match="name base directories"):
        run_metrics.load_metrics([])
