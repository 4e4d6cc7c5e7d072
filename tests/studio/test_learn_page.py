"""Guides: ten sections each, every formula sets, every living figure is of a known kind."""

import re
import textwrap

import pytest

from nexus_studio.panels import learn_code, learn_figures, learn_page

GUIDES = sorted(p.stem for p in learn_page.GUIDES.glob("*.md"))


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_has_the_ten_sections_and_its_formulas_set(name):
    guide = learn_page.read(name)
    assert guide.sections == list(learn_page.SECTIONS)
    assert len(guide.formulas) >= 10
    for latex, inline in guide.formulas.values():
        svg = learn_page.formula_svg(latex, inline)
        assert svg.startswith(b"<svg") and learn_page.INK.encode() in svg
    assert "proof" in guide.figures and set(guide.figures) <= set(learn_figures.KINDS)


def test_inline_and_displayed_formulas_become_images():
    guide = learn_page.parse("# T\n\nsmall $a_1$ here\n\n$$b = c$$\n\nend\n")
    assert guide.formulas == {0: ("a_1", True), 1: ("b = c", False)}
    assert guide.html.count("<img") == 2 and "math" not in guide.html and "<p><p" not in guide.html
    assert "small <img" in guide.html


def test_a_formula_that_cannot_be_set_is_named():
    with pytest.raises(ValueError, match="begin"):
        learn_page.formula_svg(r"\begin{nonsense} x", True)


def test_a_family_without_a_guide_has_none():
    assert learn_page.read("no_such_family") is None


# ----------------------------------------------------------------------------------------- code, links, punctuation


@pytest.mark.parametrize("name", GUIDES)
def test_the_code_walk_shows_the_programs_own_source(name):
    text = learn_page.guide_path(name).read_text(encoding="utf-8")
    walk = text[text.index("## Code walk") : text.index("## Optimisation")]
    references = re.findall(r"\{\{code:\s*([^}]+?)\s*\}\}", walk)
    assert references
    for reference in references:
        shown = learn_code.source_of(reference)
        file, name_there = reference.split(" ")
        assert shown in textwrap.dedent(shown) and 2 <= len(shown.splitlines()) <= 70
        assert name_there.rpartition(".")[2] in shown.splitlines()[0] or shown.startswith("@")
        assert shown.splitlines()[0].strip() in (learn_code.backend() / file).read_text(encoding="utf-8")
    assert learn_page.read(name).html.count("<pre>") >= len(references) and "{{" not in learn_page.read(name).html


def test_source_that_is_not_there_is_named():
    for reference in ("families/gan.py GAN.nothing", "families/nothing.py GAN", "families/gan.py"):
        with pytest.raises(ValueError, match="there is no"):
            learn_code.source_of(reference)


def test_punctuation_stays_with_the_formula_before_it():
    guide = learn_page.parse("# T\n\nthe step $a_1$, the end $b$.\n\nand $c$ alone\n")
    assert [latex for latex, _ in guide.formulas.values()] == [r"a_1\text{,}", r"b\text{.}", "c"]
    assert ">." not in guide.html and ">," not in guide.html
    assert learn_page.formula_svg(r"b\text{.}", True).startswith(b"<svg")


def test_arxiv_numbers_are_links():
    guide = learn_page.parse("# T\n\nHo et al. 2020, arXiv:2006.11239, and arXiv:1312.6114.\n")
    assert '<a href="https://arxiv.org/abs/2006.11239">arXiv:2006.11239</a>' in guide.html
    assert guide.html.count("https://arxiv.org/abs/") == 2
    assert all("https://arxiv.org/abs/" in learn_page.read(name).html for name in ("ddpm", "gan", "vae"))
