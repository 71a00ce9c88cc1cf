"""What a sweep writes beside its runs."""

import os

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.sweeps import home, plan
from dreamer_tf.sweeps.home import Home, Outcome
from dreamer_tf.sweeps.plan import Request


def test_a_sweep_that_runs_is_not_started_again(sweep):
    with sweep.home.lock():
        before = sorted(os.listdir(sweep.home.directory))
        with pytest.raises(UserError, match=r"is running already \(process \d+ on .*--stop"):
            sweep.home.lock()
        assert sorted(os.listdir(sweep.home.directory)) == before
    sweep.home.lock().close()


def test_more_seeds_are_the_same_sweep_and_other_games_another():
    names = {home.name_of(Request("atari.gin", ["Pong"], seeds)) for seeds in ("0", "0-4")}
    assert len(names) == 1 and names.pop().startswith("atari-")
    assert home.name_of(Request("atari.gin", ["Alien"])) != home.name_of(Request("atari.gin"))


def test_what_was_asked_for_is_found_again(sweep):
    with sweep.home.lock():
        sweep.home.record(sweep.request, {})
    other = Home("runs", "other")
    with other.lock():
        other.record(Request("catch.gin"), {})
    os.utime(sweep.home.directory / "request.json", (0, 0))
    assert home.recorded("runs", None).name == "other"
    request = home.recorded("runs", sweep.home.name).request()
    assert plan.make(request) == sweep.runs and home.name_of(request) == sweep.home.name
    with pytest.raises(UserError, match=r"--name=othe: there is no such sweep.*'other'"):
        home.recorded("runs", "othe")


def test_without_a_sweep_the_user_hears_what_to_name(tmp_path):
    with pytest.raises(UserError, match=r"There is no sweep in --root=.*--configs"):
        home.recorded(tmp_path, None)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"configs": 3}', "[" * 3000])
def test_a_damaged_request_is_told(sweep, text):
    with sweep.home.lock():
        sweep.home.record(sweep.request, {})
    (sweep.home.directory / "request.json").write_text(text)
    with pytest.raises(UserError, match="cannot be read"):
        sweep.home.request()


@pytest.mark.parametrize("text", ["{}", '{"environments": [3]}', '{"environments": {"a": 3}}', "{"])
def test_names_are_found_again_and_damaged_ones_are_asked_for(sweep, text):
    assert sweep.home.names() == {}
    with sweep.home.lock():
        sweep.home.record(sweep.request, {"maze": "Maze"})
    assert sweep.home.names() == {"maze": "Maze"}
    assert plan.make(sweep.home.request(), sweep.home.names()) == sweep.runs
    (sweep.home.directory / "request.json").write_text(text)
    assert sweep.home.names() == {}


def test_an_outcome_is_read_as_it_was_written(sweep):
    run, other = sweep.runs[:2]
    assert sweep.home.outcome(run) is None
    outcome = Outcome(3, "the disk is on fire", "node7", 12.5)
    os.makedirs(os.path.dirname(sweep.home.log(run)))
    home.write_outcome(sweep.home.log(run), outcome)
    assert sweep.home.outcome(run) == outcome and sweep.home.outcome(other) is None


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", ""])
def test_a_name_that_is_none_of_a_directory_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"--name=.* is no name of a directory"):
        home.Home(tmp_path, name)
