"""Which system packages Qt needs on Linux, asked before Qt is imported: where one is missing it aborts without a word.

The installer and the studio both use this. Standard library only, and Qt is not imported.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Mapping

#: shared library -> Debian package that brings it; without one of these Qt cannot be imported
QT_LIBRARIES = {
    "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "libxkbcommon.so.0": "libxkbcommon0", "libglib-2.0.so.0": "libglib2.0-0",
    "libfreetype.so.6": "libfreetype6", "libfontconfig.so.1": "libfontconfig1", "libdbus-1.so.3": "libdbus-1-3",
    "libpulse.so.0": "libpulse0", "libX11.so.6": "libx11-6",
}  # fmt: skip
#: for a window on an X server
X11_LIBRARIES = {
    "libxcb.so.1": "libxcb1", "libX11-xcb.so.1": "libx11-xcb1", "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4", "libxcb-image.so.0": "libxcb-image0", "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0", "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0", "libxcb-shape.so.0": "libxcb-shape0", "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1", "libxcb-util.so.1": "libxcb-util1", "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1", "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}  # fmt: skip
#: for a window on a Wayland compositor
WAYLAND_LIBRARIES = {"libwayland-client.so.0": "libwayland-client0", "libwayland-cursor.so.0": "libwayland-cursor0"}

Loads = Callable[[str], bool]


def loads(library: str) -> bool:
    """Whether the system has a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_display(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a window can be shown: always on Windows and macOS, elsewhere when a display server is named."""
    named = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    return sys.platform in ("win32", "darwin") or bool(named)


def missing(window: bool, environment: Mapping[str, str] = os.environ, loads: Loads | None = None) -> dict[str, str]:
    """The libraries that are not there and their packages. ``window``: also those that a window on the screen needs; where both
    kinds of screen are named, one that works is enough."""
    if not sys.platform.startswith("linux"):
        return {}
    found = loads or globals()["loads"]
    absent = _absent(QT_LIBRARIES, found)
    ways = [_absent(libraries, found) for libraries in _screens(environment)] if window else []
    return absent | min(ways, key=len, default={})


def _screens(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """What each kind of screen needs on which Qt may show a window here."""
    chosen = environment.get("QT_QPA_PLATFORM", "").partition(":")[0].partition(";")[0]
    if chosen:
        return {"xcb": [X11_LIBRARIES], "wayland": [WAYLAND_LIBRARIES]}.get(chosen, [])
    wayland = [WAYLAND_LIBRARIES] if environment.get("WAYLAND_DISPLAY") else []
    return wayland + ([X11_LIBRARIES] if environment.get("DISPLAY") or not wayland else [])


def _absent(libraries: Mapping[str, str], loads: Loads) -> dict[str, str]:
    return {library: package for library, package in libraries.items() if not loads(library)}


def what_is_missing(absent: Mapping[str, str]) -> str:
    """One sentence and the command that helps."""
    packages, one = " ".join(absent.values()), len(absent) == 1
    lead = f"the window needs {'a system package that is' if one else 'system packages that are'} missing here"
    if shutil.which("apt-get"):
        return f"{lead}. Run:\n    sudo apt-get install {packages}"
    return f"{lead}: {', '.join(absent)}. Install what brings {'it' if one else 'them'} (on Debian and Ubuntu: {packages})"


def silent_display(environment: Mapping[str, str] = os.environ) -> str:
    """The X display that is named but does not answer, "" where it does or where it is not asked."""
    display, chosen = environment.get("DISPLAY", ""), environment.get("QT_QPA_PLATFORM", "")
    if not sys.platform.startswith("linux") or not display or environment.get("WAYLAND_DISPLAY") or chosen not in ("", "xcb"):
        return ""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    silent = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return display if silent else ""
