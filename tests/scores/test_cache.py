"""What was computed from the same scores is found again; nothing depends on it."""

import os

import numpy as np
import pytest

from dreamer_tf.scores import aggregate, cache, curves


@pytest.fixture
def calls(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return []


def compute(calls, inputs, name="f"):
    def function():
        calls.append(name)
        return np.array([[1.5, np.nan], [2.5, -0.0]])

    return cache.array(name, inputs, function)


def test_the_same_content_is_computed_once(calls):
    inputs = [np.arange(3.0), np.ones((2, 2))]
    first = compute(calls, inputs)
    again = compute(calls, [array.copy() for array in inputs])
    np.testing.assert_array_equal(first, again)
    assert calls == ["f"] and again.shape == (2, 2)


@pytest.mark.parametrize(
    "inputs", [[np.arange(4.0)], [np.arange(3.0), np.ones(4)], [np.ones((2, 2)), np.arange(3.0)]]
)
def test_other_content_is_computed(calls, inputs):
    compute(calls, [np.arange(3.0), np.ones((2, 2))])
    compute(calls, inputs)
    compute(calls, [np.arange(3.0), np.ones((2, 2))], "g")
    assert calls == ["f", "f", "g"]


@pytest.mark.parametrize("damage", [b"", b"x" * 40, None])
def test_a_damaged_entry_is_computed_again(calls, damage):
    compute(calls, [np.arange(3.0)])
    [entry] = cache.directory().iterdir()
    entry.write_bytes(entry.read_bytes()[:-3] if damage is None else damage)
    compute(calls, [np.arange(3.0)])
    compute(calls, [np.arange(3.0)])
    assert len(calls) == 2


def test_other_code_computes_anew(calls, monkeypatch):
    """An interval of an older version must not stand on a page."""
    compute(calls, [])
    monkeypatch.setattr(cache, "_method", lambda: b"other source")
    compute(calls, [])
    assert len(calls) == 2


def test_a_place_that_cannot_be_written_is_no_error(calls, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compute(calls, []).shape == (2, 2) and cache.text("a", lambda: "b") == "b"


def test_texts_are_found_by_name(calls):
    assert [cache.text("a", lambda: "ü\nb\n") for _ in range(2)] == ["ü\nb\n"] * 2
    [entry] = cache.directory().iterdir()
    entry.write_text("other")
    assert cache.text("a", lambda: "new") == "new"


def test_the_oldest_of_too_many_are_removed(calls, monkeypatch):
    monkeypatch.setattr(cache, "_ENTRIES", 4)
    for number in range(5):
        cache.text(str(number), str)
        for age, entry in enumerate(sorted(cache.directory().iterdir())):
            os.utime(entry, (age, age))
    assert len(list(cache.directory().iterdir())) < 5


def test_intervals_of_the_same_runs_are_kept(calls, monkeypatch):
    found = {c.game: [] for c in curves.published(["IQN"], ["pong", "boxing"])}
    for curve in curves.published(["IQN"], ["pong", "boxing"]):
        found[curve.game].append(curve.values[-1])
    games = list(found)
    first = aggregate.intervals({"A": found}, games, 50)
    monkeypatch.setattr(aggregate.bootstrap, "resample", None)  # not called again
    assert aggregate.intervals({"B": found}, games, 50)["B"] == first["A"]
    with pytest.raises(TypeError):
        aggregate.intervals({"A": found}, games, 51)
