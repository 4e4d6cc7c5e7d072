"""Learn: a guide opens without holding the window up, its figures take what runs told, its formulas follow the theme."""

import threading

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QImage
from PySide6.QtWidgets import QApplication
from scripted_window import scripted_session, settle

from nexus_studio import theme
from nexus_studio.panels import learn_page
from nexus_studio.panels.learn import LearnPanel


@pytest.fixture
async def panel(qapp, tmp_path, monkeypatch):
    theme.apply(qapp)
    monkeypatch.setattr(learn_page, "GUIDES", tmp_path)
    text = "# {0}\n\n## Motivation\n\nOf $a_1$.\n\n{{{{figure: loss}}}}\n\n## Theory\n\n$$b = c$$\n"
    async with scripted_session(tmp_path) as session:
        for family in session.catalogue.families:
            (tmp_path / f"{family.key}.md").write_text(text.format(family.title))
        made = LearnPanel(session)
        made.resize(1100, 720)
        made.show()
        made.on_shown()
        yield made
        made.close()
        shiboken6.delete(made)


async def test_a_guide_opens_with_its_sections_formulas_and_figures(qapp, panel):
    await settle(lambda: panel.page.guide is not None and panel.sections.count() == 2)
    assert panel.stack.currentWidget() is panel.page
    panel.page.grab()
    await settle(lambda: {"formula:0", "formula:1", "figure:loss"} <= set(panel.page._made))
    assert all(not image.isNull() for image in panel.page._made.values())
    assert panel.page.horizontalScrollBarPolicy() == Qt.ScrollBarPolicy.ScrollBarAlwaysOff


async def test_what_a_proof_made_stands_in_the_guide(qapp, panel, tmp_path, monkeypatch):
    monkeypatch.setattr(learn_page, "PROOFS", tmp_path)
    other = next(f.key for f in panel.session.catalogue.families if f.key != panel.family)
    (tmp_path / f"{other}.md").write_text("# T\n\n## Motivation\n\n{{figure: proof}}\n")
    for name, tall in ((f"{other}-a", 40), (f"{other}-b", 60), (f"{other}_more-a", 80)):
        picture = QImage(300, tall, QImage.Format.Format_RGB32)
        picture.fill(Qt.GlobalColor.red)
        picture.save(str(tmp_path / f"{name}.png"))
    panel.show_family(other)
    await settle(lambda: panel.page.guide is not None and panel.page.guide.title == "T")
    panel.page.grab()
    await settle(lambda: "figure:proof" in panel.page._made)
    drawn = panel.page._made["figure:proof"]
    assert drawn.height() == 56 + 40 + 60 + 2 * 8, "another family's sheet is there, or one is missing"
    assert drawn.pixelColor(30, 30).red() == 255


async def test_setting_slow_formulas_does_not_hold_the_window_up(qapp, panel, monkeypatch):
    released, set_ = threading.Event(), []

    def slow(latex, inline):
        released.wait(20)
        set_.append(latex)
        return svg

    svg = learn_page.formula_svg("x", True)
    monkeypatch.setattr(learn_page, "formula_svg", slow)
    other = next(f.key for f in panel.session.catalogue.families if f.key != panel.family)
    panel.show_family(other)
    QApplication.processEvents()
    assert not set_, "it waited for the formulas"
    released.set()
    await settle(lambda: panel.page.guide is not None and panel.page.guide.title == panel.session.catalogue.get(other).title)


async def test_figures_are_drawn_anew_where_they_stand(qapp, panel):
    await settle(lambda: panel.page.guide is not None)
    panel.page.grab()
    height, before = panel.page.document().size(), panel.page._figure("loss").copy()
    material = type(panel.page.material)(run="a run", loss=(np.arange(3.0), np.array([3.0, 2.0, 1.0])))
    panel.page.set_material(material)
    assert panel.page._made["figure:loss"] != before and panel.page.document().size() == height


async def test_formulas_take_the_colour_of_the_theme(qapp, panel):
    await settle(lambda: panel.page.guide is not None)
    dark = panel.page._formula(0)
    theme.apply(qapp, "light")
    light = panel.page._formula(0)
    theme.apply(qapp)
    assert dark.size() == light.size() and dark != light


async def test_the_marked_section_is_the_one_that_is_read(qapp, panel, tmp_path):
    await settle(lambda: panel.page.guide is not None)
    long = "\n\n".join(f"## Part {n}\n\n" + "\n\n".join(["word " * 60] * (8 if n < 8 else 1)) for n in range(10))
    (tmp_path / "duel.md").write_text(f"# Duel\n\n{long}\n")
    panel.family = ""
    panel.show_family("duel")
    await settle(lambda: panel.sections.count() == 10)
    bar = panel.page.verticalScrollBar()
    tops = panel.page.heading_tops()
    assert len(tops) == 10 and tops == sorted(tops)
    for row in range(10):
        panel.sections.setCurrentRow(row)
        assert panel.sections.currentRow() == row, "what was clicked stays marked"
    for row, top in enumerate(tops):
        bar.setValue(0)
        bar.setValue(round(top))
        if bar.value() < bar.maximum():
            assert panel.sections.currentRow() == row


async def test_links_of_a_guide_open_outside(qapp, panel, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    panel._follow(QUrl("https://arxiv.org/abs/2006.11239"))
    assert opened == ["https://arxiv.org/abs/2006.11239"]
