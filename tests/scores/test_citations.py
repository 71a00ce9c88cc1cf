"""Everything that a page may quote has an entry."""

import re
from pathlib import Path

from dreamer_tf.scores import citations, comparison, page

SCORES = Path(citations.__file__).parent


def test_everything_that_is_quoted_on_a_page_has_an_entry():
    """Of the modules that write the page; the paper's own figures are others."""
    quoted = set()
    for path in SCORES.glob("*.py"):
        if path.name != "citations.py" and not path.name.startswith("paper"):
            text = path.read_text()
            quoted |= set(citations.quoted(re.sub(r'"\s*\n\s*f?"', "", text)))
    assert quoted <= set(citations.PAPERS)
    assert set(citations.PAPERS) <= quoted


def test_both_ways_of_quoting_are_found_once():
    text = "(Machado et al., 2018), and Machado et al. (2018), and Mnih et al., 2015"
    assert citations.quoted(text) == [("Machado", "2018"), ("Mnih", "2015")]


def test_an_entry_is_bibtex():
    text = citations.bibtex(("Hafner", "2021"))
    assert text.startswith("@inproceedings{hafner2021,\n  author = {Danijar Hafner and")
    assert "title = {{Mastering Atari with Discrete World Models}}" in text
    assert citations.bibtex(("Mnih", "2015")).startswith("@article{mnih2015,")
    for key in citations.PAPERS:
        entry = citations.bibtex(key)
        assert entry.count("{") == entry.count("}") and entry.endswith("\n}")


def test_a_page_cites_what_it_quotes_and_the_command_that_made_it():
    asked = comparison.Request(baselines=["DreamerV2"], games=["Pong"])
    found = comparison.collect(asked)._replace(command="python -m dreamer_tf.compare --games=<b>")
    text = page.to_html(found)
    last = text.split("Cite what is quoted")[-1].split("<script>")[0]
    assert "@inproceedings{hafner2021," in last and "castro2018" not in last
    assert "--games=&lt;b&gt;" in last and 'href="https://arxiv.org/abs/2010.02193"' in last
