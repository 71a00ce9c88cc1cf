"""`python -m dreamer_tf.sweep`: plans, questions, errors; `tests/reliability` has its runs."""

import os

import pytest

from tests.commands.processes import assert_sentence, run


def test_a_plan_is_printed_and_nothing_is_made(tmp_path):
    flags = ["--configs=atari_small.gin;rainbow.gin+base/atari_100k.gin", "--games=@atari55"]
    result = run(tmp_path, "sweep", *flags, "--seeds=0-4", "--dry_run")
    assert result.returncode == 0, result.stderr
    assert "550 runs: 550 missing" in result.stdout
    assert "runs/rainbow+atari_100k/YarsRevenge/4" in result.stdout
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--configs is missing"]),
        (["--configs=atary.gin"], ["'atari.gin'"]),
        (["--configs=atari.gin", "--games=Pongg"], ["'Pong'"]),
        (["--status"], ["There is no sweep in --root=runs"]),
        (["--status", "--stop"], ["--status and --stop exclude each other"]),
        (["--configs=atari.gin", "--root=s3://bucket"], ["--root=s3://bucket is a URL"]),
        (["--configs=atari.gin", "--seeds=x"], ["--seeds=x"]),
    ],
)
def test_mistakes_are_sentences(tmp_path, flags, words):
    assert_sentence(run(tmp_path, "sweep", *flags), *words)
    assert not os.listdir(tmp_path)
