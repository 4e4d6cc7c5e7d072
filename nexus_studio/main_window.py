"""The main window: rail, bars, notices, drop zones, palette, and the workspaces, each built on its first show."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QMargins, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QMainWindow, QStackedWidget, QStyle, QWidget

from models_backend.contract.messages import Trouble
from models_backend.library import standing

from . import number_boxes, theme
from .bridge import trouble_of
from .commands import Command, Commands
from .naming import plain
from .panels.workspace import Frame, Workspace
from .pieces import EmptyState, column, row, rule
from .shell.actions import window_commands
from .shell.bottom_bar import BottomBar
from .shell.closed import Closing
from .shell.drop_zones import DropZones
from .shell.keys import ask_menu, press
from .shell.latency import LatencyMeter
from .shell.notices import NoticeBar
from .shell.rail import Rail
from .shell.tab_order import following, go_to, reading_order
from .shell.top_bar import TopBar
from .shell.undoing import Undoing
from .state.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from .shell.palette import Palette
    from .shell.settings import SettingsPage

#: key, title, class; the file is panels/<key>.py
WORKSPACES = (
    ("data", "Data", "DataPanel"),
    ("train", "Train", "TrainPanel"),
    ("sample", "Sample", "SamplePanel"),
    ("trajectory", "Trajectory", "TrajectoryPanel"),
    ("latent", "Latent", "LatentPanel"),
    ("gallery", "Gallery", "GalleryPanel"),
    ("learn", "Learn", "LearnPanel"),
)


#: The window is never made smaller than this, unless the screen is; nothing that is shown may ask for more.
LEAST = QSize(1000, 640)
#: So long after a window is shown the system has framed it.
FRAMED_MS = 200


def within(place: QRect, room: QRect) -> QRect:
    """A place of at most the size of ``room``, moved into it."""
    size = place.size().boundedTo(room.size() - QSize(2, 2))
    left = max(room.left(), min(place.left(), room.right() - size.width()))
    top = max(room.top(), min(place.top(), room.bottom() - size.height()))
    return QRect(QPoint(left, top), size)


def _unbuilt(session: Session, key: str, why: str) -> Workspace:
    made = Workspace(session)
    made.key = key
    made.title = next(title for known, title, _ in WORKSPACES if known == key)
    made.set_central(EmptyState("bad", f"{made.title} cannot be shown", why))
    return made


class MainWindow(QMainWindow):
    """The window. ``closing`` is told once, before it goes, so that the app can end the engine."""

    closing = Signal()
    workspace_shown = Signal(str)

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.setWindowTitle("Nexus Studio")
        self.setWindowIcon(theme.icon("nexus", size=64))
        self.setAcceptDrops(True)
        self.workspaces: dict[str, Workspace] = {}
        self.current = ""
        self.actions_list = Commands(self)
        self.latency = LatencyMeter()
        self._build()
        self.undoing = Undoing(self)
        self._connect()
        self.actions_list.add(*window_commands(self))
        self.top.refresh_menu()
        self._restore_geometry()
        self._closing = Closing(session)

    # ------------------------------------------------------------------------------------------ building

    def _build(self) -> None:
        self.rail = Rail([(key, title) for key, title, _ in WORKSPACES])
        self.top = TopBar(self.session, self.open_palette, self.actions_list)
        self.bottom = BottomBar(self.session, self.toggle_jobs)
        self.stack = QStackedWidget()
        self.notices = NoticeBar(self.stack)
        stage = Frame(self.stack, QSize(600, 360), QSize(1216, 360))
        middle = row(self.rail, rule(vertical=True), stage, spacing=0)
        middle.setStretch(2, 1)
        whole = QWidget()
        whole.setLayout(column(self.top, rule(), middle, rule(), self.bottom, spacing=0))
        whole.layout().setStretch(2, 1)
        self.setCentralWidget(whole)
        self.notices.setParent(self)
        self.installEventFilter(self.notices)
        self.drops = DropZones(self)
        self._palette: Palette | None = None
        self._settings: SettingsPage | None = None
        self.library_root: Path | None = None  # where the library is looked for, known before it is open
        self.jobs_box: QWidget | None = None
        self._trash: QWidget | None = None

    def _connect(self) -> None:
        session, bridge = self.session, self.session.bridge
        self.rail.chosen.connect(self.show_workspace)
        self.top.dataset.import_asked.connect(self.import_files)
        bridge.trouble.connect(self._tell_trouble)
        for said in (bridge.noticed, bridge.offered, number_boxes.signals.refused, self.drops.refused):
            said.connect(self.notices.show_line)
        bridge.proposed.connect(self.notices.show_ways)
        self.notices.elsewhere.connect(self.bottom.show_problems)
        self.bottom.problems_asked.connect(self.notices.bring)
        session.standing.came_back.connect(self._came_back)
        session.navigate.connect(self.go_to)
        self.drops.dropped.connect(session.open_paths)
        self.latency.told.connect(self.bottom.show_ui_latency)
        bridge.preview_took.connect(self.bottom.show_preview_latency)
        self._geometry_timer = QTimer(self, singleShot=True, interval=300)
        self._geometry_timer.timeout.connect(self._keep_geometry)

    # ---------------------------------------------------------------------------------------- workspaces

    def show_first(self) -> None:
        """Shows the workspace that was shown last."""
        self.show_workspace(self.first_key())

    def first_key(self) -> str:
        """The workspace that was shown last, Data at the very first start."""
        kept = self.session.preferences.get("workspace", "data")
        return kept if any(key == kept for key, _, _ in WORKSPACES) else "data"

    def workspace(self, key: str) -> Workspace:
        """The workspace with that key, built when it is asked for the first time."""
        if key not in self.workspaces:
            class_name = next(name for known, _, name in WORKSPACES if known == key)
            made = self._made(key, class_name)
            self.workspaces[key] = made
            self.stack.addWidget(made)
            self.actions_list.add(*made.commands(), *self._layout_commands(made), owner=key)
        return self.workspaces[key]

    def _came_back(self) -> None:
        self.notices.withdraw(standing.WHAT)

    def _tell_trouble(self, trouble: Trouble) -> None:
        """Shows what went wrong, but for a failed import that stands in the list of data sets before the user's eyes."""
        told = plain(trouble, self.session.title_of)
        failed = [(verdict.trouble.what, verdict.trouble.item) for verdict in self.session.verdicts.of("import")]
        listed = getattr(self.workspaces.get(self.current), "list", None) if self.current == "data" else None
        if listed is None or not listed.isVisible() or (told.what, told.item) not in failed:
            self.notices.show_trouble(told)

    def _made(self, key: str, class_name: str) -> Workspace:
        """A new workspace; one that cannot be built says so in its place, and the rest of the window lives."""
        try:
            return getattr(import_module(f"nexus_studio.panels.{key}"), class_name)(self.session)
        except Exception as error:
            trouble = trouble_of(error)
            made = _unbuilt(self.session, key, trouble.what)
            self.notices.show_trouble(trouble, made)
            return made

    def _layout_commands(self, workspace: Workspace) -> list[Command]:
        def here() -> bool:
            return self.current == workspace.key

        found = [
            Command(f"view.dock.{workspace.key}.{key}", f"{workspace.title}: show or hide {dock.windowTitle()}",
                    lambda dock=dock: workspace.toggle_dock(dock), "View", icon="layout", enabled=here,
                    why=self.tr("Go to {0} first").format(workspace.title))
            for key, dock in workspace.docks.items()
        ]  # fmt: skip
        return found

    def show_workspace(self, key: str) -> None:
        """Shows a workspace and remembers that it is the current one."""
        workspace, focused, before = self.workspace(key), self.focusWidget(), self.stack.currentWidget()
        own = workspace.focusWidget()  # what had the focus when it was left
        left = workspace is not before and focused is not None and before.isAncestorOf(focused)
        self.stack.setCurrentWidget(workspace)
        self.rail.show_current(key)
        below = focused is not None and self.bottom.isAncestorOf(focused)
        if focused in (None, self.top.brand) or below or (left and own is None):
            workspace.setFocus()
        self.current = key
        self.actions_list.set_scope(key)
        self.session.undo.front = key
        self.session.preferences.set("workspace", key)
        self.workspace_shown.emit(key)

    def go_to(self, key: str, what: object) -> None:
        """Shows a workspace with something in it."""
        self.show_workspace(key)
        if isinstance(what, dict) and what:
            self.workspaces[key].show_what(what)

    def reset_layout(self) -> None:
        """Puts the docks of the current workspace back."""
        if self.current:
            self.workspaces[self.current].reset_layout()

    # -------------------------------------------------------------------------------------------- boxes

    @property
    def palette_box(self) -> Palette:
        """The command palette, made when it is first asked for."""
        if self._palette is None:
            from .shell.finding import Finder
            from .shell.palette import Palette

            self._palette = Palette(self, Finder(self).entries)
        return self._palette

    def open_palette(self) -> None:
        """Opens the command palette, or closes it when it is open."""
        if self.palette_box.isVisible():
            self.palette_box.close_palette()
        else:
            self.palette_box.open()

    def toggle_jobs(self) -> None:
        """Opens the list of jobs above the bottom bar, or closes it."""
        if self.jobs_box is None:
            from .panels.jobs import JobsPanel

            self.jobs_box = JobsPanel(self.session, self)
        self.jobs_box.hide() if self.jobs_box.isVisible() else self.jobs_box.open()

    def open_settings(self, page: str = "General") -> None:
        """Opens the settings at a page."""
        if self._settings is None:
            from .shell.settings import SettingsPage

            self._settings = SettingsPage(self)
        self._settings.open_at(page)

    def open_trash(self) -> None:
        """Shows what was deleted."""
        if self._trash is None:
            from .panels.trash import TrashBox

            self._trash = TrashBox(self.session, self)
        self._trash.open()

    def import_files(self) -> None:
        """Asks for files to import; the dialog does not block."""
        self._ask_paths(folder=False)

    def import_folder(self) -> None:
        """Asks for a folder to import; the dialog does not block."""
        self._ask_paths(folder=True)

    def _ask_paths(self, folder: bool) -> None:
        from .panels.data_start import ask_paths

        ask_paths(self.session, self, folder)

    def tab_order(self) -> list[QWidget]:
        """What Tab goes through, as one reads: the top bar, the rail, the workspace column by column, the bottom bar."""
        workspace = self.workspaces.get(self.current)
        return reading_order(self, [part for part in (self.top, self.rail, workspace, self.bottom) if part is not None])

    def focusNextPrevChild(self, forward: bool) -> bool:
        now = self.focusWidget()
        if now is not None and not (now.isEnabled() and now.isVisibleTo(self)):  # no key: what had the focus was switched off
            self._rest_focus(now)
            return True
        target = following(self.tab_order(), now, forward)
        if target is None:
            return super().focusNextPrevChild(forward)
        go_to(target, forward)
        return True

    def _rest_focus(self, off: QWidget) -> None:
        """Gives the focus to the panel around what cannot have it any more, never to a button beside it."""
        around = off.parentWidget()
        while around is not None and around is not self:
            if around.focusPolicy() != Qt.FocusPolicy.NoFocus and around.isEnabled() and around.isVisibleTo(self):
                around.setFocus()
                return
            around = around.parentWidget()
        place = self.workspaces.get(self.current)
        place.setFocus() if place is not None else off.clearFocus()

    def keyPressEvent(self, event) -> None:
        """What nothing below took: Return presses the button with the focus, Shift+F10 asks for a menu there."""
        if not press(self.focusWidget(), event) and not ask_menu(self.focusWidget(), event):
            super().keyPressEvent(event)

    # ---------------------------------------------------------------------------------------- looks, place

    def apply_theme(self, **changes) -> None:
        """Changes theme, text size or motion, and remembers it."""
        from PySide6.QtWidgets import QApplication

        keep = self.session.preferences
        for name, value in changes.items():
            keep.set(name, value)
        theme.apply(
            QApplication.instance(), keep.get("theme", "dark"), keep.get("text_size", 1.0), keep.get("reduced_motion", False)
        )

    def _restore_geometry(self) -> None:
        kept = self.session.preferences.get("geometry")
        if not kept or not self.restoreGeometry(QByteArray.fromBase64(kept.encode())):
            self.resize(1280, 800)
            self.setGeometry(self.rect().translated(self.screen().availableGeometry().center() - self.rect().center()))
        self.fit_frame(QMargins(0, self.style().pixelMetric(QStyle.PixelMetric.PM_TitleBarHeight), 0, 0))

    def fit_frame(self, frame: QMargins | None = None) -> None:
        """Brings the window with its frame (None: as it is, which is known once it is shown) onto its screen."""
        frame = self.windowHandle().frameMargins() if frame is None else frame
        room = self.screen().availableGeometry()
        self.setMinimumSize(LEAST.boundedTo(room.marginsRemoved(frame).size() - QSize(2, 2)))
        place = within(self.geometry().marginsAdded(frame), room).marginsRemoved(frame)
        if place != self.geometry() and not self.isMaximized() and not self.isFullScreen():
            self.setGeometry(place)

    def showEvent(self, event) -> None:
        super().showEvent(event)
        placed = self.geometry()
        QTimer.singleShot(FRAMED_MS, self, lambda: self.fit_frame() if self.geometry() == placed else None)

    def _keep_geometry(self) -> None:
        self.session.preferences.set("geometry", bytes(self.saveGeometry().toBase64().data()).decode())

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._geometry_timer.start()
        if self.drops.isVisible():
            self.drops.setGeometry(self.rect())
        if self._palette is not None and self._palette.isVisible():
            self._palette.place()
        if self.jobs_box is not None and self.jobs_box.isVisible():
            self.jobs_box.place()
        if self._trash is not None and self._trash.isVisible():
            self._trash.place()

    def moveEvent(self, event) -> None:
        super().moveEvent(event)
        self._geometry_timer.start()

    def raise_window(self) -> None:
        """Brings the window to the front: a second start asked for it."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    # ---------------------------------------------------------------------------------------------- drops

    def dragEnterEvent(self, event) -> None:
        record = self.session.datasets.current_record
        self.drops.enter(event, record.title if record else "")

    def dragMoveEvent(self, event) -> None:
        self.drops.move_over(event)

    def dragLeaveEvent(self, event) -> None:
        self.drops.leave()

    def dropEvent(self, event) -> None:
        self.activateWindow()  # keys go to what the files were let go over, no longer to where they came from
        self.drops.drop(event)

    def closeEvent(self, event) -> None:
        self._keep_geometry()
        for workspace in self.workspaces.values():
            workspace.save_layout()
        self._closing.note(self)
        event.accept()
        self.closing.emit()
