"""Suggestions for misspelt names, and lower bounds."""

import pytest

from dreamer_tf.errors import UserError, check_at_least, did_you_mean

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


def test_a_number_below_its_bound_is_named():
    check_at_least("EpisodeReplay.batch_size", 1, 1)
    with pytest.raises(UserError) as error:
        check_at_least("EpisodeReplay.capacity", 5, 1_000)
    assert error.value.sentence == "EpisodeReplay.capacity is 5, but must be 1,000 or more."
