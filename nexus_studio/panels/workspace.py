"""A workspace: an arrangement of docks around a central view, kept and restored."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QDockWidget, QHBoxLayout, QMainWindow, QWidget

from .. import theme
from ..commands import Command
from ..fitting import ElidedLabel
from ..layouts import Footed, Frame, Headed, give_way, scrolled
from ..pieces import EmptyState, label, set_role
from ..state.session import Session
from ..state.undo import UndoStack

__all__ = ["Footed", "Frame", "Headed", "Workspace", "scrolled"]

LAYOUT_VERSION = 2
DOCK_LEAST, MIDDLE_LEAST, MIDDLE_HINT = QSize(170, 90), QSize(340, 200), QSize(480, 360)


class DockTitle(QWidget):
    """The heading of a dock; dragging it moves the dock. ``corner`` takes widgets on the right."""

    def __init__(self, title: str):
        super().__init__()
        self.heading = label(title, "heading")
        self.hint = give_way(ElidedLabel(side=Qt.AlignmentFlag.AlignRight))
        self.corner = QHBoxLayout()
        self.corner.setSpacing(4)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 10, 6)
        layout.addWidget(self.heading)
        layout.addWidget(self.hint, 1)
        layout.addLayout(self.corner)
        self.rescale()
        theme.signals.changed.connect(self.rescale)

    def rescale(self) -> None:
        """As tall as the text size in force asks for."""
        self.setFixedHeight(theme.px(36))

    def sizeHint(self) -> QSize:
        """A dock goes by this, not by the fixed height."""
        return QSize(super().sizeHint().width(), theme.px(36))

    def minimumSizeHint(self) -> QSize:
        return QSize(60, theme.px(36))


class Dock(QDockWidget):
    """A dock with the studio's heading. Its least size goes by the text size, never by what it holds."""

    def __init__(self, key: str, title: str, widget: QWidget):
        super().__init__(title)
        self.setObjectName(key)
        self.heading = DockTitle(title)
        self.setTitleBarWidget(self.heading)
        self.setWidget(Frame(widget, DOCK_LEAST, DOCK_LEAST))
        self.setAccessibleName(title)

    def keyPressEvent(self, event) -> None:
        """Escape that nothing here took is the window's, also while the dock floats."""
        super().keyPressEvent(event)
        if self.isFloating() and event.key() == Qt.Key.Key_Escape:
            QApplication.sendEvent(self.parentWidget().window(), event)


