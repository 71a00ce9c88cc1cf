"""Names and numbers as people read them."""

import pytest

from dreamer_tf.scores import curves, names


@pytest.mark.parametrize(
    "key,name",
    [
        ("mspacman", "Ms. Pac-Man"),
        ("qbert", "Q*bert"),
        ("pong", "Pong"),
        ("cartpoleswingupsparse", "Cartpole swing-up sparse"),
        ("humanoidwalk", "Humanoid walk"),
        ("fingerturnhard", "Finger turn hard"),
        ("maze", "Maze"),
        ("", ""),
    ],
)
def test_games_and_tasks_have_their_full_names(key, name):
    assert names.game(key) == name


def test_every_name_belongs_to_a_game():
    known = set(curves.published_games())
    assert set(names.GAMES) <= known
    spelt = {key: curves.game_key(name.replace("'s", "")) for key, name in names.GAMES.items()}
    assert all(key == name for key, name in spelt.items())


@pytest.mark.parametrize(
    "value,text",
    [(-0.001, "0.00"), (-0.5, "−0.50"), (12.34, "12.3"), (11957.2, "11,957"), (-100.4, "−100")],  # noqa: RUF001
)
def test_scores_are_rounded_for_people(value, text):
    assert names.score(value) == text


def test_counts_and_lists_are_grammar():
    assert [names.number_of(n, "run") for n in (1, 2, 1000)] == ["1 run", "2 runs", "1,000 runs"]
    assert [names.listed("AB"), names.listed("A"), names.listed("ABCD", 2)] == [
        "A and B",
        "A",
        "A, B and 2 more",
    ]
    assert [names.frames(n) for n in (199e6, 12_000, 7)] == [
        "199M frames",
        "12k frames",
        "7 frames",
    ]
    assert names.rounded(123456.0) == 123500.0 and names.rounded(0.0) == 0.0


def test_the_origin_of_agents_is_named_where_it_differs():
    both = ["A, ours", "A, published"]
    assert list(names.agents(both).values()) == ["A (ours)", "A (published)"]
    assert list(names.agents(["A, published", "B, published"]).values()) == ["A", "B"]


def test_a_lead_is_the_difference_of_what_is_shown():
    assert names.score(2.6149) == "2.61" and names.score(1.7551) == "1.76"
    assert names.lead(2.6149, 1.7551) == "0.85"
    assert names.lead(11957.3, 7685.7) == "4,271" and names.lead(-3.0, -20.04) == "17.0"
