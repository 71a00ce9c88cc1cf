"""Suggestions for misspelt names."""

import pytest

from dreamer_tf.errors import did_you_mean

GAMES = ("Pong", "Pooyan", "Phoenix", "Breakout")


@pytest.mark.parametrize(
    "name,valid,words",
    [
        ("Pnog", GAMES, " Did you mean 'Pong'?"),
        ("breakout", GAMES, " Did you mean 'Breakout'?"),
        ("abc", ["abd", "abe", "abf"], " or "),
        ("zzzzzz", GAMES, ""),
        ("", GAMES, ""),
    ],
)
def test_the_nearest_names_are_suggested(name, valid, words):
    suggestion = did_you_mean(name, valid)
    assert words in suggestion and bool(suggestion) == bool(words)


def test_several_suggestions_read_as_a_list():
    suggestion = did_you_mean("ab", ["abc", "abd", "abe", "abf"])
    assert suggestion.count("'") == 6 and suggestion.count(", ") == 1 and " or " in suggestion
