"""What a run will cost, before it begins."""

import pytest

from dreamer_tf.environments.catch import Catch
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import estimate, gin_files, launch
from tests.helpers import TINY


def test_a_dry_run_says_what_a_run_costs_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "_ENVIRONMENT_SECONDS", 0.01)
    gin_files.parse(["catch.gin"], TINY)
    launch.dry_run("runs/new/0", 0)
    printed = capsys.readouterr().out
    lines = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert lines["base"].endswith("runs/new/0")
    assert float(lines["update"].split()[0]) > 0 and "compilation" in lines["update"]
    assert "4 updates" in lines["hours"] and "40 agent steps" in lines["hours"]
    assert "3 checkpoints of 0." in lines["disk"] and "GB" in lines["memory"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["dqn.gin", "der.gin", "spr.gin"])
def test_a_dry_run_of_dopamines_agent_says_what_it_does_not_know(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "_ENVIRONMENT_SECONDS", 0.01)
    gin_files.parse([name], ["ReplayBuffer.max_capacity=1000", "Runner.num_iterations=1"])
    launch.dry_run("runs/new/0", 0)
    assert "are not measured before they are due" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyError("simulator"), SystemExit(0)])
def test_a_dry_run_names_an_environment_that_fails(tmp_path, monkeypatch, error):
    def step(self, action):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Catch, "step", step)
    gin_files.parse(["catch.gin"], TINY)
    with pytest.raises(UserError, match=r"Catch failed \("):
        launch.dry_run("runs/new/0", 0)
    assert list(tmp_path.iterdir()) == []
