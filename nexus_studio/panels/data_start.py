"""Where to begin: the drop zone and the built-in data sets, each one click away."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLabel, QMenu, QPushButton, QWidget

from .. import theme
from ..dialogs import begin_in, opened
from ..layouts import Flow, scrolled
from ..pieces import button, column, label, row, section
from ..state.opening import FILTERS
from ..state.session import Session

#: name of a built-in data set, title, what it is, icon
BUILTIN = (
    ("digits", "Handwritten digits", "1,797 real digits, 8 × 8", "digits"),
    ("shapes", "Coloured shapes", "4,000 with captions, 32 × 32", "shapes"),
    ("scenes", "Scenes", "12,000 with captions, 32 × 32", "text"),
    ("points:density=8gaussians", "Points", "20,000 two-dimensional points", "points"),
)
DENSITIES = ("8gaussians", "moons", "checkerboard", "spirals", "rings", "pinwheel", "swissroll", "two-gaussians")


def make_builtin(session: Session, name: str) -> None:
    """Makes a built-in data set and chooses it."""
    if session.bridge.engine is None:
        session.bridge.notice("The engine is still starting; try again in a moment.")
        return
    session.bridge.spawn(session.make_builtin(name))


def densities_menu(session: Session, parent: QWidget) -> QMenu:
    """One entry a density of points."""
    menu = QMenu(parent)
    for density in DENSITIES:
        action = menu.addAction(density.replace("-", " "))
        action.triggered.connect(lambda _on=False, name=density: make_builtin(session, f"points:density={name}"))
    return menu


def ask_paths(session: Session, parent: QWidget, folder: bool) -> None:
    """Asks for files or a folder to import; the dialog does not block."""
    dialog = QFileDialog(parent.window(), parent.tr("Import"), begin_in(session.preferences.get("import/folder", "")))
    dialog.setFileMode(QFileDialog.FileMode.Directory if folder else QFileDialog.FileMode.ExistingFiles)
    if not folder:
        dialog.setNameFilters(FILTERS)
    dialog.filesSelected.connect(lambda paths: _take(session, paths, dialog))
    opened(dialog)


def _take(session: Session, paths: list[str], dialog: QFileDialog) -> None:
    session.preferences.set("import/folder", dialog.directory().absolutePath())
    session.open_paths(paths)


class BuiltinCard(QPushButton):
    """A built-in data set: icon, title, what it is."""

    def __init__(self, title: str, text: str, icon: str):
        super().__init__()
        self.setProperty("role", "tile")
        self._icon, self._picture = icon, QLabel()
        words = column(label(title, "strong"), label(text, "hint"), spacing=1)
        self.setLayout(row(self._picture, words, None, spacing=10, margins=(12, 8, 12, 8)))
        for child in self.findChildren(QLabel):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName(f"{title}, {text}")
        theme.scaled(self, lambda card: (card.setMinimumWidth(theme.px(160)), card.setFixedHeight(theme.px(58))))
        self._draw()
        theme.signals.changed.connect(self._draw)

    def _draw(self) -> None:
        self._picture.setPixmap(theme.pixmap(self._icon, "accent", 24))


class DropPlace(QWidget):
    """A dashed field that says what may be dropped. The window takes the drop, wherever it falls."""

    def __init__(self, session: Session):
        super().__init__()
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = label(self.tr("Drop pictures anywhere on the window"), "large")
        text = label(
            self.tr("A folder, files, a zip or tar archive. Class folders become labels; .txt files, metadata.jsonl and .csv "
                    "become captions. The originals are only read."), "label", wrap=True)  # fmt: skip
        for words in (title, text):
            words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        files = button(self.tr("Choose files…"), "primary", lambda: ask_paths(session, self, folder=False))
        folder = button(self.tr("Choose a folder…"), "", lambda: ask_paths(session, self, folder=True))
        inner = column(
            self._picture, title, text, 4, row(None, Flow(files, folder, spacing=8), None), spacing=10, margins=(48, 36, 48, 36)
        )
        self.setLayout(inner)
        self._draw()
        theme.signals.changed.connect(self._draw)

    def _draw(self) -> None:
        self._picture.setPixmap(theme.pixmap("drop", "accent", 48))

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(theme.color("text3"), 1.4, Qt.PenStyle.DashLine)
        pen.setDashPattern([5, 4])
        painter.setPen(pen)
        painter.setBrush(theme.color("bg1"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 14, 14)


class StartPage(QWidget):
    """The drop place and, below it, the data sets that are always there."""

    def __init__(self, session: Session):
        super().__init__()
        self.drop_place = DropPlace(session)
        self.cards: list[BuiltinCard] = []
        cards = QGridLayout()
        cards.setSpacing(12)
        for name, title, text, icon in BUILTIN:
            card = BuiltinCard(title, text, icon)
            if name.startswith("points"):
                card.clicked.connect(lambda _on=False, card=card: self._ask_density(session, card))
            else:
                card.clicked.connect(lambda _on=False, name=name: make_builtin(session, name))
            cards.addWidget(card, *divmod(len(self.cards), 2))
            self.cards.append(card)
        heading = section(self.tr("Or begin with a built-in data set"))
        holder = QWidget()
        holder.setLayout(column(self.drop_place, 12, heading, cards, spacing=10))
        theme.scaled(holder, lambda one: one.setMaximumWidth(theme.px(660)))
        middle = row(None, holder, None)
        middle.setStretch(1, 100)
        inner = QWidget()
        inner.setLayout(column(None, middle, None, margins=(24, 24, 24, 24)))
        self.setLayout(column(scrolled(inner), spacing=0))

    def _ask_density(self, session: Session, card: BuiltinCard) -> None:
        densities_menu(session, card).popup(card.mapToGlobal(card.rect().bottomLeft()))
