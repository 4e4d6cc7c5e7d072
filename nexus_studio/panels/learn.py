"""Learn: a guide for every family, with set formulas and figures drawn from the user's own runs."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QPainter, QTextDocument
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QStackedWidget, QTextBrowser

from .. import theme
from ..commands import Command
from ..pieces import EmptyState
from ..state.session import Session
from . import learn_figures, learn_page
from .workspace import Workspace

TEXT_PX = 15
PAGE_PX = 760


class GuidePage(QTextBrowser):
    """A guide as a column of text in the middle of the view. Formulas and figures are made when they are first needed."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)
        self.setStyleSheet("QTextBrowser { background: transparent; border: none; }")
        self.setAccessibleName(self.tr("Guide"))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.guide: learn_page.Guide | None = None
        self.material = learn_figures.Material()
        self._made: dict[str, QImage] = {}
        theme.signals.changed.connect(self.redraw)

    def show_guide(self, guide: learn_page.Guide, material: learn_figures.Material) -> None:
        """Shows a guide with figures from ``material``."""
        self.guide, self.material = guide, material
        self.redraw()

    def set_material(self, material: learn_figures.Material) -> None:
        """Draws the figures anew; each keeps its size, so that nothing on the page moves."""
        self.material = material
        for kind in self.guide.figures if self.guide else []:
            address = f"figure:{kind}"
            self._made[address] = self._figure(kind)
            self.document().addResource(QTextDocument.ResourceType.ImageResource, QUrl(address), self._made[address])
        self.viewport().update()

    def redraw(self) -> None:
        """Sets the page again in the theme and text size in force."""
        if self.guide is None:
            return
        self._made.clear()
        self.document().clear()
        self.document().setDefaultStyleSheet(_style())
        self.document().setDefaultFont(theme.font("text", TEXT_PX))
        self.setHtml(self.guide.html)
        self._place()

    def heading_tops(self) -> list[float]:
        """Where each section's heading stands, from the top of the page."""
        layout, block, found = self.document().documentLayout(), self.document().begin(), []
        while block.isValid():
            if block.blockFormat().headingLevel() == 2:
                found.append(layout.blockBoundingRect(block).top())
            block = block.next()
        return found

    def loadResource(self, kind: int, name: QUrl) -> object:
        """A formula or figure of the page, by the address of its image."""
        address = name.toString()
        scheme, _, rest = address.partition(":")
        if self.guide is None or scheme not in ("formula", "figure"):
            return super().loadResource(kind, name)
        if address not in self._made:
            self._made[address] = self._formula(int(rest)) if scheme == "formula" else self._figure(rest)
        return self._made[address]

    def _formula(self, number: int) -> QImage:
        latex, inline = self.guide.formulas[number]
        scale = theme.px(TEXT_PX) * (1.12 if inline else 1.3) / learn_page.EM
        svg = learn_page.formula_svg(latex, inline).replace(learn_page.INK.encode(), theme.token("text").encode())
        renderer = QSvgRenderer(svg)
        ratio, wanted = self.devicePixelRatioF(), renderer.viewBoxF().size() * scale
        picture = QImage(QSize(round(wanted.width() * ratio), round(wanted.height() * ratio)), QImage.Format.Format_ARGB32)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        renderer.render(painter)
        painter.end()
        picture.setDevicePixelRatio(ratio)
        return picture

    def _figure(self, kind: str) -> QImage:
        width = min(PAGE_PX, max(320, self.viewport().width() - 64))
        return learn_figures.draw(kind, self.material, width, self.devicePixelRatioF())

    def _place(self) -> None:
        """Centres the column of text."""
        side = max(24, (self.width() - PAGE_PX) // 2)
        form = self.document().rootFrame().frameFormat()
        form.setLeftMargin(side)
        form.setRightMargin(side)
        form.setTopMargin(28)
        form.setBottomMargin(60)
        self.document().rootFrame().setFrameFormat(form)

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)
        self._place()


def _style() -> str:
    c = theme.token
    return (
        f"body {{ color:{c('text')}; }} h1 {{ font-size:{theme.px(26)}px; font-weight:600; margin-bottom:2px; }}"
        f"h2 {{ font-size:{theme.px(18)}px; font-weight:600; margin-top:30px; margin-bottom:6px; }}"
        f"p, li {{ color:{c('text')}; line-height:150%; }} em {{ color:{c('text2')}; }} a {{ color:{c('accent')}; }}"
        f"strong, b, th {{ font-weight:600; }} .source {{ color:{c('text3')}; font-size:{theme.px(12)}px; margin-bottom:2px; }}"
        f"pre {{ font-family:'{theme.FAMILIES['mono']}'; font-size:{theme.px(12)}px; white-space:pre-wrap; }}"
        f"code {{ font-family:'{theme.FAMILIES['mono']}'; font-size:{theme.px(13)}px; color:{c('accent2')}; }}"
        f"li {{ margin-bottom:6px; }}"
    )


