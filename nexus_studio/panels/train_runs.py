"""The list of runs: state in words and shape, progress, a button that lays the run's curve over the selected one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QInputDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyle,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from models_backend.contract.exports import WEIGHTS
from models_backend.contract.messages import State, Trouble

from .. import figures, pieces, theme
from ..dialogs import ask_text
from ..fitting import menu_text
from ..layouts import wanted_height
from ..naming import plain
from ..state.edits import Rewriting
from ..state.session import Session
from . import exporting, train_apart

REDRAW_MS = 250
ROW_PX = 46
RUN_ROLE = Qt.ItemDataRole.UserRole
#: state -> shape, colour token: a state is never told by colour alone
SHAPES = {
    "not started": ("○", "text2"), "queued": ("◷", "text2"), "starting": ("◔", "accent"), "running": ("●", "ok"),
    "pausing": ("‖", "warn"), "paused": ("‖", "warn"),
    "stopped": ("■", "text2"), "finished": ("✓", "ok"), "failed": ("✕", "bad"), "interrupted": ("!", "warn"),
}  # fmt: skip


class RunRow(QWidget):
    """One run: shape, title, state and progress, comparison box."""

    compared = Signal(str, bool)
    stirred = Signal(str)  # its words, or their size, are others

    def __init__(self, run: str, title: str):
        super().__init__()
        self.run = run
        self._selected = False
        self.shape = QLabel()
        self.title, self.line = pieces.label(title, "body", lines=2), pieces.label("", "hint")
        self.why = pieces.label("", "bad")
        self.why.hide()
        self.shape.setFixedWidth(theme.px(18))
        self.shape.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.box = pieces.icon_button("compare", self.tr("Compare with the selected run"), size=14)
        self.box.setCheckable(True)
        self.box.toggled.connect(lambda on: self.compared.emit(run, on))
        self.box.toggled.connect(lambda _: self._tell_comparison())
        words = pieces.column(self.title, self.line, self.why, spacing=0)
        line = pieces.row(self.shape, words, self.box, spacing=6, margins=(2, 2, 2, 2))
        line.setStretch(1, 1)
        self.setLayout(line)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.stirred.emit(self.run)
        return super().event(event)

    def show_selected(self, selected: bool) -> None:
        """The selected run is not compared with itself."""
        self._selected = selected
        self._tell_comparison()

    def _tell_comparison(self) -> None:
        pieces.allow(self.box, not self._selected, self.tr("This is the selected run: compare another run with it"))
        if not self._selected:
            stop = self.tr("Stop comparing: take the curve of this run away from that of the selected run")
            begin = self.tr("Compare with the selected run: lay the curve of this run over its curve")
            self.box.setToolTip(stop if self.box.isChecked() else begin)

    def show_state(self, state: str, line: str, why: str = "") -> None:
        """Bring the row up to date. ``why``: the reason of a failure, a line of its own."""
        shape, token = SHAPES.get(state, ("●", "text2"))
        self.shape.setText(shape)
        self.shape.setStyleSheet(f"color: {theme.token(token)};")
        self.line.set_whole(line)
        self.why.set_whole(why)
        self.why.setVisible(bool(why))
        self.setAccessibleName(f"{self.title.text()}: {line}. {why}".removesuffix(". "))


class Rows(QListWidget):
    """A list whose row widgets are as wide as it is at once (Qt leaves them as they were when only the width changes).
    Only a plain left click selects: a menu is for the run that it is opened on, Ctrl+click (``joined``) for the comparison."""

    narrowed = Signal()
    joined = Signal(QListWidgetItem)

    def __init__(self):
        super().__init__()
        self._selects = True

    def edges(self) -> QSize:
        """What the style keeps free around the widget of a row."""
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        option.rect = QRect(0, 0, 1000, 1000)
        inner = self.style().subElementRect(QStyle.SubElement.SE_ItemViewItemText, option, self)
        return option.rect.size() - inner.size()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        left = event.button() == Qt.MouseButton.LeftButton
        self._selects = left and not event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if self._selects:
            super().mousePressEvent(event)
        elif left and (item := self.itemAt(event.position().toPoint())) is not None:
            self.joined.emit(item)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._selects:
            super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._selects:
            super().mouseReleaseEvent(event)
        self._selects = True

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.narrowed.emit()
            self.scheduleDelayedItemsLayout()


class RunsList(QWidget):
    """Newest first. The chosen run is the session's; ``compared`` tells the set of runs laid over it."""

    compared = Signal(list)
    delete_asked = Signal(str)
    use_asked = Signal(str)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._rows: dict[str, RunRow] = {}
        self._items: dict[str, QListWidgetItem] = {}
        self._stale: set[str] = set()
        self._over: list[str] = []
        self._soon = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._soon.timeout.connect(self._update_stale)
        self.list = Rows()
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.setAccessibleName(self.tr("Runs"))
        self.none = pieces.label(self.tr("No run yet. What you train stands here."), "hint", wrap=True)
        self.none.setContentsMargins(14, 2, 14, 8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.none)
        layout.addWidget(self.list, 1)
        self._connect()

    def _connect(self) -> None:
        runs = self._session.runs
        runs.changed.connect(self.refresh)
        runs.current_changed.connect(self._follow)
        runs.state_known.connect(self._note)
        self._session.jobs.changed.connect(self._update_all)
        self._session.ready.connect(self.refresh)
        theme.signals.changed.connect(self._update_all)
        self.list.currentItemChanged.connect(self._choose)
        self.list.narrowed.connect(self._fit_all)
        self.list.joined.connect(lambda item: self.toggle_comparison(item.data(RUN_ROLE)))
        self.list.customContextMenuRequested.connect(self._open_menu)
        self.refresh()

    def refresh(self) -> None:
        """Read the session's runs anew."""
        self.list.blockSignals(True)
        self.list.clear()
        self._rows, self._items = {}, {}
        for record in self._session.runs.records:
            row = RunRow(record.id, record.title)
            row.compared.connect(self._compare)
            row.stirred.connect(self._fit)
            item = QListWidgetItem()
            item.setData(RUN_ROLE, record.id)
            self.list.addItem(item)
            self.list.setItemWidget(item, row)
            self._rows[record.id], self._items[record.id] = row, item
            row.box.setChecked(record.id in self._over)
        self.list.blockSignals(False)
        self.none.setVisible(not self._rows and self._session.is_ready)
        self._update_all()
        self._follow(self._session.runs.current)

    def _note(self, run: str) -> None:
        self._stale.add(run)
        if not self._soon.isActive():
            self._soon.start()

    def _update_stale(self) -> None:
        for run in self._stale:
            self.update_row(run)
        self._stale.clear()

    def _update_all(self) -> None:
        for run in self._rows:
            self.update_row(run)

    def update_row(self, run: str) -> None:
        """Bring one row up to date."""
        record = self._session.runs.get(run)
        if run not in self._rows or record is None:
            return
        known = self._session.runs.states.get(run, State("queued"))
        state, step = (self._session.jobs.phase(run, known.state), known.step) if run in self._session.runs.states else ("", 0)
        family = self._session.catalogue.get(record.family)
        total = record.steps
        done = f"{figures.short(step)} / {figures.short(total)}" if total and step < total else figures.short(step)
        why = self._why(run, record.title, known)
        state = "failed" if why and state == "not started" else state
        place = self._session.catalogue.works_in(record)
        place = "" if place in record.title else place
        line = " · ".join(filter(None, (state, done, family.title if family else record.family, place)))
        self._rows[run].show_state(state, line, why)
        self._fit(run)

    def _fit_all(self) -> None:
        for run in self._rows:
            self._fit(run)

    def _fit(self, run: str) -> None:
        """As tall as the row is at the width of the list: a long title takes two lines."""
        if run in self._items:
            edges = self.list.edges()
            height = wanted_height(self._rows[run], self.list.viewport().width() - edges.width())
            self._items[run].setSizeHint(QSize(60, max(theme.px(ROW_PX), height + edges.height())))

    def _why(self, run: str, title: str, known: State) -> str:
        """Why a run failed, in words: what it said, or what its job did where it could not begin."""
        reason = known.reason if known.state == "failed" else ""
        if known.state in ("queued", "interrupted"):
            job = next((job for job in self._session.jobs.records if job.run == run and job.state == "failed"), None)
            reason = job.reason if job is not None else ""
        return plain(Trouble(reason, title), self._session.title_of).what

    def _follow(self, run: str) -> None:
        for known, row in self._rows.items():
            row.show_selected(known == run)
        if run in self._items:
            self.list.setCurrentItem(self._items[run])

    def _choose(self, item: QListWidgetItem | None, _before: QListWidgetItem | None) -> None:
        if item is not None:
            self._session.runs.set_current(item.data(RUN_ROLE))

    def _compare(self, run: str, on: bool) -> None:
        self._over = [known for known in self._over if known != run] + ([run] if on else [])
        self.compared.emit(list(self._over))

    def toggle_comparison(self, run: str) -> None:
        """Lay a run over the selected one, or take it away."""
        if run in self._rows:  # it may be deleted while its menu is open
            self._rows[run].box.click()

    def compare(self, runs: list[str]) -> None:
        """Lay exactly these runs over the chosen one."""
        for run, row in self._rows.items():
            row.box.setChecked(run in runs)

    def _open_menu(self, place: QPoint) -> None:
        item = self.list.itemAt(place)
        if item is not None:
            self.open_menu(item.data(RUN_ROLE), self.list.viewport().mapToGlobal(place))

    def open_menu(self, run: str, place: QPoint) -> None:
        """The menu of a run, at a place on the screen."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        self._add_comparison(menu, run)
        menu.addAction(self.tr("Use these settings"), lambda: self.use_asked.emit(run)).setToolTip(
            self.tr("Put the settings of this run into the set-up of a new one; nothing is started")
        )
        menu.addAction(self.tr("Settings of this run…"), lambda: self.read_settings(run))
        menu.addAction(self.tr("Rename…"), lambda: self.ask_title(run))
        menu.addAction(self.tr("Sample from it"), lambda: self._session.navigate.emit("sample", {"run": run}))
        export = menu.addAction(self.tr("Export the model…"), lambda: self.export(run))
        export.setEnabled(self.learned(run))
        export.setToolTip(
            self.tr("Write the weights of the networks as {0}").format(", ".join(WEIGHTS))
            if export.isEnabled() else self.tr("The run has learned nothing yet")
        )  # fmt: skip
        menu.addSeparator()
        menu.addAction(self.tr("Delete"), lambda: self.delete_asked.emit(run))
        menu.popup(place)

    def read_settings(self, run: str) -> None:
        """Show all that a run was made with, to be read."""
        record = self._session.runs.get(run)
        if record is not None:  # it may be deleted while its menu is open
            train_apart.read_settings(self._session, record, self)

    def learned(self, run: str) -> bool:
        """Whether a run has taken a step, as far as is known."""
        known = self._session.runs.states.get(run)
        return known is None or known.step > 0

    def export(self, run: str) -> None:
        """Ask where the weights of a run are written."""
        record = self._session.runs.get(run)
        if record is not None:  # it may be deleted while its menu is open
            exporting.ask_model(self._session, self, record)

    def _add_comparison(self, menu: QMenu, run: str) -> None:
        box = self._rows[run].box
        stop = box.isChecked() and box.isEnabled()
        words = self.tr("Stop comparing") if stop else self.tr("Compare with the selected run")
        action = menu.addAction(words, lambda: self.toggle_comparison(run))
        action.setEnabled(box.isEnabled())
        action.setToolTip(box.toolTip())

    def comparable(self) -> list[str]:
        """The runs that can be laid over the selected one, or taken away."""
        return [run for run, row in self._rows.items() if row.box.isEnabled()]

    def ask_comparison(self) -> None:
        """A menu of the runs that can be laid over the selected one."""
        self._session.navigate.emit("train", {})
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for run in self.comparable():
            action = menu.addAction(menu_text(self._session.title_of(run)), lambda run=run: self.toggle_comparison(run))
            action.setCheckable(True)
            action.setChecked(self._rows[run].box.isChecked())
        menu.popup(self.list.viewport().mapToGlobal(QPoint(0, 0)))

    def ask_title(self, run: str) -> QInputDialog:
        """Ask for another title without blocking the window."""
        title = self._session.runs.get(run).title
        return ask_text(self, self.tr("Title of the run"), title, lambda text: self.rename(run, text))

    def rename(self, run: str, title: str) -> None:
        """Give a run another title, as an edit that can be undone."""
        before = self._session.runs.get(run).title
        if title.strip() and title != before:
            text = self.tr("Rename “{0}”").format(before)
            self._session.undo.push_kept(text, Rewriting(self._session, "run", run, {"title": before}, {"title": title}))
