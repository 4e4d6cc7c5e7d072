"""The cards under the curves: loss, validation, throughput, and health in words with a remedy button."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from models_backend.contract.messages import Health, HealthLine, Remedy
from models_backend.contract.words import sentence

from .. import figures, pieces, theme
from ..fitting import ElidedButton, tip
from ..layouts import scrolled, wanted_height
from ..plots.small import Spark
from ..state.run_view import RunView

#: level -> shape, word: never colour alone
LEVELS = {"ok": ("●", "healthy"), "warn": ("▲", "watch"), "bad": ("■", "trouble")}
RANK = {"ok": 0, "warn": 1, "bad": 2}
RECENT = 0.2
CARDS_PX, WIDE_PX = 116, 560
NARROW_EDGES, NARROW_WORDS_PX = 84, 100  # two rows: what stays as it is at another text size, and what grows with it


class FigureCard(pieces.Card):
    """A name, a large figure with its unit, a word on its change, and a spark line."""

    def __init__(self, name: str, color: int = 0):
        super().__init__(spacing=2, margin=12)
        self.name = pieces.label(name, "mono")
        self.figure, self.unit, self.change = pieces.label("—", "figure"), pieces.label("", "label"), pieces.label("", "hint")
        self.spark = Spark(color=color)
        self.body.addWidget(self.name)
        self.body.addLayout(pieces.row(self.figure, self.unit, self.change, None, spacing=5))
        self.body.addWidget(self.spark)
        self.body.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._show_change()

    def _show_change(self) -> None:
        """The word on the change is there where it does not press the figure."""
        wanted = sum(one.sizeHint().width() for one in (self.figure, self.unit, self.change)) + 10 + 26
        self.change.setVisible(bool(self.change.text()) and wanted <= self.width())

    def show_figure(self, value: float | None, unit: str = "") -> None:
        """A figure, or a dash."""
        self.figure.setText("—" if value is None else figures.short(value))
        self.unit.setText(unit if value is not None else "")
        self.setAccessibleName(f"{self.name.text()}: {self.figure.text()} {unit}")

    def show_change(self, change: float | None, better_down: bool = True) -> None:
        """How far a figure moved lately: an arrow, the amount, and the colour of good or bad."""
        if change is None or abs(change) < 1e-12:
            self.change.setText("")
            self._show_change()
            return
        good = (change < 0) == better_down
        pieces.set_role(self.change, "ok" if good else "warn")
        self.change.setText(f"{'▾' if change < 0 else '▴'} {figures.short(abs(change))}")
        self._show_change()


class HealthWords(QWidget):
    """One monitor: shape and word, what it says, and its remedy as a button."""

    applied = Signal(object)

    def __init__(self, line: HealthLine):
        super().__init__()
        shape, word = LEVELS[line.level]
        mark = pieces.label(f"{shape} {word}", line.level)
        head = pieces.row(mark, pieces.label(line.monitor.replace("_", " "), "hint"), None, spacing=8)
        rows = pieces.column(head, pieces.label(sentence(line.text), "body", lines=6), spacing=2, margins=(12, 6, 12, 6))
        if line.remedy is not None:
            remedy: Remedy = line.remedy
            button = ElidedButton(remedy.text)
            button.clicked.connect(lambda: self.applied.emit(remedy))
            rows.addLayout(pieces.row(button, None))
        self.setLayout(rows)


class HealthCard(pieces.Card):
    """The worst line in words, its remedy beside it; a click opens every monitor."""

    applied = Signal(object)  # Remedy

    def __init__(self) -> None:
        super().__init__(spacing=1, margin=12)
        self.body.setContentsMargins(12, 8, 12, 12)  # its heading, taller by a button, stands level with those beside it
        self.health: Health | None = None
        self.popup: QFrame | None = None
        self.verdict, self.text = pieces.label("—", "label"), pieces.label("", "hint", lines=2)
        self.text.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.remedy = ElidedButton()
        self.remedy.setProperty("role", "chip")
        self.remedy.setAccessibleName(self.tr("Remedy"))
        self.remedy.clicked.connect(lambda _on=False: self._apply())
        self.remedy.hide()
        self.more = pieces.icon_button("chevron-down", self.tr("Every monitor"), self.open, 12)
        self.name = pieces.label(self.tr("health"), "mono")
        self.body.addLayout(pieces.row(self.name, None, self.verdict, self.more, spacing=6))
        self.body.addWidget(self.text)
        self.body.addLayout(pieces.row(self.remedy, None))
        self.body.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.show_health(None)

    @property
    def worst(self) -> HealthLine | None:
        """The line to act on first: the worst level, one with a remedy before one without."""
        if self.health is None or not self.health.lines:
            return None
        return max(self.health.lines, key=lambda line: (RANK[line.level], line.remedy is not None))

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._show_name()

    def _show_name(self) -> None:
        """The name of the card is there where it does not press the verdict."""
        wanted = sum(one.sizeHint().width() for one in (self.name, self.verdict, self.more)) + 3 * 6 + 2 * 12
        self.name.setVisible(wanted <= self.width())

    def show_health(self, health: Health | None, ended: bool = False) -> None:
        """What the monitors say now; ``ended``: the run goes on no more."""
        self.health = health
        worst = self.worst
        pieces.allow(self.more, worst is not None, self.tr("Monitors speak after some steps"))
        if worst is None:
            pieces.set_role(self.verdict, "label")
            self.verdict.setText(self.tr("None"))
            early = self.tr("The run ended before its monitors reported")
            self.text.setText(early if ended else self.tr("Monitors report after some steps"))
            self.remedy.hide()
            return
        shape, word = LEVELS[worst.level]
        pieces.set_role(self.verdict, worst.level)
        self.verdict.setText(f"{shape} {word}")
        self._show_name()
        text = worst.text if worst.level != "ok" else " · ".join(line.text for line in health.lines[:3])
        text = sentence(text)
        self.text.setText(text)
        self.setToolTip(tip("\n".join(f"{LEVELS[line.level][1].capitalize()}: {sentence(line.text)}" for line in health.lines)))
        self.setAccessibleName(self.tr("Health: {0}, {1}").format(word, text))
        self.remedy.setVisible(worst.remedy is not None)
        if worst.remedy is not None:
            how = (
                self.tr("Applies to the run while it goes on; then queues a new run")
                if worst.remedy.live
                else self.tr("Queues a new run")
            )
            self.remedy.setToolTip(f"{worst.remedy.text}\n{how}")
            self.remedy.setAccessibleName(worst.remedy.text)
            self.remedy.setText(worst.remedy.text)

    def _apply(self) -> None:
        if self.worst is not None and self.worst.remedy is not None:
            self.applied.emit(self.worst.remedy)

    def open(self) -> QFrame | None:
        """Show every monitor in a small frame over the card."""
        if self.health is None:
            return None
        self.popup = QFrame(self, Qt.WindowType.Popup)
        pieces.set_role(self.popup, "popup")
        self.popup.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        inside = QWidget()
        lines = QVBoxLayout(inside)
        lines.setContentsMargins(0, 6, 0, 6)
        for line in sorted(self.health.lines, key=lambda line: -RANK[line.level]):
            words = HealthWords(line)
            words.applied.connect(self.applied)
            words.applied.connect(lambda _: self.popup.close())
            lines.addWidget(words)
        area = scrolled(inside)
        around = QVBoxLayout(self.popup)
        around.setContentsMargins(1, 1, 1, 1)
        around.addWidget(area)
        room = self.window().rect().adjusted(12, 12, -12, -12)
        width = min(theme.px(460), room.width())
        height = min(theme.px(360), wanted_height(inside, width - 12) + 8, room.height())
        self.popup.resize(width, height)
        place = self.mapTo(self.window(), QPoint(self.width() - width, self.height() + 4))
        inside_window = QPoint(max(place.x(), room.left()), min(place.y(), room.bottom() + 1 - height))
        self.popup.move(self.window().mapToGlobal(inside_window))
        self.popup.show()
        return self.popup

    def mouseReleaseEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.more.isEnabled():
            self.open()


class Cards(QWidget):
    """Four in a row, or two rows of two where the middle is narrow; sparks are drawn where there is the height for them."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = FigureCard(self.tr("loss"), 0)
        self.validation = FigureCard(self.tr("validation"), 1)
        self.speed = FigureCard(self.tr("throughput"), 2)
        self.health = HealthCard()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(12, 8, 12, 10)
        self._grid.setSpacing(10)
        self._grid.setSizeConstraint(QGridLayout.SizeConstraint.SetNoConstraint)
        self._columns = 0
        self._arrange()
        theme.signals.changed.connect(self._arrange)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        columns = 4 if self.width() >= theme.px(WIDE_PX) else 2
        self.setFixedHeight(theme.px(CARDS_PX) if columns == 4 else NARROW_EDGES + theme.px(NARROW_WORDS_PX))
        if columns == self._columns:
            return
        self._columns = columns
        for place, card in enumerate((self.loss, self.validation, self.speed, self.health)):
            self._grid.addWidget(card, place // columns, place % columns)
            self._grid.setColumnStretch(place, 0 if place >= columns else 4 if place == 3 else 3)
        self._grid.setRowStretch(1, 0 if columns == 4 else 1)
        for card in (self.loss, self.validation, self.speed):
            card.spark.setVisible(columns == 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(280, self.height())

    def show_run(self, view: RunView | None) -> None:
        """Bring all four up to date."""
        if view is None:
            for card in (self.loss, self.validation, self.speed):
                card.show_figure(None)
                card.show_change(None)
                card.spark.set_values([])
            self.health.show_health(None)
            return
        self._show_loss(view)
        self._show_validation(view)
        self._show_speed(view)
        if view.health is None or view.health is not self.health.health:
            self.health.show_health(view.health, view.ended)

    def _show_loss(self, view: RunView) -> None:
        _, values = view.series("loss")
        recent = values[-max(1, int(len(values) * 0.02)) :]
        self.loss.show_figure(float(recent.mean()) if len(recent) else None)
        self.loss.spark.set_values(values[int(len(values) * (1 - RECENT)) :])

    def _show_validation(self, view: RunView) -> None:
        _, values = view.series("validation")
        self.validation.show_figure(view.last("validation"))
        self.validation.show_change(float(values[-1] - values[-2]) if len(values) > 1 else None)
        self.validation.spark.set_values(values)

    def _show_speed(self, view: RunView) -> None:
        unit = "img/s" if view.record.spec.modality == "image" else self.tr("items/s")
        self.speed.show_figure(view.last("rate"), unit)
        self.speed.spark.set_values(view.series("rate")[1][-200:])
