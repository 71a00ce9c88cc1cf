"""A trained run for the tests of all commands."""

import pytest

from tests.commands.processes import SMALL, run
from tests.scores.conftest import runs  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run on ALE Pong with a tiny model, in the default base directory."""
    directory = tmp_path_factory.mktemp("trained")
    result = run(directory, "train", "--gin_files=atari.gin", "--label=atari", "--seed=4", *SMALL)
    assert result.returncode == 0, result.stderr
    return directory, result
