"""`python -m dreamer_tf.describe`."""

from tests.commands.processes import SMALL, assert_sentence, run


def test_a_configuration_is_set_beside_the_paper(tmp_path):
    result = run(tmp_path, "describe", "--gin_files=catch.gin", "--updates_per_second=2", *SMALL)
    assert result.returncode == 0, result.stderr
    assert "KL balancing" in result.stdout and "paper: 468B (3)" in result.stdout
    assert "at 2 updates/s, as given" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_parameters_are_printed_with_their_meanings(tmp_path):
    result = run(tmp_path, "describe", "--parameters=kl_balance")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("WorldModel.kl_balance = 0.8\n    alpha, the share")
    assert_sentence(run(tmp_path, "describe", "--parameters=kl_balence"), "'kl_balance'")


def test_a_missing_file_is_named(tmp_path):
    assert_sentence(run(tmp_path, "describe"), "--gin_files", "atari.gin")
    assert_sentence(run(tmp_path, "describe", "--gin_files=atary.gin"), "'atari.gin'")
