"""Opens a page of ours in a browser of a given width and says what is wrong with its layout."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_LAYOUT = Path(__file__).with_name("layout.js")


def browser():
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


in_a_browser = pytest.mark.skipif(
    browser() is None, reason=f"none of {', '.join(BROWSERS)} is installed"
)


def _command(directory, width, height):
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
    command += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
    command += ["--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={directory / 'profile'}", "--hide-scrollbars"]
    return [*command, "--virtual-time-budget=60000", f"--window-size={width},{height}"]


def _assert_quiet(log):
    """The page writes neither errors nor warnings."""
    lines = [line for line in log.splitlines() if "CONSOLE" in line]
    assert not lines, "\n".join(lines)[:2000]


def framed(path, width, height=3000, script=""):
    """A file that shows a page in a frame: a window of a browser cannot be as narrow as a phone."""
    frame = path.with_name(f"frame_{width}.html")
    text = html.escape(path.read_text(), quote=True)
    frame.write_text(
        f'<body style="margin:0"><iframe style="border:0;width:{width}px;height:{height}px" '
        f'srcdoc="{text}"></iframe><pre id="found">nothing</pre><script>{script}</script>'
    )
    return frame


def layout(path, width):
    """What is wrong with a page, and what it shows, from layout.js."""
    frame = framed(path, width, script=_LAYOUT.read_text())
    command = _command(path.parent, 1400, 3000)
    shown = subprocess.run(
        [*command, "--dump-dom", f"file://{frame}"], capture_output=True, text=True, timeout=300
    )
    _assert_quiet(shown.stderr)
    [found] = re.findall(r'<pre id="found">(.*?)</pre>', shown.stdout, re.S)
    return json.loads(html.unescape(found))


def assert_opens(path, charts):
    """A page opens without a network and without an error, and draws every chart."""
    assert not re.search(r"<(script|link)[^>]+(src|href)=", path.read_text())
    command = [*_command(path.parent, 1280, 3000), "--dump-dom", f"file://{path}"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300)
    _assert_quiet(shown.stderr)
    drawn = re.findall(
        r'<div class="chart[^"]*" id="chart\d+"[^>]*>(.*?)</div>', shown.stdout, re.S
    )
    assert len(drawn) >= charts and all("<svg" in chart for chart in drawn)
    return shown.stdout
