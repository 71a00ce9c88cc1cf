"""A directory says in several places whose run it holds."""

import json

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage import identity

FACTS = {"seed": 3, "gin_hash": "ff", "bindings": {"A.b": "1"}}
COPIES = ["checkpoints/run.json", "metrics/run.json"]


def read(base_dir, name="run.json"):
    return json.loads((base_dir / name).read_text())


def test_a_claim_is_in_every_place(tmp_path):
    assert not identity.has_progress(tmp_path)
    identity.claim(tmp_path, FACTS)
    for name in ("run.json", *COPIES):
        assert read(tmp_path, name) == FACTS | {"progress": False}
    assert not identity.has_progress(tmp_path)


def test_progress_stays_recorded(tmp_path):
    identity.claim(tmp_path, FACTS)
    identity.mark_progress(tmp_path)
    assert identity.has_progress(tmp_path)
    identity.claim(tmp_path, FACTS | {"bindings": {}})
    assert read(tmp_path) == {"seed": 3, "gin_hash": "ff", "bindings": {}, "progress": True}
    for name in ("run.json", "checkpoints/run.json"):
        (tmp_path / name).unlink()
        assert identity.has_progress(tmp_path)


def test_progress_without_a_claim_is_recorded_nowhere(tmp_path):
    identity.mark_progress(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_stored_checkpoint_is_progress(tmp_path):
    """Runs of earlier versions have nothing else that says so."""
    (tmp_path / "checkpoints/ckpt-000001").mkdir(parents=True)
    assert identity.has_progress(tmp_path)
    identity.check_progress(tmp_path)
    with pytest.raises(UserError, match=r"has checkpoints, but no run\.json"):
        identity.restore(tmp_path)


@pytest.mark.parametrize("copy", COPIES)
def test_a_missing_record_is_written_again_from_a_copy(tmp_path, copy):
    identity.claim(tmp_path, FACTS)
    for name in {"run.json", *COPIES} - {copy}:
        (tmp_path / name).unlink()
    identity.restore(tmp_path)
    assert read(tmp_path) == FACTS | {"progress": False}


@pytest.mark.parametrize("place", ["run.json", *COPIES])
@pytest.mark.parametrize("change", [{"seed": 4}, {"gin_hash": "aa"}])
def test_places_that_contradict_are_refused(tmp_path, place, change):
    identity.claim(tmp_path, FACTS)
    identity.mark_progress(tmp_path)
    identity.restore(tmp_path)
    (tmp_path / place).write_text(json.dumps(read(tmp_path, place) | change))
    with pytest.raises(UserError, match=r"contradict each other on '(seed|gin_hash)'"):
        identity.restore(tmp_path)


def test_without_progress_nothing_contradicts(tmp_path):
    """A process may have died between two places while it claimed the directory."""
    identity.claim(tmp_path, FACTS)
    (tmp_path / "run.json").write_text(json.dumps(FACTS | {"gin_hash": "aa"}))
    identity.restore(tmp_path)


@pytest.mark.parametrize("text", ["", "7", "[" * 100_000, '{"progress": ', "\0"])
def test_a_damaged_copy_says_nothing(tmp_path, text):
    identity.claim(tmp_path, FACTS)
    identity.mark_progress(tmp_path)
    (tmp_path / COPIES[0]).write_text(text)
    identity.restore(tmp_path)
    assert identity.has_progress(tmp_path)


def test_a_run_whose_checkpoints_are_gone_is_not_started_over(tmp_path):
    identity.claim(tmp_path, FACTS)
    identity.check_progress(tmp_path)
    identity.mark_progress(tmp_path)
    with pytest.raises(UserError, match="its checkpoints are gone"):
        identity.check_progress(tmp_path)


@pytest.mark.parametrize("name", ["config.gin", "scores.json", "replay", "workers"])
def test_files_that_no_run_has_left_are_not_replaced(tmp_path, name):
    if name in ("replay", "workers"):
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"{name} is there, but no run has left it"):
        identity.refuse_foreign(tmp_path)
    (tmp_path / "lock").touch()  # a run has been here, but failed before it could claim anything
    identity.refuse_foreign(tmp_path)


def test_a_folder_with_other_files_can_hold_a_run(tmp_path):
    (tmp_path / "notes.txt").touch()
    identity.refuse_foreign(tmp_path)


def test_what_a_run_consists_of_leads_to_it(tmp_path):
    run = tmp_path / "mine/0"
    for place in ("", "checkpoints", "metrics/json_lines"):
        (run / place).mkdir(parents=True, exist_ok=True)
    for place in ("run.json", "checkpoints/run.json", "metrics/run.json"):
        (run / place).write_text("{}")
    for inner in ("", "checkpoints", "checkpoints/run.json", "metrics/json_lines", "config.gin"):
        assert identity.run_around(run / inner) == run
    assert identity.run_around(tmp_path / "mine") is None
