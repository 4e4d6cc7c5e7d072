"""What the doctor found: figures as cards, the split, classes, sizes, and every file that was not imported with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QGuiApplication, QPainter
from PySide6.QtWidgets import QGridLayout, QListView, QMenu, QStyledItemDelegate, QWidget

from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, DoctorReport, Unreadable
from models_backend.contract.words import counted, sentence
from models_backend.library import accounting

from .. import theme
from ..fitting import breakable, tip
from ..pieces import Card, button, column, icon_button, label, row, section, set_role
from ..shell.words import duration
from ..state.session import Session
from .data_classes import ask_class_name, ask_new_class
from .data_gaps import CaptionGap
from .data_missing import MissingSources
from .data_paths import below, dropped_folder, shown_name
from .data_suits import SuitsList

MOST_CLASSES, MOST_SIZES, MOST_NOTES, MOST_LINES = 24, 5, 3, 5
#: A row of what was not imported with a reason of one line, one line of it, and what is left of its words and beside them.
UNREAD_ROW, LINE, LEFT, SIDES = 38, 15, 22, 26
WRAPPED = int(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft) | int(Qt.TextFlag.TextWordWrap)


class Figure(Card):
    """A number with its name; a tone and a word where it is worth a look."""

    def __init__(self, name: str):
        super().__init__(spacing=1, margin=10)
        self._number, self._note = label("", "figure"), label("", "hint")
        self.body.addWidget(label(name, "mono"))
        self.body.addWidget(self._number)
        self.body.addWidget(self._note)

    def show_number(self, number: int, note: str = "", tone: str = "") -> None:
        """Shows the number, and a note in the tone ok, warn or bad."""
        self._number.setText(f"{number:,}")
        self._note.setText(note)
        set_role(self._note, tone or "hint")
        self._note.setFont(theme.font("text", 11))


class SplitBar(QWidget):
    """Training and validation as one bar with two parts, in words below."""

    def __init__(self) -> None:
        super().__init__()
        self._train = self._validation = 0
        theme.scaled(self, lambda bar: bar.setFixedHeight(theme.px(34)))

    def show_split(self, train: int, validation: int) -> None:
        """Items in each part."""
        self._train, self._validation = train, validation
        self.setAccessibleName(f"{train:,} for training, {validation:,} for validation")
        self.update()

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        total = max(1, self._train + self._validation)
        at = (self.width() - 3) * self._train / total
        painter.setBrush(theme.color("accent"))
        painter.drawRoundedRect(QRectF(0, 2, at, 6), 3, 3)
        painter.setBrush(theme.color("accent2"))
        painter.drawRoundedRect(QRectF(at + 3, 2, self.width() - at - 3, 6), 3, 3)
        painter.setPen(theme.color("text2"))
        painter.setFont(theme.font("mono", 11))
        words = QRectF(0, 12, self.width(), self.height() - 12)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, f"train {self._train:,}")
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, f"validation {self._validation:,}")


class ClassBars(QWidget):
    """One row a class: name, bar, count. Clicking a row asks for its items."""

    chosen = Signal(str)
    menu_asked = Signal(str, QPoint)

    def __init__(self) -> None:
        super().__init__()
        self._classes: list[tuple[str, int]] = []
        self._more = 0
        theme.signals.changed.connect(self.rescale)

    def rescale(self) -> None:
        """As tall as its rows at the text size in force."""
        self.setFixedHeight((len(self._classes) + bool(self._more)) * theme.px(18) + 2)

    def show_classes(self, labels: dict[str, int], most: int = MOST_CLASSES) -> None:
        """Items in each class, the largest first where there are too many to show."""
        ordered = list(labels.items())
        if len(ordered) > most:
            ordered.sort(key=lambda pair: -pair[1])
        self._classes, self._more = ordered[:most], max(0, len(ordered) - most)
        self.rescale()
        self.setAccessibleName(", ".join(f"{name}: {number}" for name, number in self._classes))
        self.update()

    def mousePressEvent(self, event) -> None:
        name = self.name_at(event.position().toPoint())
        if name and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(name)

    def contextMenuEvent(self, event) -> None:
        if name := self.name_at(event.pos()):
            self.menu_asked.emit(name, event.globalPos())

    def name_at(self, place: QPoint) -> str:
        """The class in whose row a point lies, or ""."""
        at = int(place.y() // theme.px(18))
        return self._classes[at][0] if 0 <= at < len(self._classes) else ""

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        most, pitch = max((number for _, number in self._classes), default=1), theme.px(18)
        for position, (name, number) in enumerate(self._classes):
            self._row(painter, QRect(0, position * pitch, self.width(), pitch), name, number, most)
        if self._more:
            painter.setPen(theme.color("text2"))
            painter.setFont(theme.font("text", 11))
            painter.drawText(0, len(self._classes) * pitch + pitch - 5, f"and {self._more:,} more")

    def _row(self, painter: QPainter, place: QRect, name: str, number: int, most: int) -> None:
        words, figures = theme.font("text", 11), theme.font("mono", 10)
        width, wide = theme.px(86), theme.px(44)
        painter.setFont(words)
        painter.setPen(theme.color("text2"))
        shown = QFontMetrics(words).elidedText(name, Qt.TextElideMode.ElideMiddle, width - 6)
        painter.drawText(QRect(place.left(), place.top(), width, place.height()), Qt.AlignmentFlag.AlignVCenter, shown)
        room = place.width() - width - wide
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent", 0.75))
        bar = QRectF(place.left() + width, place.center().y() - 3, max(2.0, room * number / most), 7)
        painter.drawRoundedRect(bar, 3, 3)
        painter.setFont(figures)
        painter.setPen(theme.color("text2"))
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{number:,}")


class Unread(QAbstractListModel):
    """The files that were not imported."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Unreadable] = []
        self.names: list[str] = []

    def show(self, lines: list[Unreadable], roots: tuple[str, ...] = ()) -> None:
        """Shows lines of the report; names are told from what was dropped on."""
        self.beginResetModel()
        self.lines, folder = lines, dropped_folder(roots)
        self.names = [shown_name(below(line.source, folder)) for line in lines]
        self.endResetModel()

    def rowCount(self, parent=QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.lines)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole):
        line = self.lines[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            text = f"{shown_name(line.source)}: {line.reason}"
            return tip(text) if role == Qt.ItemDataRole.ToolTipRole else text
        return (self.names[index.row()], line.reason) if role == Qt.ItemDataRole.UserRole else None


class UnreadPainter(QStyledItemDelegate):
    """File name above, the whole reason below on as many lines as it needs."""

    def __init__(self, view: QListView):
        super().__init__(view)
        self._known: dict[tuple[str, int, int], int] = {}

    def sizeHint(self, option, index) -> QSize:
        _, reason = index.data(Qt.ItemDataRole.UserRole)
        width = self.parent().viewport().width() - SIDES
        return QSize(120, theme.px(UNREAD_ROW - LINE) + self._height(sentence(reason), width))

    def _height(self, text: str, width: int) -> int:
        """How high a reason is that is wrapped; many files have the same."""
        key = (text, width, theme.px(LINE))
        if key not in self._known:
            self._known[key] = _wrapped(theme.font("text", 11), text, width).height()
        return self._known[key]

    def paint(self, painter: QPainter, option, index) -> None:
        name, reason = index.data(Qt.ItemDataRole.UserRole)
        painter.save()
        painter.drawPixmap(option.rect.left(), option.rect.top() + 4, theme.pixmap("warn", "warn", 14))
        place = option.rect.adjusted(LEFT, 2, LEFT - SIDES, 0)
        painter.setFont(theme.font("text", 11))
        painter.setPen(theme.color("text"))
        shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, place.width())
        painter.drawText(place, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft, shown)
        place.setTop(place.top() + theme.px(LINE))
        painter.setPen(theme.color("text2"))
        painter.drawText(place, WRAPPED, breakable(sentence(reason)))
        painter.restore()


