"""`python -m dreamer_tf.dream`: three kinds of actions, and errors."""

from tests.commands.processes import assert_sentence, run


def test_every_kind_of_actions_writes_a_gif_and_prints_errors(trained):
    directory, _ = trained
    base_dir = "--base_dir=runs/atari/Pong/4"
    for actions in ("policy", "random", "replay"):
        more = (f"--out={actions}.gif", f"--actions={actions}", "--frames=9", "--context=3")
        result = run(directory, "dream", base_dir, *more)
        assert result.returncode == 0, result.stderr
        assert f"{actions}.gif: 12 frames; the model saw the first 3" in result.stdout
        assert "mean squared error of image: step 0 " in result.stdout
        assert (directory / f"{actions}.gif").read_bytes()[:4] == b"GIF8"
    assert_sentence(run(directory, "dream"), "--base_dir is missing")
    too_long = run(directory, "dream", base_dir, "--actions=replay", "--frames=500")
    assert_sentence(too_long, "No stored episode has 505 steps", "--frames")
    assert_sentence(run(directory, "dream", base_dir, "--out=dream.mp4"), "dream.mp4", ".gif")
