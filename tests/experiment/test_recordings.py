"""What a finished run leaves to look at."""

import gin
import imageio.v3
import pytest

from dreamer_tf.environments.interface import complete
from dreamer_tf.experiment.policy import train_agent
from dreamer_tf.experiment.recordings import record_policy
from tests.helpers import TINY, ScriptedEnvironment


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that was recorded, and its policy."""
    gin.clear_config()
    directory = tmp_path_factory.mktemp("run")
    policy = train_agent(
        ScriptedEnvironment([(12, "terminated")], images=True),
        base_dir=directory,
        gin_files=["atari.gin"],
        gin_bindings=[*TINY, "record_policy.video_length=4"],
    )
    return directory, policy


def test_a_run_leaves_a_video_of_its_policy_and_a_dream(trained):
    directory, _ = trained
    assert imageio.v3.improps(directory / "videos/policy.gif").shape[0] == 4
    assert imageio.v3.improps(directory / "videos/dream.gif").shape[0] == 13  # the whole episode


def test_nothing_is_recorded_without_being_asked_for(trained, tmp_path):
    assert record_policy(trained[1], tmp_path, 0) == []
    assert not list(tmp_path.iterdir())


def test_the_lines_name_the_files(trained, tmp_path):
    lines = record_policy(trained[1], tmp_path, 0, 4)
    assert lines == [f"video           {tmp_path}/videos/policy.gif", lines[1]]
    assert lines[1] == f"dream           {tmp_path}/videos/dream.gif"


def test_what_cannot_be_recorded_is_said_and_ends_nothing(trained, tmp_path, monkeypatch):
    short = complete(ScriptedEnvironment([(3, "terminated")], images=True))
    monkeypatch.setattr(trained[1], "environment", short)
    _, dream = record_policy(trained[1], tmp_path, 0, 4)
    assert dream.startswith("dream           none: The episode ended after 3 steps")
    assert (tmp_path / "videos/policy.gif").exists()


def test_a_file_in_the_way_stays(trained, tmp_path):
    (tmp_path / "videos").write_text("mine")
    for line in record_policy(trained[1], tmp_path, 0, 4):
        assert "none: [Errno 17] File exists" in line
    assert (tmp_path / "videos").read_text() == "mine"
