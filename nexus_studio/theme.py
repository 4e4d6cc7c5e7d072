"""Theme: the colour tokens, the palette and style sheet made from them, the bundled fonts and the tinted icons.

Both themes come from one set of names in ``resources/theme/tokens.json``. Widgets ask ``color(name)`` while they
paint and are repainted after a change (every widget gets a PaletteChange); what cannot wait for that connects to
``signals.changed``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from weakref import ref

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
THEMES = ("dark", "light")
BASE_PX = 13
#: Text sizes that can be chosen, in pixels beyond the usual one, and as the factors that they are.
TEXT_STEPS = (-2, -1, 0, 2, 4, 6)
TEXT_SIZES = tuple((BASE_PX + step) / BASE_PX for step in TEXT_STEPS)
FAMILIES = {"text": "Inter", "mono": "JetBrains Mono"}


class Signals(QObject):
    """``changed`` tells that theme, text size or motion changed."""

    changed = Signal()


signals = Signals()
_now = {"theme": "dark", "scale": 1.0, "still": False}


@cache
def _tokens() -> dict:
    return json.loads((RESOURCES / "theme" / "tokens.json").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------- tokens


def current() -> str:
    """The name of the theme in force: "dark" or "light"."""
    return _now["theme"]


def text_scale() -> float:
    """The factor on every text size."""
    return _now["scale"]


def reduced_motion() -> bool:
    """Whether nothing may be animated."""
    return _now["still"]


def token(name: str, theme: str = "") -> str:
    """The value "#rrggbb" or "#rrggbbaa" of a colour token."""
    return _tokens()[theme or current()][name]


def token_names() -> tuple[str, ...]:
    """Every colour token."""
    return tuple(_tokens()["dark"])


@cache
def _colour(value: str) -> QColor:
    colour = QColor(value[:7])
    if len(value) == 9:
        colour.setAlpha(int(value[7:], 16))
    return colour


def color(name: str, alpha: float = 1.0) -> QColor:
    """The colour of a token in the theme in force."""
    colour = QColor(_colour(token(name)))
    if alpha < 1.0:
        colour.setAlphaF(alpha)
    return colour


def series_color(position: int) -> QColor:
    """The colour of the n-th series of a plot (a colour-blind-safe list, repeated)."""
    colours = _tokens()["series"][current()]
    return QColor(colours[position % len(colours)])


def px(size: float) -> int:
    """A length or text size in pixels at the chosen text size."""
    return max(1, round(size * _now["scale"]))


# -------------------------------------------------------------------------------------------------- fonts


@cache
def load_fonts() -> tuple[str, ...]:
    """Registers the bundled fonts once; returns the family names that Qt found in them."""
    names: list[str] = []
    for path in sorted((RESOURCES / "fonts").iterdir()):
        if path.suffix in (".otf", ".ttf"):
            names += QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(path)))
    return tuple(dict.fromkeys(names))


def font(kind: str = "text", size: float = 13, weight: int = 400) -> QFont:
    """The "text" or "mono" font at a size in unscaled pixels and a weight from 100 to 900."""
    made = QFont(FAMILIES[kind])
    made.setPixelSize(px(size))
    made.setWeight(QFont.Weight(weight))
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


# ------------------------------------------------------------------------------------------------ applying


def _palette() -> QPalette:
    roles = {
        "Window": "bg0", "WindowText": "text", "Base": "bg2", "AlternateBase": "bg1", "Text": "text", "Button": "bg2",
        "ButtonText": "text", "BrightText": "bad", "Highlight": "accent", "HighlightedText": "on_accent", "ToolTipBase": "bg3",
        "ToolTipText": "text", "PlaceholderText": "text3", "Link": "accent", "LinkVisited": "accent", "Light": "bg3",
        "Midlight": "bg3", "Mid": "line", "Dark": "line", "Shadow": "bg0", "Accent": "accent",
    }  # fmt: skip
    palette = QPalette()
    for role, name in roles.items():
        palette.setColor(getattr(QPalette.ColorRole, role), color(name))
    for role in ("WindowText", "Text", "ButtonText"):
        palette.setColor(QPalette.ColorGroup.Disabled, getattr(QPalette.ColorRole, role), color("text3"))
    return palette


def stylesheet() -> str:
    """The style sheet with tokens and text sizes filled in."""
    text = (RESOURCES / "theme" / "studio.qss").read_text(encoding="utf-8")
    text = text.replace("@icons", (RESOURCES / "theme").as_posix()).replace("@theme", current())
    text = text.replace("@opposite", "light" if current() == "dark" else "dark")
    text = text.replace("@knob", token("text") if current() == "dark" else token("accent"))
    text = re.sub(r"@(\d+)px", lambda found: f"{px(int(found[1]))}px", text)
    return re.sub(r"@([a-z]\w*)", lambda found: token(found[1]), text)


def apply(app: QApplication, theme: str = "dark", scale: float = 1.0, still: bool = False) -> None:
    """Puts a theme, a text size and the reduced-motion choice in force for the whole application."""
    load_fonts()
    app.setStyleSheet("")  # from one sheet straight to another takes Qt six times as long
    _now.update(theme=theme if theme in THEMES else "dark", scale=scale, still=still)
    app.setStyle("Fusion")
    app.setFont(font("text", BASE_PX))
    app.setPalette(_palette())
    app.setStyleSheet(stylesheet())
    pixmap.cache_clear()
    _retint()
    _rescale()
    signals.changed.emit()


# -------------------------------------------------------------------------------------------------- icons


@cache
def _drawing(name: str) -> str:
    return (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")


def icon_names() -> list[str]:
    """Every icon of the set."""
    return sorted(path.stem for path in (RESOURCES / "icons").glob("*.svg"))


@cache
def pixmap(name: str, tint: str = "text2", size: int = 18, ratio: float = 0.0) -> QPixmap:
    """An icon drawn in the colour of token ``tint``, ``size`` pixels square on a screen of device ``ratio``."""
    app = QGuiApplication.instance()
    ratio = ratio or (app.devicePixelRatio() if app else 1.0)
    drawn = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    drawn.fill(Qt.GlobalColor.transparent)
    renderer = QSvgRenderer(QByteArray(_drawing(name).replace("currentColor", color(tint).name()).encode()))
    painter = QPainter(drawn)
    renderer.render(painter, QRectF(0, 0, drawn.width(), drawn.height()))
    painter.end()
    drawn.setDevicePixelRatio(ratio)
    return drawn


def icon(name: str, tint: str = "text2", checked_tint: str = "", size: int = 18) -> QIcon:
    """A tinted icon with its checked, active and disabled states; see ``keep_icon`` for one that follows the theme."""
    made = QIcon()
    made.addPixmap(pixmap(name, tint, size), QIcon.Mode.Normal, QIcon.State.Off)
    made.addPixmap(pixmap(name, checked_tint or tint, size), QIcon.Mode.Normal, QIcon.State.On)
    made.addPixmap(pixmap(name, "text3", size), QIcon.Mode.Disabled, QIcon.State.Off)
    made.addPixmap(pixmap(name, "text3", size), QIcon.Mode.Disabled, QIcon.State.On)
    return made


_scaled: dict[int, tuple] = {}


def scaled(widget: QWidget, size: Callable[[QWidget], object]) -> None:
    """Calls ``size(widget)`` now and whenever the text size changes, as long as the widget lives."""
    key = id(widget)
    _scaled[key] = (ref(widget, lambda _gone: _scaled.pop(key, None)), size)
    size(widget)


def _rescale() -> None:
    from shiboken6 import isValid

    for key, (widget_ref, size) in list(_scaled.items()):
        widget = widget_ref()
        if widget is None or not isValid(widget):
            _scaled.pop(key, None)
        else:
            size(widget)


_kept: dict[int, tuple] = {}


def keep_icon(owner, name: str, tint: str = "text2", checked_tint: str = "", size: int = 18) -> None:
    """Gives ``owner`` (anything with ``setIcon``) an icon that is tinted anew when the theme changes."""
    key = id(owner)
    _kept[key] = (ref(owner, lambda _gone: _kept.pop(key, None)), name, tint, checked_tint, size)
    owner.setIcon(icon(name, tint, checked_tint, size))


def _retint() -> None:
    from shiboken6 import isValid

    for key, (owner_ref, *drawn) in list(_kept.items()):
        owner = owner_ref()
        if owner is None or not isValid(owner):
            _kept.pop(key, None)
        else:
            owner.setIcon(icon(*drawn))
