"""Score files: what is written is read again, and what cannot be drawn is named."""

import json

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.scores import score_files

SCORE = score_files.Score(0, 1.5, "A", "eval", "Pong", 0, 1000, 3, "machado2018", "f")


def test_scores_survive_the_file(tmp_path):
    scores = [SCORE, SCORE._replace(iteration=1, frames=2000, value=-2.0)]
    score_files.write(tmp_path / "scores.json", scores)
    assert score_files.read(tmp_path / "scores.json") == scores
    assert not list(tmp_path.glob("*.partial"))


def test_records_have_the_names_of_dopamine(tmp_path):
    score_files.write(tmp_path / "scores.json", [SCORE])
    [record] = json.loads((tmp_path / "scores.json").read_text())
    assert {"Iteration", "Value", "Agent", "GinHash"} <= set(record)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"Iteration": 1}]', '{"a": 1}'])
def test_another_file_is_no_score_file(tmp_path, text):
    (tmp_path / "scores.json").write_text(text)
    if text != '{"a": 1}':
        with pytest.raises(UserError, match="is not a score file"):
            score_files.read(tmp_path / "scores.json")
    with pytest.raises(UserError, match="is not a score file"):
        score_files.read(tmp_path / "missing.json")


def test_all_missing_fields_are_named_at_once(tmp_path):
    """A file with Dopamine's fields alone is completed in one go."""
    (tmp_path / "scores.json").write_text('[{"Iteration": 0, "Value": 1.0, "Agent": "PPO"}]')
    with pytest.raises(UserError, match="lacks Phase, Game, Seed, Frames, Episodes, Protocol, Gin"):
        score_files.read(tmp_path / "scores.json")


@pytest.mark.parametrize(
    ("values", "frames", "complaint"),
    [((float("nan"), 1.0), (1000, 2000), "is nan"), ((1.0, 2.0), (2000, 2000), "do not ascend")],
)
def test_scores_that_make_no_curve_are_named(tmp_path, values, frames, complaint):
    scores = [
        score_files.Score(i, values[i], "A", "eval", "Pong", 0, frames[i], 3, "machado2018", "f")
        for i in range(2)
    ]
    score_files.write(tmp_path / "scores.json", scores)
    with pytest.raises(UserError, match=complaint):
        score_files.read(tmp_path / "scores.json")


def test_other_numerics_are_another_configuration(tmp_path):
    path = tmp_path / "scores.json"
    score = score_files.Score(0, 1.0, "A", "train", "Pong", 0, 4, 1, "machado2018", "abc", 2)
    score_files.write(path, [score])
    [found] = score_files.read(path)
    assert found.numerics == 2 and found.configuration == "n2-abc"
    records = json.loads(path.read_text())
    del records[0]["Numerics"]  # as a file of an older version
    path.write_text(json.dumps(records))
    [found] = score_files.read(path)
    assert found.numerics == 1 and found.configuration == "abc"


def test_another_number_of_workers_is_another_configuration(tmp_path):
    path = tmp_path / "scores.json"
    score = score_files.Score(0, 1.0, "A", "train", "Pong", 0, 4, 1, "machado2018", "abc")
    score_files.write(path, [score._replace(workers=4, numerics=2)])
    [found] = score_files.read(path)
    assert found.workers == 4 and found.configuration == "n2-w4-abc"
    assert found._replace(numerics=1).configuration == "w4-abc"


def test_control_characters_of_a_stranger_become_escapes(tmp_path):
    """A program that draws pictures ended at a NUL in the name of an agent."""
    path = tmp_path / "scores.json"
    score = SCORE._replace(agent="Dre\0amer\x1b[31m", game="P\u202eong")
    score_files.write(path, [score])
    [found] = score_files.read(path)
    assert found.agent == "Dre\\x00amer\\x1b[31m" and found.game == "P\\u202eong"