class LearnPanel(Workspace):
    """Families on the left, the sections below them, the page in the middle."""

    key, title, icon_name = "learn", "Learn", "learn"

    def __init__(self, session: Session):
        super().__init__(session)
        self.families = QListWidget()
        self.families.setAccessibleName(self.tr("Guides"))
        self.sections = QListWidget()
        self.sections.setAccessibleName(self.tr("Sections"))
        self.page = GuidePage()
        self.empty = EmptyState(
            "learn", self.tr("Learn how each model works"),
            self.tr("Every family has a guide in ten sections, with figures drawn from your own runs."),
        )  # fmt: skip
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self.page)
        self.set_central(self.stack)
        left = Qt.DockWidgetArea.LeftDockWidgetArea
        self.add_dock("guides", self.tr("Guides"), self.families, left, width=230)
        self.add_dock("sections", self.tr("Sections"), self.sections, left, width=230)
        self.family, self._going = "", False
        self._connect()

    def _connect(self) -> None:
        self.families.currentItemChanged.connect(lambda item, _: item and self.show_family(item.data(Qt.ItemDataRole.UserRole)))
        self.sections.currentRowChanged.connect(self._go)
        self.page.anchorClicked.connect(self._follow)
        self.page.verticalScrollBar().valueChanged.connect(self._follow_scroll)
        self.session.catalogue.changed.connect(self._fill)
        self._timer = QTimer(self, singleShot=True, interval=500)
        self._timer.timeout.connect(self._renew)
        self.session.runs.changed.connect(self._timer.start)
        self.session.samples.changed.connect(self._timer.start)

    def on_shown(self) -> None:
        self._fill()

    def show_what(self, what: dict) -> None:
        """{"family": key} opens that guide."""
        if "family" in what:
            self._choose(what["family"])

    def commands(self) -> list[Command]:
        return [
            Command(f"learn.{f.key}", self.tr("Guide: {0}").format(f.title), lambda key=f.key: self._open(key), "Learn")
            for f in self.session.catalogue.families
            if learn_page.guide_path(f.key).exists()
        ]

    def _open(self, key: str) -> None:
        self.session.navigate.emit(self.key, {"family": key})

    # ------------------------------------------------------------------------------------------- choosing

    def _fill(self) -> None:
        chosen = self.family or self.session.catalogue.current
        self.families.blockSignals(True)
        self.families.clear()
        for family in self.session.catalogue.families:
            if learn_page.guide_path(family.key).exists():
                item = QListWidgetItem(family.title)
                item.setToolTip(family.summary)
                item.setData(Qt.ItemDataRole.UserRole, family.key)
                self.families.addItem(item)
        self.families.blockSignals(False)
        if self.families.count():
            self._choose(chosen) or self.families.setCurrentRow(0)

    def _choose(self, key: str) -> bool:
        for row in range(self.families.count()):
            if self.families.item(row).data(Qt.ItemDataRole.UserRole) == key:
                self.families.setCurrentRow(row)
                return True
        return False

    def show_family(self, key: str) -> None:
        """Shows the guide of a family and its figures."""
        if key != self.family and learn_page.guide_path(key).exists():
            self.family = key
            self.session.bridge.spawn(self._open_guide(key))

    async def _open_guide(self, key: str) -> None:
        """Reads a guide and sets its formulas on the file thread: a second's work when it is new."""
        threaded = self.session.bridge.threaded
        guide = await threaded(learn_page.read, key)
        for latex, inline in dict.fromkeys(guide.formulas.values()):
            await threaded(learn_page.formula_svg, latex, inline)
        sheets = await threaded(lambda: [QImage(str(path)) for path in learn_page.sheets(key)])
        if key != self.family:
            return
        self.stack.setCurrentWidget(self.page)
        self.page.show_guide(guide, learn_figures.Material(proof=sheets))
        self.sections.blockSignals(True)
        self.sections.clear()
        self.sections.addItems(guide.sections)
        self.sections.blockSignals(False)
        self._renew()

    def _go(self, row: int) -> None:
        """Goes to a section; it stays the marked one, also where the page ends before it is at the top."""
        if row >= 0:
            self._going = True
            self.page.scrollToAnchor(f"s{row}")
            self._going = False

    def _follow(self, link: QUrl) -> None:
        if link.scheme() in ("http", "https"):
            QDesktopServices.openUrl(link)
        elif link.scheme() == "figure":
            self.session.navigate.emit(learn_figures.KINDS[link.path()][2], {"family": self.family})

    def _follow_scroll(self, _value: int) -> None:
        """Marks the section that is being read: the last whose heading stands above the upper quarter of the view."""
        if self._going:
            return
        line = self.page.verticalScrollBar().value() + self.page.viewport().height() / 4
        row = max(0, sum(top <= line for top in self.page.heading_tops()) - 1)
        if row != self.sections.currentRow():
            self.sections.blockSignals(True)
            self.sections.setCurrentRow(row)
            self.sections.blockSignals(False)

    # --------------------------------------------------------------------------------------------- figures

    def _renew(self) -> None:
        if self.family and self.isVisible():
            self.session.bridge.spawn(self._gather(self.family))

    async def _gather(self, family: str) -> None:
        """Reads what the figures need from the newest run of the family."""
        record = next((r for r in self.session.runs.records if r.family == family), None)
        if record is None:
            return
        view, material = self.session.runs.view(record.id), learn_figures.Material(run=record.title)
        material.loss, material.validation = view.series("loss"), view.series("validation")
        material.levels = list(view.levels.losses) if view.levels else []
        if view.previews:
            path = view.folder.layout.root / view.previews[-1].path
            material.samples = learn_figures.images(await self.session.bridge.threaded(_items, path))
        material.trace = await self._trace_of(record.id)
        if family == self.family:
            material.proof = self.page.material.proof
            self.page.set_material(material)

    async def _trace_of(self, run: str) -> list[QImage]:
        """The first item of the newest recorded trace of a run, step by step."""
        from models_backend.library.index import Filter

        found = await self.session.samples.page(0, 50, Filter(run=run))
        sample = next((s for s in found if s.trace is not None), None)
        if sample is None:
            return []
        x = (await self.session.samples.trace(sample.id))["x"]
        if x.ndim == 5:
            from ..pictures import from_model

            return learn_figures.images(from_model(x[:, 0]))
        return [learn_figures.images(step.astype(np.float32))[0] for step in x]


def _items(path: object) -> np.ndarray:
    with np.load(path, allow_pickle=False) as stored:
        return stored["items"]
