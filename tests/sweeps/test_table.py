"""The table of a sweep."""

from dreamer_tf.sweeps import table
from dreamer_tf.sweeps.plan import Run
from dreamer_tf.sweeps.states import State


def state(seed, kind, **more):
    return State(Run("a", "Pong", seed, f"runs/a/Pong/{seed}", (), 10, 1000), kind, **more)


STATES = [
    state(0, "done", steps=10_000, last_return=21.0),
    state(1, "running", steps=2500, rate=95.2, last_return=-3.25, hours_left=1.26, host="n\x1b7"),
    state(2, "missing"),
    state(3, "failed", sentence="it\nburns"),
]


def test_there_is_a_line_for_every_run_and_what_happens_comes_first():
    head, *lines, summary = table.text(STATES).splitlines()
    assert head.split("  ")[0] == "run" and "hours left" in head
    assert [line.split()[1] for line in lines] == ["running", "failed", "missing", "done"]
    for word in ("2,500 of 10,000", " 95 ", "-3.25", "1.3", "n\\x1b7"):
        assert word in lines[0]
    assert summary == "4 runs: 1 done, 1 running, 1 missing, 1 failed"


def test_a_small_terminal_gets_a_small_table():
    lines = table.text(STATES, lines=5, columns=30).splitlines()
    assert len(lines) == 5 and max(map(len, lines)) == 30
    assert lines[3] == "... and 2 more"


def test_every_failure_is_named_with_its_last_sentence():
    assert table.failures(STATES) == "failed: runs/a/Pong/3: it\\nburns"


def test_without_a_terminal_only_changes_are_printed(capsys):
    screen = table.Screen()
    screen.show(STATES)
    screen.show([*STATES[:2], state(2, "running"), STATES[3]])
    screen.say("a note")
    assert capsys.readouterr().out == "running  runs/a/Pong/2\na note\n"


def test_on_a_terminal_the_table_is_drawn_in_place(capsys, monkeypatch):
    monkeypatch.setattr(table.sys.stdout, "isatty", lambda: True)
    screen = table.Screen()
    screen.show(STATES)
    screen.show(STATES)
    out = capsys.readouterr().out
    assert out.count("4 runs: ") == 2 and "\x1b[6A\x1b[J" in out
