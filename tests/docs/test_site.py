"""The site that `make docs` builds."""

import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site. A broken link, or a page that is not in the navigation, fails the build."""
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    return directory


def test_the_readme_is_the_home_page(site):
    home = (site / "index.html").read_text()
    for link in ("usage/", "results/", "benchmarks/", "baselines/", "dream_road_runner.gif"):
        assert f'"{link}' in home, link
    assert 'href="examples' not in home  # the notebook is not on the site


def test_every_room_has_a_reference_page(site):
    rooms = {path.parent.name for path in (ROOT / "dreamer_tf").glob("*/__init__.py")}
    assert {"agents", "world_model"} <= rooms
    for room in rooms:
        text = (site / "reference" / room / "index.html").read_text()
        assert f"dreamer_tf.{room}." in text, room
    assert 'id="dreamer_tf.train' in (site / "reference/commands/index.html").read_text()


def test_the_site_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        found = re.findall(r'<(?:script|link|img)\b[^>]*"(https?:[^"]+)"', page.read_text())
        assert not found, page
