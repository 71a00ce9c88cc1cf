"""Agent steps that are counted alone or together, and the updates that they make due."""

import pytest

from dreamer_tf.agents.rounds import Rounds


def test_alone_every_step_counts_at_once():
    rounds = Rounds(train_ratio=4, prefill_steps=10, num_environments=1)
    assert rounds.alone and rounds.count() == 1 and rounds.own == 1
    assert rounds.meet(True) == (0, True)


@pytest.mark.parametrize(
    "ratio,prefill,expected", [(4, 10, 3), (4, 8, 4), (1 / 3, 2, 57), (4, 0, 5)]
)
def test_updates_become_due_at_the_same_steps_however_many_are_added(ratio, prefill, expected):
    for size in (1, 2, 3, 5, 20):
        rounds = Rounds(ratio, prefill, 1)
        total = 0
        while total < 20:
            rounds.advance(total, min(total + size, 20))
            total += size
        assert rounds.take_due() == expected and rounds.take_due() == 0


def test_workers_meet_once_an_update():
    for environments, workers, steps in ((1, 2, 4), (2, 2, 2), (1, 3, 2), (8, 2, 1)):
        rounds = Rounds(8, 0, environments)
        rounds.join(lambda steps, ready: (2 * steps, ready), workers)
        for _ in range(2):
            met = [rounds.is_time() for _ in range(steps)]
            assert met == [False] * (steps - 1) + [True]
            rounds.meet(True)


def test_a_meeting_adds_what_was_done_since_the_last_one():
    seen = []

    def exchange(steps, ready):
        seen.append((steps, ready))
        return steps + 5, False

    rounds = Rounds(4, 100, 1)
    rounds.join(exchange, 2)
    assert not rounds.alone and [rounds.count() for _ in range(3)] == [0, 0, 0]
    assert not rounds.may_learn(93) and rounds.may_learn(94)
    assert rounds.meet(True) == (8, False) and rounds.meet(False) == (5, False)
    assert seen == [(3, True), (0, False)] and rounds.own == 3
