"""Each mistake of a new user ends in one sentence, before the first step of the environment."""

import re

import pytest

from tests.commands.mistakes import MISTAKES, make, sentence


@pytest.mark.ci
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_one_sentence_before_anything_is_spent(name, tmp_path):
    mistake = MISTAKES[name]
    result = make(mistake, tmp_path)
    said = sentence(result)
    assert result.returncode == 2, said
    assert len(said.splitlines()) == 1 and all(word in said for word in mistake.words), said
    assert "random start" not in result.stdout
    loaded = re.search(r"\| +tensorflow$", result.stderr, re.MULTILINE)
    assert mistake.needs_tensorflow or not loaded, "TensorFlow was loaded for nothing"
