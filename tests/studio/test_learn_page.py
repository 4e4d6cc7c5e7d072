"""Guides: ten sections each, every formula sets, every living figure is of a known kind."""

import pytest

from nexus_studio.panels import learn_figures, learn_page

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
