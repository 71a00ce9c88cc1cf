"""The progress bar counts on standard error and shows its text only when it is shown."""

from dreamer_tf.experiment.progress import PhaseBar


def test_the_bar_ends_with_the_final_numbers(capsys):
    bar = PhaseBar("train 1/2", 3, 10, True, lambda steps: f"at {steps}")
    for _ in range(7):
        bar.update()
    bar.close()
    printed = capsys.readouterr()
    assert "train 1/2" in printed.err and "10/10" in printed.err and "at 10" in printed.err
    assert printed.out == ""


def test_a_hidden_bar_prints_nothing(capsys):
    bar = PhaseBar("train", 0, 10, False, lambda steps: "text")
    bar.update(5)
    bar.close()
    assert capsys.readouterr().err == ""
