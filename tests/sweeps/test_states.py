"""How far runs are is read from their directories."""

import json
import os
import time
from pathlib import Path

from dreamer_tf.experiment.episodes import Episode, EpisodeLog
from dreamer_tf.storage.lease import Lease
from dreamer_tf.sweeps import home, states
from dreamer_tf.sweeps.home import Outcome
from dreamer_tf.sweeps.states import Watcher
from tests.sweeps.conftest import leave


def look(sweep):
    return Watcher(sweep.home).look(sweep.runs)


def end(sweep, run, code, sentence="it burns"):
    os.makedirs(os.path.dirname(sweep.home.log(run)), exist_ok=True)
    home.write_outcome(sweep.home.log(run), Outcome(code, sentence))


def test_each_state_is_told_from_the_others(sweep):
    done, saved, failed, missing = sweep.runs
    leave(Path(done.base_dir), 2)
    leave(Path(saved.base_dir), 1, value=7.0)
    end(sweep, saved, 75)
    end(sweep, failed, 2)
    found = look(sweep)
    assert [state.kind for state in found] == ["done", "saved", "failed", "missing"]
    assert [state.steps for state in found] == [20_000, 10_000, 0, 0]
    assert found[1].last_return == 7.0 and found[2].sentence == "it burns"
    assert missing.base_dir == "runs/atari_small/Alien/1"


def test_a_run_that_failed_after_its_checkpoint_has_failed(sweep):
    leave(Path(sweep.runs[0].base_dir), 1)
    end(sweep, sweep.runs[0], -9)
    assert look(sweep)[0].kind == "failed"


def test_a_failure_before_the_end_says_nothing_about_a_finished_run(sweep):
    """Somebody has finished it by hand, or another sweep has."""
    run = sweep.runs[0]
    os.makedirs(os.path.dirname(sweep.home.log(run)), exist_ok=True)
    home.write_outcome(sweep.home.log(run), Outcome(1, "it burns", ended=time.time() - 60))
    leave(Path(run.base_dir), 1)
    assert look(sweep)[0].kind == "failed"
    leave(Path(run.base_dir), 2)
    assert look(sweep)[0].kind == "done"
    # It was complete, and had learned nothing.
    home.write_outcome(sweep.home.log(run), Outcome(2, "no update", ended=time.time() + 60))
    assert look(sweep)[0].kind == "failed"


def test_scores_after_the_last_checkpoint_do_not_count(sweep):
    """A process that is killed between the scores and the checkpoint runs the iteration again."""
    base_dir = Path(sweep.runs[0].base_dir)
    leave(base_dir, 1)
    records = json.loads((base_dir / "scores.json").read_text())
    records.append(records[0] | {"Iteration": 1})
    (base_dir / "scores.json").write_text(json.dumps(records))
    assert look(sweep)[0].kind == "saved"


def test_a_damaged_checkpoint_leaves_the_one_before(sweep):
    base_dir = Path(sweep.runs[0].base_dir)
    leave(base_dir, 1)
    leave(base_dir, 2)
    (base_dir / "checkpoints/ckpt-000002/state.json").write_text("{")
    assert look(sweep)[0].steps == 10_000


def test_a_longer_plan_is_not_done(sweep):
    leave(Path(sweep.runs[0].base_dir), 2)
    longer = sweep.runs[0]._replace(iterations=3)
    assert Watcher(sweep.home).look([longer])[0].kind == "saved"


def test_a_run_with_a_lease_runs_and_its_episodes_say_how_far(sweep):
    base_dir = Path(sweep.runs[0].base_dir)
    leave(base_dir, 1)
    log = EpisodeLog(base_dir)
    for step, value, seconds in ((11_000, 4.0, 100.0), (12_000, 5.0, 150.0)):
        log.write(Episode("train", step, 4 * step, 3, value, 100, seconds))
    with open(base_dir / "episodes.jsonl", "a") as file:
        file.write('{"half of a line')
    owner = Lease(base_dir)
    [state, *_] = look(sweep)
    (base_dir / "episodes.jsonl").unlink()
    [silent, *_] = look(sweep)
    owner.close()
    assert (state.kind, state.steps, state.last_return) == ("running", 12_000, 5.0)
    assert state.rate == 80.0  # four frames a step
    assert state.hours_left == (20_000 - 12_000) / 20 / 3600
    assert (silent.kind, silent.steps, silent.rate) == ("running", 10_000, None)
    assert look(sweep)[0].kind == "saved"


def test_only_what_is_new_is_read(sweep, monkeypatch):
    base_dir = Path(sweep.runs[0].base_dir)
    leave(base_dir, 1)
    watcher = Watcher(sweep.home)
    reads = []
    real = states.read_bytes
    monkeypatch.setattr(
        states, "read_bytes", lambda *args, **more: reads.append(args) or real(*args, **more)
    )
    for _ in range(3):
        watcher.look(sweep.runs)
    assert len(reads) == 1
    leave(base_dir, 2)
    assert watcher.look(sweep.runs)[0].kind == "done" and len(reads) == 2