class Workspace(QMainWindow):
    """The frame that every panel fills: ``set_central`` and ``add_dock`` in ``__init__``, ``show_what`` when something
    is to be shown, ``on_shown`` for work that waits for the first show, ``commands`` for its actions."""

    key = ""
    title = ""
    icon_name = ""
    layout_changed = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.steps = UndoStack()  # what is undone here before anything of the library
        session.ready.connect(self._know)
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockNestingEnabled(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAnimated(not theme.reduced_motion())
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.docks: dict[str, Dock] = {}
        self._first_layout: QByteArray | None = None
        self._sizes: list[tuple[QDockWidget, int, Qt.Orientation]] = []
        self._keep_timer = QTimer(self, singleShot=True, interval=300)
        self._keep_timer.timeout.connect(self.save_layout)
        self._fit_timer = QTimer(self, singleShot=True, interval=0)
        self._fit_timer.timeout.connect(self.place_docks)
        self._shown = self._pressed = self._arranged = False
        theme.signals.changed.connect(self._fit_timer.start)

    # ------------------------------------------------------------------------------------------- building

    def set_central(self, widget: QWidget) -> None:
        """Puts the main view in the middle."""
        set_role(widget, widget.property("role") or "canvas")
        middle = Frame(widget, MIDDLE_LEAST, MIDDLE_HINT)
        middle.setProperty("column", True)  # read as one block, as docks are (see shell.tab_order)
        self.setCentralWidget(middle)

    def add_dock(
        self,
        key: str,
        title: str,
        widget: QWidget,
        area: Qt.DockWidgetArea = Qt.DockWidgetArea.RightDockWidgetArea,
        width: int | None = None,
        height: int | None = None,
    ) -> Dock:
        """Adds a dock; ``width`` (side areas) or ``height`` (top and bottom) is its size in a window of 1280 x 800.

        ``dock.heading.hint`` is the mono hint at the right of its heading."""
        dock = Dock(key, title, widget)
        self.addDockWidget(area, dock)
        self.docks[key] = dock
        if width is not None:
            self._sizes.append((dock, width, Qt.Orientation.Horizontal))
        if height is not None:
            self._sizes.append((dock, height, Qt.Orientation.Vertical))
        dock.installEventFilter(self)
        dock.topLevelChanged.connect(lambda _floats: self._note_arranged())
        return dock

    def toggle_dock(self, dock: QDockWidget) -> None:
        """Shows or hides a dock because the user wants it so."""
        dock.setVisible(not dock.isVisible())
        self._note_arranged()

    # --------------------------------------------------------------------------------------- what panels fill

    def on_shown(self) -> None:
        """Called once, when the workspace is shown for the first time."""

    def show_what(self, what: dict) -> None:
        """Called when another panel (or the palette) asks to see something here."""

    def commands(self) -> list[Command]:
        """The actions of this workspace."""
        return []

    def tall_dock(self, key: str, size: int, room: int) -> int:
        """The height of a dock in a workspace ``room`` tall."""
        return tall(size, room)

    def _know(self) -> None:
        """What says that there is nothing says so only once the library has been read."""
        for empty in self.findChildren(EmptyState):
            empty.set_known(self.session.is_ready)

    # --------------------------------------------------------------------------------------------- layout

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._know()
        if not self._shown:
            self._shown = True
            self.restore_layout()
            self.on_shown()

    def eventFilter(self, watched, event) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide) and self._shown:
            self._keep_timer.start()
        return False

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit_timer.start()

    def event(self, event) -> bool:
        kind = event.type()
        if kind == QEvent.Type.MouseButtonPress:
            hit = self.childAt(event.position().toPoint())
            self._pressed = hit is None or hit.objectName() == "qt_qmainwindow_extended_splitter"  # an edge between docks
        elif kind == QEvent.Type.MouseButtonRelease and self._pressed:
            self._pressed = False
            self._note_arranged()
        return super().event(event)

    def _note_arranged(self) -> None:
        """The user has arranged this workspace: from now on it is kept as it is, instead of following the window's size."""
        if self._shown:
            self._arranged = True
            self._keep_timer.start()

    def save_layout(self) -> None:
        """Keeps the arrangement in the preferences, where there is one of the user's."""
        if self._arranged:
            state = bytes(self.saveState(LAYOUT_VERSION).toBase64().data()).decode()
            self.session.preferences.set(f"layout/{self.key}", state)

    def restore_layout(self) -> None:
        """Brings back the kept arrangement, or the first one."""
        self._size_docks()
        self._first_layout = self.saveState(LAYOUT_VERSION)
        kept = self.session.preferences.get(f"layout/{self.key}")
        restored = bool(kept) and self.restoreState(QByteArray.fromBase64(kept.encode()), LAYOUT_VERSION)
        self._arranged = restored

    def place_docks(self) -> None:
        """Gives docks the sizes that suit the window and the text, unless the user has arranged this workspace."""
        if self._shown and not self._arranged:
            self._size_docks()

    def _size_docks(self) -> None:
        for orientation, room in ((Qt.Orientation.Horizontal, self.width()), (Qt.Orientation.Vertical, self.height())):
            sized = [(dock, size) for dock, size, along in self._sizes if along == orientation and dock.isVisibleTo(self)]
            if sized:
                across = orientation == Qt.Orientation.Horizontal
                sizes = [wide(size, room) if across else self.tall_dock(dock.objectName(), size, room) for dock, size in sized]
                self.resizeDocks([dock for dock, _ in sized], sizes, orientation)

    def reset_layout(self) -> None:
        """Puts every dock back where it was at first."""
        if self._first_layout is not None:
            self.restoreState(self._first_layout, LAYOUT_VERSION)
            for dock in self.docks.values():
                dock.setFloating(False)
                dock.show()
            self._size_docks()
        self._arranged = False
        self.session.preferences.set(f"layout/{self.key}", None)


def wide(size: int, room: int) -> int:
    """The width of a side dock in a workspace ``room`` wide: it grows with window and text, and leaves room for the middle."""
    grown = max(theme.px(size), round(size * min(room / 1216, 1.35)))
    return max(DOCK_LEAST.width(), min(grown, round(room * (0.26 if size < 280 else 0.34))))


def tall(size: int, room: int) -> int:
    """The height of a dock in a workspace ``room`` tall."""
    grown = max(theme.px(size), round(size * min(room / 728, 1.6)))
    return max(DOCK_LEAST.height(), min(grown, round(room * 0.36)))
