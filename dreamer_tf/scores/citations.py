"""What a page quotes, as BibTeX."""

import re
from typing import NamedTuple


class Paper(NamedTuple):
    """A publication."""

    authors: str  # as in BibTeX
    title: str
    place: str  # where it appeared
    link: str


PAPERS = {
    ("Hafner", "2021"): Paper(
        "Danijar Hafner and Timothy Lillicrap and Mohammad Norouzi and Jimmy Ba",
        "Mastering Atari with Discrete World Models",
        "International Conference on Learning Representations",
        "https://arxiv.org/abs/2010.02193",
    ),
    ("Hafner", "2023"): Paper(
        "Danijar Hafner and Jurgis Pasukonis and Jimmy Ba and Timothy Lillicrap",
        "Mastering Diverse Domains through World Models",
        "arXiv preprint arXiv:2301.04104",
        "https://arxiv.org/abs/2301.04104",
    ),
    ("Castro", "2018"): Paper(
        "Pablo Samuel Castro and Subhodeep Moitra and Carles Gelada and Saurabh Kumar and "
        "Marc G. Bellemare",
        "Dopamine: A Research Framework for Deep Reinforcement Learning",
        "arXiv preprint arXiv:1812.06110",
        "https://arxiv.org/abs/1812.06110",
    ),
    ("Agarwal", "2021"): Paper(
        "Rishabh Agarwal and Max Schwarzer and Pablo Samuel Castro and Aaron Courville and "
        "Marc G. Bellemare",
        "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
        "Advances in Neural Information Processing Systems",
        "https://arxiv.org/abs/2108.13264",
    ),
    ("Machado", "2018"): Paper(
        "Marlos C. Machado and Marc G. Bellemare and Erik Talvitie and Joel Veness and "
        "Matthew Hausknecht and Michael Bowling",
        "Revisiting the Arcade Learning Environment: Evaluation Protocols and Open Problems for "
        "General Agents",
        "Journal of Artificial Intelligence Research",
        "https://arxiv.org/abs/1709.06009",
    ),
    ("Mnih", "2015"): Paper(
        "Volodymyr Mnih and Koray Kavukcuoglu and David Silver and others",
        "Human-level control through deep reinforcement learning",
        "Nature",
        "https://doi.org/10.1038/nature14236",
    ),
    ("Aitchison", "2023"): Paper(
        "Matthew Aitchison and Penny Sweetser and Marcus Hutter",
        "Atari-5: Distilling the Arcade Learning Environment down to Five Games",
        "International Conference on Machine Learning",
        "https://arxiv.org/abs/2210.02019",
    ),
    ("Hasselt", "2019"): Paper(
        "Hado van Hasselt and Matteo Hessel and John Aslanides",
        "When to use parametric models in reinforcement learning?",
        "Advances in Neural Information Processing Systems",
        "https://arxiv.org/abs/1906.05243",
    ),
}
_QUOTED = re.compile(r"(\w+) et al\.,? \(?(\d{4})")


def quoted(text: str) -> list[tuple[str, str]]:
    """Authors and years of 'Machado et al., 2018' and 'Machado et al. (2018)', in their order."""
    return list(dict.fromkeys(_QUOTED.findall(text)))


def bibtex(key: tuple[str, str]) -> str:
    """The entry of a paper.

    Args:
      key: one of `PAPERS`.
    """
    authors, title, place, link = PAPERS[key]
    name, year = key
    journal = place.startswith(("arXiv", "Journal", "Nature"))
    kind, field = ("article", "journal") if journal else ("inproceedings", "booktitle")
    lines = (
        f"@{kind}{{{name.lower()}{year},",
        f"  author = {{{authors}}},",
        f"  title = {{{{{title}}}}},",  # two braces keep the capitals
        f"  {field} = {{{place}}},",
        f"  year = {{{year}}},",
        f"  url = {{{link}}},",
        "}",
    )
    return "\n".join(lines)
