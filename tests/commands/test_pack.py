"""`python -m dreamer_tf.pack`."""

import shutil

from tests.commands.processes import assert_sentence, run


def test_a_run_is_packed_unpacked_and_the_same(trained, tmp_path):
    directory = shutil.copytree(trained[0], tmp_path / "copy")
    result = run(directory, "pack", "--base_dir=runs/atari/Pong/4/")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("runs/atari/Pong/4.tar.gz: ")
    result = run(directory, "pack", "--unpack=runs/atari/Pong/4.tar.gz", "--base_dir=theirs/4")
    assert result.returncode == 0, result.stderr
    ours, theirs = directory / "runs/atari/Pong/4", directory / "theirs/4"
    for path in ours.rglob("*"):
        other = theirs / path.relative_to(ours)
        if path.is_file() and path.name != "lock" and path.parent.name != "lease":
            assert other.read_bytes() == path.read_bytes(), other


def test_mistakes_are_sentences(tmp_path):
    (tmp_path / "a.tar").write_text("no archive")
    assert_sentence(run(tmp_path, "pack"), "--base_dir is missing")
    assert_sentence(run(tmp_path, "pack", "--unpack=a.tar"), "--unpack needs --base_dir")
    found = run(tmp_path, "pack", "--unpack=a.tar", "--base_dir=new")
    assert_sentence(found, "a.tar is no archive of a run")
