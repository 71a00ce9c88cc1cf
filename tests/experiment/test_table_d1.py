"""Table D1 filled from a configuration."""

import pytest

from dreamer_tf.experiment import gin_files, launch, table_d1  # noqa: F401 - registers all


def starred(*bindings):
    gin_files.parse(["atari.gin"], bindings)
    rows = table_d1.lines()[1:]
    assert len(rows) == 24
    return [row for row in rows if row.startswith("*")]


def test_atari_gin_is_the_table():
    assert starred() == []


def test_the_names_are_those_of_the_paper():
    gin_files.parse(["atari.gin"])
    text = "\n".join(table_d1.lines())
    for words in ("Discrete latent classes", "KL balancing", "2,000,000", "0.0002", "1e-06"):
        assert words in text


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("WorldModel.kl_scale=1.0", ("KL loss scale", "1 ", "0.1")),
        ("reward/MLP.units=300", ("400, reward 300",)),
        ("ActorCritic.entropy_scale=@dreamer_tf.linear_schedule()", ("linear_schedule",)),
    ],
)
def test_what_differs_is_starred(binding, words):
    [row] = starred(binding)
    assert all(word in row for word in words)
