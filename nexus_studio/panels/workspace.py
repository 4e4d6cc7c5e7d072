"""A workspace: an arrangement of docks around a central view, kept and restored."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QDockWidget, QFrame, QHBoxLayout, QLabel, QMainWindow, QScrollArea, QWidget

from .. import theme
from ..commands import Command
from ..pieces import column, label, set_role
from ..state.session import Session

LAYOUT_VERSION = 1


class DockTitle(QWidget):
    """The heading of a dock; dragging it moves the dock. ``corner`` takes widgets on the right."""

    def __init__(self, title: str):
        super().__init__()
        self.heading = label(title, "heading")
        self.hint: QLabel = label("", "mono")
        self.corner = QHBoxLayout()
        self.corner.setSpacing(4)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 10, 6)
        layout.addWidget(self.heading)
        layout.addStretch(1)
        layout.addWidget(self.hint)
        layout.addLayout(self.corner)
        self.rescale()
        theme.signals.changed.connect(self.rescale)

    def rescale(self) -> None:
        """As tall as the text size in force asks for."""
        self.setFixedHeight(theme.px(36))


class Dock(QDockWidget):
    """A dock with the studio's heading."""

    def __init__(self, key: str, title: str, widget: QWidget):
        super().__init__(title)
        self.setObjectName(key)
        self.heading = DockTitle(title)
        self.setTitleBarWidget(self.heading)
        self.setWidget(widget)
        self.setAccessibleName(title)


class Column(QScrollArea):
    """Scrolls up and down, and is never narrower than what it holds."""

    def minimumSizeHint(self) -> QSize:
        inner = self.widget().minimumSizeHint().width() if self.widget() is not None else 0
        return QSize(inner + self.verticalScrollBar().sizeHint().width(), 60)


def scrolled(widget: QWidget) -> QScrollArea:
    """A widget that scrolls vertically when it is taller than its place."""
    area = Column()
    area.setWidget(widget)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.viewport().setAutoFillBackground(False)
    widget.setAutoFillBackground(False)
    return area


class Middle(QWidget):
    """What stands between the docks. Its size hint stays the same whatever it shows, so that the docks keep their width."""

    def __init__(self, inner: QWidget):
        super().__init__()
        self.setLayout(column(inner, spacing=0))

    def sizeHint(self) -> QSize:
        return QSize(480, 360)


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
        self._shown = False

    # ------------------------------------------------------------------------------------------- building

    def set_central(self, widget: QWidget) -> None:
        """Puts the main view in the middle."""
        set_role(widget, widget.property("role") or "canvas")
        self.setCentralWidget(Middle(widget))

    def add_dock(
        self,
        key: str,
        title: str,
        widget: QWidget,
        area: Qt.DockWidgetArea = Qt.DockWidgetArea.RightDockWidgetArea,
        width: int | None = None,
        height: int | None = None,
    ) -> Dock:
        """Adds a dock; ``width`` (side areas) or ``height`` (top and bottom) is its first size in pixels.

        ``dock.heading.hint`` is the mono hint at the right of its heading."""
        dock = Dock(key, title, widget)
        self.addDockWidget(area, dock)
        self.docks[key] = dock
        if width is not None:
            self._sizes.append((dock, theme.px(width), Qt.Orientation.Horizontal))
        if height is not None:
            self._sizes.append((dock, theme.px(height), Qt.Orientation.Vertical))
        dock.installEventFilter(self)
        return dock

    # --------------------------------------------------------------------------------------- what panels fill

    def on_shown(self) -> None:
        """Called once, when the workspace is shown for the first time."""

    def show_what(self, what: dict) -> None:
        """Called when another panel (or the palette) asks to see something here."""

    def commands(self) -> list[Command]:
        """The actions of this workspace."""
        return []

    # --------------------------------------------------------------------------------------------- layout

    def showEvent(self, event) -> None:
        super().showEvent(event)
        if not self._shown:
            self._shown = True
            self.restore_layout()
            self.on_shown()

    def eventFilter(self, watched, event) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide) and self._shown:
            self._keep_timer.start()
        return super().eventFilter(watched, event)

    def save_layout(self) -> None:
        """Keeps the arrangement in the preferences."""
        state = bytes(self.saveState(LAYOUT_VERSION).toBase64().data()).decode()
        self.session.preferences.set(f"layout/{self.key}", state)

    def restore_layout(self) -> None:
        """Brings back the kept arrangement, or the first one."""
        self._size_docks()
        self._first_layout = self.saveState(LAYOUT_VERSION)
        kept = self.session.preferences.get(f"layout/{self.key}")
        if kept:
            self.restoreState(QByteArray.fromBase64(kept.encode()), LAYOUT_VERSION)

    def place_docks(self) -> None:
        """Gives docks that were hidden at first their sizes, unless the user has arranged this workspace."""
        if self._shown and not self.session.preferences.get(f"layout/{self.key}"):
            self._size_docks()

    def _size_docks(self) -> None:
        for orientation in (Qt.Orientation.Horizontal, Qt.Orientation.Vertical):
            sized = [(dock, size) for dock, size, along in self._sizes if along == orientation]
            if sized:
                self.resizeDocks([dock for dock, _ in sized], [size for _, size in sized], orientation)

    def reset_layout(self) -> None:
        """Puts every dock back where it was at first."""
        if self._first_layout is not None:
            self.restoreState(self._first_layout, LAYOUT_VERSION)
            for dock in self.docks.values():
                dock.setFloating(False)
                dock.show()
            self._size_docks()
        self.session.preferences.set(f"layout/{self.key}", None)
