"""A configuration next to the paper."""

import shutil

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import describing, gin_files
from tests.helpers import TINY


@pytest.fixture(autouse=True)
def plenty_of_space(monkeypatch, tmp_path):
    plenty = shutil.disk_usage(tmp_path)._replace(free=10**12)  # the files are sparse
    monkeypatch.setattr(shutil, "disk_usage", lambda path: plenty)


def facts(text):
    lines = [line for line in text.splitlines() if "paper: " in line]
    return {line[:30].strip(): line[31:].partition("paper:")[0].strip() for line in lines}


def test_atari_gin_gives_the_papers_numbers():
    gin_files.parse(["atari.gin"])
    found = facts(describing.describe(updates_per_second=15.0))
    assert found["updates"] == "12,500,000" and found["agent steps"] == "50,000,000"
    assert found["imagined states"] == "468.75e9"
    assert found["imagined for every observed"] == "9,375"
    assert found["days of updates"] == "9.6 at 15 updates/s, as given"
    assert 19.5e6 < int(found["parameters of the world model"].replace(",", "")) < 20.5e6


def test_the_rate_is_measured_here():
    gin_files.parse(["catch.gin"], TINY)
    text = describing.describe()
    assert "measured on CPU" in facts(text)["days of updates"]
    assert facts(text)["updates"] == "5"


def test_other_agents_are_not_in_the_table():
    gin_files.parse(["dqn.gin"], ["ReplayBuffer.max_capacity=1000"])
    with pytest.raises(UserError, match=r"DQN.* is not in Table D1"):
        describing.describe(1.0)
