"""A few runs to compare."""

import pytest

from tests.scores.runs import write_run


@pytest.fixture
def runs(tmp_path):
    for seed, end in enumerate((2.0, 4.0, 9.0)):
        write_run(tmp_path / f"runs/a/Pong/{seed}", seed=seed, end=end)
    write_run(tmp_path / "runs/a/Breakout/0", game="Breakout", end=30.0)
    return tmp_path
