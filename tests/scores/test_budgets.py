"""Who is ranked together: agents after similar numbers of frames."""

from dreamer_tf.scores import budgets


def test_agents_are_grouped_by_their_frames():
    ends = {"A": 190e6, "ours": 400e3, "B": 200e6, "C": 199e6, "short": 12e3, "D": 350e3}
    assert budgets.groups(ends) == [["A", "B", "C"], ["ours", "D"], ["short"]]
    assert budgets.groups(ends, ["ours"])[0] == ["ours", "D"]
    assert budgets.groups(ends, ["short"])[0] == ["A", "B", "C"]  # alone, it has no ranking
    assert budgets.groups({}) == []


def test_every_agent_is_in_one_group():
    """Chains: each is similar to the next one, the ends are not similar."""
    ends = {str(number): 1.3**number for number in range(9)}
    found = budgets.groups(ends)
    assert sorted(agent for group in found for agent in group) == sorted(ends)
    for group in found:
        frames = [ends[agent] for agent in group]
        assert max(frames) <= budgets.SIMILAR * min(frames)


def test_all_pairs_of_a_group_are_similar():
    """Two agents that are near a third one were ranked together, 2.25 times apart."""
    ends = {"a": 100e6, "b": 150e6, "c": 225e6}
    assert budgets.groups(ends) == [["a", "b"], ["c"]]
    assert budgets.groups(ends, first=["c"]) == [["a", "b"], ["c"]]
    assert budgets.groups({"a": 140.0, "b": 100.0, "c": 150.0}) == [["a", "b", "c"]]
