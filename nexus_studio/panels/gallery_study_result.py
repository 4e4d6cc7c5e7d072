"""What a blind study found: a sentence, a row a run with its strength and interval, and the export."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QFileDialog, QGridLayout, QSizePolicy, QWidget

from models_backend.contract.run_layout import StudyRecord

from .. import paint, theme
from ..dialogs import begin_in, opened
from ..layouts import scrolled
from ..pieces import Card, Header, button, column, label, row
from ..state.session import Session
from .exporting import tell


class IntervalBar(QWidget):
    """A strength as a dot on its 95 % interval, on a scale that all rows share; a thin line stands at the mean of all."""

    def __init__(self, low: float, value: float, high: float, span: float):
        super().__init__()
        self._low, self._value, self._high, self._span = low, value, high, max(span, 1.0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{value:+.0f} ({low:+.0f} to {high:+.0f})")
        self.setMinimumWidth(120)

    def sizeHint(self) -> QSize:
        return QSize(220, 20)

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        painter.setPen(QPen(paint.ink("line"), 1))
        painter.drawLine(QPointF(self._x(0), 0), QPointF(self._x(0), self.height()))
        painter.setPen(QPen(paint.ink("accent", 0.7), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(self._x(self._low), middle), QPointF(self._x(self._high), middle))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(paint.ink("text"))
        painter.drawEllipse(QRectF(self._x(self._value) - 4, middle - 4, 8, 8))

    def _x(self, elo: float) -> float:
        return 6 + (elo / self._span + 1) / 2 * (self.width() - 12)


class StudyResult(QWidget):
    """Names and figures of a study that has ended."""

    again = Signal()
    closed = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self._session, self.record = session, None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.sentence = label("", "title", lines=6)
        self.more = label("", "label", lines=8)
        self.method = label("", "hint", wrap=True)
        self.card = Card()
        self.table: QWidget | None = None
        self._build()

    def _build(self) -> None:
        self.header = Header(self.tr("Result of the blind study"))
        self.header.corner.addWidget(button(self.tr("Close  Esc"), on_click=self.closed.emit))
        buttons = row(
            button(self.tr("Export as CSV…"), on_click=lambda: self.ask("csv")),
            button(self.tr("Export as JSON…"), on_click=lambda: self.ask("json")),
            None,
            button(self.tr("Another study of these…"), on_click=self.again.emit),
        )
        holder = QWidget()
        holder.setLayout(column(self.sentence, self.more, self.card, self.method, 4, buttons, None, spacing=12))
        theme.scaled(holder, lambda one: one.setMaximumWidth(theme.px(860)))
        centred = row(None, holder, None, margins=(24, 28, 24, 20))
        centred.setStretch(1, 100)
        middle = QWidget()
        middle.setLayout(centred)
        whole = column(self.header, scrolled(middle), spacing=0)
        whole.setStretch(1, 1)
        self.setLayout(whole)

    def show_study(self, record: StudyRecord) -> None:
        """Shows what a study found."""
        from models_backend.library.preference import result_of

        self.record = record
        result = result_of(record)
        self.header.set_hint(self.tr("{0} of {1} pairs answered").format(result.answers, len(record.pairs)))
        self.sentence.setText(result.sentence)
        self.more.setText(self._more(result))
        bounded = self.tr(" One side never lost, so half a win each way was added: else its strength has no bound.")
        self.method.setText(f"{result.method}.{bounded if result.bounded else ''}")
        if self.table is not None:
            self.table.hide()
            self.table.deleteLater()
        self.table = self._table(result.standings)
        self.card.body.addWidget(self.table)

    def _more(self, result) -> str:
        first, second = result.standings[:2]
        words = self.tr("“{0}” stands {1:.0f} Elo above “{2}” (95 %: {3:.0f} to {4:.0f}).").format(
            first.title, result.lead, second.title, result.lead_low, result.lead_high
        )
        if result.rate is None:
            return words
        rate = self.tr(" Its share of the answers is {0:.0f} % (95 %: {1:.0f} to {2:.0f} %, Wilson); p is of a sign test.")
        return words + rate.format(100 * result.rate, 100 * result.rate_low, 100 * result.rate_high)

    def _table(self, standings) -> QWidget:
        made = QWidget()
        grid = QGridLayout(made)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(20)
        grid.setVerticalSpacing(8)
        heads = [self.tr(name) for name in ("Run", "Elo", "95 % interval", "", "Won", "Lost", "Tied")]
        for place, head in enumerate(heads):
            grid.addWidget(_cell(head.upper(), "section", place > 0), 0, place)
        span = max(max(abs(s.low), abs(s.high)) for s in standings)
        for line, one in enumerate(standings, 1):
            figures = [f"{one.elo:+.0f}", f"{one.low:+.0f} to {one.high:+.0f}", None, one.wins, one.losses, one.ties]
            grid.addWidget(_cell(one.title, "strong", False), line, 0)
            for place, figure in enumerate(figures, 1):
                widget = IntervalBar(one.low, one.elo, one.high, span) if figure is None else _cell(str(figure), "mono", True)
                grid.addWidget(widget, line, place)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(3, 3)
        return made

    # ------------------------------------------------------------------------------------------ exporting

    def ask(self, form: str) -> QFileDialog:
        """Opens the file dialog; the export starts when a place was chosen."""
        folder = begin_in(self._session.preferences.get("export/folder", ""), text=True)
        name = f"{self.record.title}.{form}".replace("/", "-")
        dialog = QFileDialog(self, self.tr("Export"), str(Path(folder) / name))
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(form)
        dialog.fileSelected.connect(lambda path: self.export(path, form))
        return opened(dialog)

    def export(self, path: str, form: str) -> None:
        """Writes answers and result and says where they went."""
        self._session.preferences.set("export/folder", str(Path(path).parent))
        self._session.bridge.spawn(self._export(self.record, path, form))

    async def _export(self, record: StudyRecord, path: str, form: str) -> None:
        from models_backend.library import studies

        written = await self._session.bridge.threaded(studies.export, record, path, form)
        tell(self._session, ", ".join(str(one) for one in written), Path(path).parent)

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)


def _cell(text: str, role: str, right: bool) -> QWidget:
    made = label(text, role)
    made.setAlignment((Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft) | Qt.AlignmentFlag.AlignVCenter)
    return made
