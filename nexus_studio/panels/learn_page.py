"""A guide as a page: markdown to the HTML that QTextBrowser understands, with set formulas and places for living figures.

``$a$`` and ``$$a$$`` become images ``formula:N``; a paragraph ``{{figure: kind}}`` becomes the image ``figure:kind``, and
``{{code: families/gan.py GAN.losses}}`` that piece of the program's own source. arXiv numbers become links.
"""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ..theme import RESOURCES
from . import learn_code

GUIDES, PROOFS = RESOURCES / "guides", RESOURCES / "proofs"
SECTIONS = (
    "Motivation", "Theory", "Mathematics", "Intuition", "Implementation", "Code walk", "Optimisation", "Experiments",
    "Pitfalls", "References",
)  # fmt: skip
#: Size and colour in which formulas are set once; the page scales and tints them.
EM, INK = 24.0, "#010203"
_FIGURE = re.compile(r"<p>\{\{figure:\s*(\w+)\s*\}\}</p>")
_CODE = re.compile(r"<p>\{\{code:\s*([\w/.]+ [\w.]+)\s*\}\}</p>")
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
#: A formula in a line and the punctuation after it, which must not begin a line of its own.
_POINTED = re.compile(r'(<img src="formula:(\d+)"[^>]*>)([.,;:!?)]+)')


@dataclass
class Guide:
    """A guide in HTML. ``formulas``: number in ``formula:N`` -> (LaTeX, inline); ``figures``: their kinds, in order."""

    title: str
    html: str
    sections: list[str]
    formulas: dict[int, tuple[str, bool]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)


def guide_path(family: str) -> Path:
    """Where the guide of a family lies (it may not exist)."""
    return GUIDES / f"{family}.md"


def sheets(family: str) -> list[Path]:
    """Pictures of what the family's proofs made, by name."""
    return sorted(path for path in PROOFS.glob(f"{family}-*.png"))


def read(family: str) -> Guide | None:
    """The guide of a family, or None where there is none."""
    path = guide_path(family)
    return parse(path.read_text(encoding="utf-8")) if path.exists() else None


def parse(text: str) -> Guide:
    """Markdown to a guide. Headings of the second level get the anchors ``s0``, ``s1``, ..."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    formulas: dict[int, tuple[str, bool]] = {}

    def set_formula(content: str, options: dict) -> str:
        number, inline = len(formulas), not options["display_mode"]
        formulas[number] = (content.strip(), inline)
        image = f'<img src="formula:{number}" style="vertical-align:middle">'
        return image if inline else f'<p align="center" style="line-height:100%">{image}</p>'

    parser = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=set_formula, allow_labels=False)
    body = parser.render(text)
    # a displayed formula inside a paragraph would nest <p>; the plugin wraps it in a block of its own
    body = re.sub(r'<div class="math[^"]*">\s*(.*?)\s*</div>', r"\1", body, flags=re.S)
    body = re.sub(r'<(?:span|eq) ?[^>]*class="math[^"]*"[^>]*>(.*?)</(?:span|eq)>', r"\1", body, flags=re.S)
    figures = _FIGURE.findall(body)
    body = _FIGURE.sub(r'<p align="center" style="line-height:100%"><a href="figure:\1"><img src="figure:\1"></a></p>', body)
    body = _CODE.sub(lambda found: _listing(found[1]), body)
    body = _ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', body)
    body = _POINTED.sub(lambda found: _with_point(formulas, found), body)
    sections = [html.unescape(s) for s in re.findall(r"<h2>(.*?)</h2>", body)]
    numbers = itertools.count()
    body = re.sub("<h2>", lambda _: f'<h2><a name="s{next(numbers)}"></a>', body)
    title = re.search(r"<h1>(.*?)</h1>", body)
    return Guide(html.unescape(title[1]) if title else "", body, sections, formulas, figures)


def _listing(reference: str) -> str:
    """A piece of source, with where it stands above it."""
    file, _, name = reference.partition(" ")
    shown = html.escape(learn_code.source_of(reference))
    return f'<p class="source">models_backend/{file} · {name}</p><pre>{shown}</pre>'


def _with_point(formulas: dict[int, tuple[str, bool]], found: re.Match) -> str:
    """A formula that ends in the punctuation after it."""
    latex, inline = formulas[int(found[2])]
    formulas[int(found[2])] = (rf"{latex}\text{{{found[3]}}}", inline)
    return found[1]


@lru_cache(maxsize=4096)
def formula_svg(latex: str, inline: bool) -> bytes:
    """A formula set as SVG, ``EM`` pixels an em, in the colour ``INK``. Raises ValueError that names one that cannot be set."""
    import ziamath

    ziamath.config.svg2 = False  # QtSvg does not draw the symbols of SVG 2: plain paths
    try:
        drawn = ziamath.Latex(latex, size=EM, inline=inline, color=INK)
    except Exception as error:
        raise ValueError(f"the formula {latex!r} cannot be set: {error}") from error
    return drawn.svg().encode()
