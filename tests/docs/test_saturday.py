"""The afternoon of docs/change_one_idea.md: its files and commands, with a smaller model."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT
from tests.helpers import TINY

PAGE = (ROOT / "docs/change_one_idea.md").read_text()
SECTION = PAGE.partition("\n## A Saturday\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
FILES = {
    match[1]: block
    for block in BLOCKS
    if (match := re.match(r"# ([\w.]+\.(?:gin|py))\n", block)) is not None
}
COMMANDS = [
    line
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("python -m dreamer_tf.")
]


def test_the_page_has_an_experiment_an_idea_and_the_way_to_the_comparison():
    assert set(FILES) == {"maze.gin", "flat_encoder.py", "flat_encoder.gin"}
    lines = [line for line in FILES["maze.gin"].splitlines() if not line.startswith("#")]
    assert len(lines) == 2  # MiniGrid by two gin lines
    assert [re.search(r"dreamer_tf\.(\w+)", command)[1] for command in COMMANDS] == [
        *("train", "sweep", "sweep", "evaluate"),
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_commands_lead_from_an_empty_folder_to_the_page(tmp_path):
    pytest.importorskip("minigrid")
    pytest.importorskip("ray")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    # The same commands, in seconds instead of an afternoon.
    with (tmp_path / "maze.gin").open("a") as file:
        file.write("\n".join(TINY) + "\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    printed = {}
    for command in COMMANDS:
        words = [sys.executable, *shlex.split(command.partition("  #")[0])[1:]]
        result = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
        )
        assert result.returncode == 0, (command, result.stdout, result.stderr)
        printed[command] = result.stdout
    game = "MiniGrid-Empty-5x5-v0"
    for config in ("maze", "maze+flat_encoder"):
        for seed in (0, 1):
            run = tmp_path / "runs" / config / game / str(seed)
            scores = json.loads((run / "scores.json").read_text())
            assert {score["Phase"] for score in scores} == {"train", "eval"}
    page = (tmp_path / "report.html").read_text()
    assert "encoder @FlatEncoder instead of its default" in page
    assert json.loads(printed[COMMANDS[-1]])["game"] == game