def _wrapped(font: QFont, text: str, width: int) -> QRect:
    """Where a text lies that is wrapped to a width."""
    return QFontMetrics(font).boundingRect(QRect(0, 0, max(width, theme.px(60)), 1 << 16), WRAPPED, breakable(text))


class ReportPage(QWidget):
    """The report of the chosen data set."""

    filter_asked = Signal(str, str)  # "class" | "duplicates" | "split", and which

    def __init__(self, session: Session):
        super().__init__()
        self._session, self._record = session, None
        self.report: DoctorReport | None = None
        self.missing, self.gap = MissingSources(session), CaptionGap(session, for_training=False)
        self.left_out = button("", "link", lambda: self.filter_asked.emit("split", LEFT_OUT))
        self.left_out.hide()
        self.figures = {key: Figure(name) for key, name in (
            ("imported", self.tr("imported")), ("unreadable", self.tr("unreadable")),
            ("duplicates", self.tr("duplicates")), ("captions", self.tr("captions")))}  # fmt: skip
        self.came = label("", "label", wrap=True)
        self.came.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.split, self.classes, self.unread = SplitBar(), ClassBars(), Unread()
        self.sizes, self.notes, self.suits = ClassBars(), label("", "label", wrap=True), SuitsList(session)
        self.add_class = button(self.tr("New class…"), "link", lambda: ask_new_class(self, session, self._record))
        self.add_class.setToolTip(self.tr("Make a class; items are put into it from their menu"))
        self._build()
        self.classes.setCursor(Qt.CursorShape.PointingHandCursor)
        self.classes.setToolTip(self.tr("A click shows a class; its menu renames it"))
        self.classes.chosen.connect(lambda name: self.filter_asked.emit("class", name))
        self.classes.menu_asked.connect(self._class_menu)
        self.gap.show_asked.connect(lambda: self.filter_asked.emit("split", "uncaptioned"))
        session.datasets.report_read.connect(self._take_report)
        self.suits.filled.connect(self._heads["suits"].setVisible)

    def _build(self) -> None:
        cards = QGridLayout()
        cards.setSpacing(8)
        for position, card in enumerate(self.figures.values()):
            cards.addWidget(card, position // 2, position % 2)
        self._view = QListView()
        self._view.setModel(self.unread)
        self._view.setItemDelegate(UnreadPainter(self._view))
        self._view.setAccessibleName(self.tr("Files that were not imported"))
        self._view.setResizeMode(QListView.ResizeMode.Adjust)
        self._view.setLayoutMode(QListView.LayoutMode.Batched)  # there may be very many
        self._view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        theme.scaled(self._view, lambda _view: self._fit_unread())
        copy = icon_button("copy", self.tr("Copy the list"), self._copy_unread, 14)
        self._heads = {key: section(text) for key, text in (
            ("split", self.tr("Split")), ("classes", self.tr("Classes")), ("sizes", self.tr("Sizes")),
            ("notes", self.tr("Notes")), ("suits", self.tr("Models that suit it")))}  # fmt: skip
        for key in ("split", "sizes", "notes", "suits"):
            self._heads[key].setContentsMargins(0, 8, 0, 0)
        self._unread_head, self._unread_title = QWidget(), section("")
        self._unread_head.setLayout(row(self._unread_title, None, copy))
        self._more = button("", "link", self._show_all_notes)
        self._more.hide()
        self._class_head = QWidget()
        self._class_head.setLayout(row(self._heads["classes"], None, self.add_class))
        heads = self._heads
        lines = [
            self.missing,
            cards,
            self.came,
            self.gap,
            self._unread_head,
            self._view,
            heads["split"],
            self.split,
            row(self.left_out, None),
        ]
        lines += [self._class_head, self.classes]
        lines += [
            heads["sizes"],
            self.sizes,
            heads["notes"],
            self.notes,
            row(self._more, None),
            heads["suits"],
            self.suits,
            None,
        ]
        self.setLayout(column(*lines, spacing=6, margins=(12, 2, 12, 12)))

    # ------------------------------------------------------------------------------------------ showing

    def show_dataset(self, record: DatasetRecord | None) -> None:
        """Reads and shows the report of a data set."""
        changed = record is not None and (self._record is None or record.id != self._record.id)
        self._record = record
        self.missing.show_dataset(record)
        if changed:
            self.report = None
            self._session.bridge.spawn(self._load(record))
        self._show_suitable()

    async def _load(self, record: DatasetRecord) -> None:
        await self._session.datasets.report(record.id)

    def _take_report(self, dataset: str) -> None:
        record = self._session.datasets.get(dataset)
        if self._record is not None and self._record.id == dataset and record is not None:
            self._record = record
            self.show_report(record, self._session.datasets.reports[dataset])

    def _class_menu(self, name: str, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Show its items"), lambda: self.filter_asked.emit("class", name))
        menu.addAction(self.tr("Rename…"), lambda: ask_class_name(self, self._session, self._record, name))
        menu.popup(place)

    def show_report(self, record: DatasetRecord, report: DoctorReport) -> None:
        """Shows a report."""
        self.report = report
        self.gap.show_dataset(record)
        self.left_out.setText(self.tr("{0} left out").format(f"{report.left_out:,}"))
        self.left_out.setVisible(report.left_out > 0)
        self._class_head.setVisible(record.modality == "image" or bool(report.labels))
        copied = self._session.datasets.copied.get(record.id) if report.exact_duplicates else None
        copied = copied or accounting.Copies()
        came = accounting.outcome(report, record.modality, copied.named)
        self.came.setText(shown_name(" ".join([came, *(f"{said}." for said in accounting.colours(report))])))
        self._show_figures(report)
        self._show_suitable()
        self.split.show_split(report.train, report.validation)
        self.classes.show_classes(report.labels)
        sizes = sorted(report.sizes.items(), key=lambda pair: -pair[1])
        self.sizes.show_classes(dict(sizes), MOST_SIZES)
        self._show_notes(self._notes(report, record.roots, copied.odd))
        self.unread.show([*report.unreadable, *report.ignored], record.roots)
        lines = len(self.unread.lines)
        self._unread_title.setText(self.tr("Not imported").upper() + f"  {lines:,}")
        self._fit_unread()
        for widget, seen in ((self.classes, bool(report.labels)), (self._heads["classes"], True),
                             (self.sizes, bool(sizes)), (self._heads["sizes"], bool(sizes)),
                             (self.notes, bool(self.notes.text())), (self._heads["notes"], bool(self.notes.text())),
                             (self._unread_head, lines > 0), (self._view, lines > 0)):  # fmt: skip
            widget.setVisible(seen)

    def _fit_unread(self) -> None:
        """Shows the first few of what was not imported with their whole reasons; the others are scrolled to."""
        rows = [self._view.sizeHintForRow(n) for n in range(min(len(self.unread.lines), MOST_LINES))]
        self._view.setFixedHeight(sum(rows) + 4)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit_unread()

    def _show_figures(self, report: DoctorReport) -> None:
        bad, twins = len(report.unreadable), report.exact_duplicates + report.near_duplicates
        took = f"in {duration(report.took_s)}" if report.took_s >= 1 else ""
        kept = report.imported - report.left_out
        out = f"{report.left_out:,} left out" if report.left_out else ""
        pictures = accounting.counts(report)["pictures"]
        of = f"of {pictures:,} found"
        self.figures["imported"].show_number(kept, out or (of if pictures > report.imported else took or of))
        self.figures["unreadable"].show_number(bad, "Listed below" if bad else "All could be read", "warn" if bad else "ok")
        exact = f"{report.exact_duplicates:,} exact, {report.near_duplicates:,} near" if twins else "none"
        self.figures["duplicates"].show_number(twins, exact, "warn" if twins else "")
        share = f"{100 * report.captioned / max(1, kept):.0f} % of items" if report.captioned else "none"
        self.figures["captions"].show_number(report.captioned, share)

    def _show_notes(self, notes: list[str], most: int = MOST_NOTES) -> None:
        """The first few notes, and a button for the others."""
        self._all_notes = notes
        more = len(notes) - most
        self.notes.setText("\n".join(f"• {note}" for note in (notes[:most] if more > 1 else notes)))
        self._more.setText(f"Show {counted(more, 'more note')}")
        self._more.setVisible(more > 1)

    def _show_all_notes(self) -> None:
        self._show_notes(self._all_notes, len(self._all_notes))

    def _notes(self, report: DoctorReport, roots: tuple[str, ...] = (), odd: Iterable[str] = ()) -> list[str]:
        notes = [sentence(note) for note in (report.newer, report.split_note) if note]
        notes += [shown_name(sentence(note)) for note in odd]
        if report.exact_duplicates + report.near_duplicates and not report.split_note:
            notes.append("Duplicates stay on one side of the split, so validation is not made of copies.")
        folder = dropped_folder(roots)
        return notes + [shown_name(below(sentence(note), folder)) for note in report.notes]

    def _show_suitable(self) -> None:
        report = self.report
        self.suits.show_dataset(
            self._record, report.captioned / max(1, report.imported - report.left_out) if report is not None else None
        )

    def _copy_unread(self) -> None:
        lines = [f"{shown_name(line.source)}\t{line.code}\t{line.reason}" for line in self.unread.lines]
        QGuiApplication.clipboard().setText("\n".join(lines) + "\n")
        self._session.bridge.notice(f"{counted(len(lines), 'line')} copied.")
