"""The top bar: menu, data set, command palette, device meter."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QToolButton, QWidget

from .. import theme
from ..commands import Commands
from ..figures import megabytes
from ..fitting import ElidedButton, menu_text
from ..pieces import chip, label, meter, row
from ..state.session import Session
from .words import dataset_size

#: A bar narrower than this leaves the data set's size to its menu, so that its name can be read.
ROOMY_PX = 1100


class DeviceMeter(QWidget):
    """Name of the busiest device, a bar, and its memory."""

    def __init__(self) -> None:
        super().__init__()
        self._name, self._bar, self._figures = label("", "mono"), meter("device", 80), label("", "mono")
        self._known: list[str] = []
        self.setLayout(row(self._name, self._bar, self._figures))
        self.setAccessibleName(self.tr("Device memory"))

    def show_devices(self, devices: list) -> None:
        """Shows the last device, accelerators come after the processor; the tooltip tells of all."""
        self.setVisible(bool(devices))
        if not devices:
            return
        device = devices[-1]
        share = device.used_mb / device.total_mb if device.total_mb else 0.0
        self._name.setText(device.name)
        self._bar.setValue(round(1000 * share))
        self._figures.setText(f"{device.used_mb / 1024:.1f} / {megabytes(device.total_mb)}")
        lines = self._known = [f"{one.name}: {megabytes(one.used_mb)} of {megabytes(one.total_mb)} in use" for one in devices]
        self.setToolTip("\n".join(lines))
        self.setAccessibleDescription(lines[-1])

    def known(self) -> list[str]:
        """A line on each device."""
        return self._known

    def set_roomy(self, roomy: bool) -> None:
        """Narrow windows show the bar and the figures only."""
        self._name.setVisible(roomy)


class DatasetButton(ElidedButton):
    """The chosen data set; a menu chooses another."""

    asked = Signal(str)
    import_asked = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.setProperty("role", "status")
        self.setMenu(QMenu(self))
        self._one = QActionGroup(self)
        self.menu().aboutToShow.connect(self._fill)
        session.datasets.changed.connect(self.refresh)
        session.datasets.current_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Shows the chosen data set's title."""
        record = self._session.datasets.current_record
        self.setText((record.title if record else self.tr("No data set")) + "   ")
        self.setAccessibleName(self.tr("Data set: ") + self.text().strip())

    def _fill(self) -> None:
        self.menu().clear()
        for record in self._session.datasets.records:
            action = self.menu().addAction(
                f"{menu_text(record.title)}   ·   {dataset_size(record.modality, record.kept, record.shape)}"
            )
            action.setActionGroup(self._one)
            action.setCheckable(True)
            action.setChecked(record.id == self._session.datasets.current)
            action.triggered.connect(lambda _checked=False, key=record.id: self._session.datasets.set_current(key))
        self.menu().addSeparator()
        self.menu().addAction(self.tr("Import…")).triggered.connect(lambda _checked=False: self.import_asked.emit())


class SearchButton(ElidedButton):
    """Opens the command palette."""

    def __init__(self, on_click: Callable[[], object]):
        super().__init__()
        self.setProperty("role", "search")
        self.setAccessibleName(self.tr("Command palette"))
        self.clicked.connect(lambda _checked=False: on_click())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 8, 0)
        layout.addStretch(1)
        self._key = label("Ctrl K", "key")
        self._key.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout.addWidget(self._key)
        self.setMaximumWidth(420)
        self.setText(self.tr("Search or run a command"))

    def _chrome(self, hint: QSize) -> int:
        return super()._chrome(hint) + self._key.sizeHint().width() + 12


class TopBar(QFrame):
    """Brand and menu, data set, search, device meter."""

    def __init__(self, session: Session, on_search: Callable[[], object], commands: Commands):
        super().__init__()
        self._session, self._commands = session, commands
        self.setProperty("role", "bar")
        self.brand = self._brand()
        self.dataset = DatasetButton(session)
        self.size = chip("")
        self.search = SearchButton(on_search)
        self.device = DeviceMeter()
        left, right = QWidget(), QWidget()
        left.setLayout(row(self.brand, label("/", "faint"), self.dataset, self.size, None, spacing=6))
        right.setLayout(row(None, self.device))
        layout = row(spacing=12, margins=(8, 0, 12, 0))
        layout.addWidget(left, 3)
        layout.addWidget(self.search, 2)
        layout.addWidget(right, 3)
        self.setLayout(layout)
        self.device.show_devices([])
        session.datasets.current_changed.connect(self.refresh)
        session.datasets.changed.connect(self.refresh)
        theme.signals.changed.connect(self.rescale)
        self.rescale()
        self.refresh()

    def _brand(self) -> QToolButton:
        brand = QToolButton()
        brand.setProperty("role", "brand")
        brand.setText("Nexus Studio")
        brand.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        theme.keep_icon(brand, "diamond", "accent", size=14)
        brand.setIconSize(QSize(14, 14))
        brand.setAccessibleName(self.tr("Menu"))
        brand.setToolTip(self.tr("Menu  (F10)"))
        menu = QMenu(brand)
        menu.aboutToShow.connect(self.refresh_menu)
        menu.aboutToHide.connect(self._commands.enable_all)
        brand.setMenu(menu)
        brand.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        brand.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return brand

    def refresh_menu(self) -> None:
        """Fills the menu anew; what is not possible now is greyed."""
        self._commands.fill_menu(self.brand.menu())

    def rescale(self) -> None:
        """Sizes the bar for the text size in force."""
        self.setFixedHeight(theme.px(42))

    def refresh(self) -> None:
        """Shows the chosen data set."""
        record = self._session.datasets.current_record
        self.size.setVisible(record is not None and self.width() > theme.px(ROOMY_PX))
        if record is not None:
            self.size.setText(dataset_size(record.modality, record.kept, record.shape))

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.device.set_roomy(self.width() > theme.px(1000))
        self.refresh()
