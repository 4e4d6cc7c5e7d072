"""The actions of the window itself; each workspace adds its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import theme
from ..commands import Command
from ..dialogs import show_folder
from .bottom_bar import HELD
from .settings import settings_commands

if TYPE_CHECKING:
    from ..main_window import MainWindow


def window_commands(window: MainWindow) -> list[Command]:
    """Everything that can be done wherever one is."""
    own = [*_go(window), *_file(window), *_edit(window), *_run(window), *_view(window), *_help(window)]
    return [*own, *settings_commands(window.open_settings)]


def _go(window: MainWindow) -> list[Command]:
    from ..main_window import WORKSPACES

    made = [
        Command(f"go.{key}", f"Go to {title}", lambda key=key: window.show_workspace(key), "Go", f"Ctrl+{position}", key)
        for position, (key, title, _) in enumerate(WORKSPACES, 1)
    ]
    palette = Command("go.palette", "Command palette", window.open_palette, "Go", "Ctrl+K", "search", keywords="search find")
    jobs = Command("go.jobs", "Jobs", window.toggle_jobs, "Go", "Ctrl+J", "jobs", keywords="queue running waiting")
    menu = Command("go.menu", "Menu", window.top.brand.showMenu, "Go", "F10", "more")
    return [palette, *made, jobs, menu]


def _file(window: MainWindow) -> list[Command]:
    session = window.session
    builtin = [
        Command(f"file.builtin.{name}", title, lambda name=name: session.bridge.spawn(session.make_builtin(name)), "File",
                icon=icon, keywords=words)
        for name, title, icon, words in (
            ("digits", "Use the handwritten digits", "digits", "built-in data set mnist"),
            ("shapes", "Use the coloured shapes", "shapes", "built-in data set captions"),
            ("scenes", "Use the scenes that words describe", "text", "built-in data set captions text prompts"),
            ("points:density=8gaussians", "Use 2-D points: eight Gaussians", "points", "built-in data set density"),
        )
    ]  # fmt: skip
    return [
        Command("file.import", "Import files…", window.import_files, "File", "Ctrl+O", "import", keywords="open add data"),
        Command("file.import_folder", "Import a folder…", window.import_folder, "File", "Ctrl+Shift+O", "folder"),
        *builtin,
        Command("file.trash", "Trash…", window.open_trash, "File", "", "trash", keywords="deleted restore empty undelete"),
        Command("file.quit", "Quit", window.close, "File", "Ctrl+Q", "close", keywords="exit"),
    ]


def _edit(window: MainWindow) -> list[Command]:
    own = window.undoing
    return [
        Command("edit.undo", "Undo", own.undo, "Edit", "Ctrl+Z", "undo", lambda: bool(own.next().undo_text),
                why="There is nothing to undo"),
        Command("edit.redo", "Redo", own.redo, "Edit", "Ctrl+Shift+Z", "redo", lambda: bool(own.next(again=True).redo_text),
                more_shortcuts=("Ctrl+Y",), why="There is nothing to do again"),
    ]  # fmt: skip


def _run(window: MainWindow) -> list[Command]:
    jobs, runs = window.session.jobs, window.session.runs

    def state() -> str:
        view = runs.view(jobs.active.run) if jobs.active else None
        return jobs.phase(view.id, view.state) if view else ""

    def ask(verb: str, *more: object) -> None:
        if jobs.active is not None:
            jobs.ask(verb, jobs.active.run, *more)

    return [
        Command("run.pause", "Pause the running job", lambda: ask("pause"), "Run", "", "pause", lambda: state() == "running",
                why="Nothing is in training"),
        Command("run.resume", "Go on with the job", lambda: ask("resume"), "Run", "", "play", lambda: state() in HELD,
                why="Nothing is paused"),
        Command("run.stop_after", "Stop the running job after its step", lambda: ask("stop", True), "Run", "", "stop-after",
                lambda: bool(state()), why="Nothing is in training"),
        Command("run.stop", "Stop the running job now", lambda: ask("stop", False), "Run", "", "stop", lambda: bool(state()),
                why="Nothing is in training"),
    ]  # fmt: skip


def _view(window: MainWindow) -> list[Command]:
    keep = window.session.preferences

    def sized(by: int) -> None:
        now = min(range(len(theme.TEXT_SIZES)), key=lambda i: abs(theme.TEXT_SIZES[i] - theme.text_scale()))
        window.apply_theme(text_size=theme.TEXT_SIZES[max(0, min(len(theme.TEXT_SIZES) - 1, now + by))])

    def other() -> None:
        window.apply_theme(theme="light" if theme.current() == "dark" else "dark")

    def full() -> None:
        window.showNormal() if window.isFullScreen() else window.showFullScreen()

    return [
        Command("view.theme", "Switch between dark and light", other, "View", "Ctrl+Shift+L", "sun", keywords="theme colour"),
        Command("view.larger", "Larger text", lambda: sized(1), "View", "Ctrl++", "text", more_shortcuts=("Ctrl+=",)),
        Command("view.smaller", "Smaller text", lambda: sized(-1), "View", "Ctrl+-", "text"),
        Command("view.normal", "Normal text size", lambda: window.apply_theme(text_size=1.0), "View", "Ctrl+0", "text"),
        Command("view.motion", "Reduced motion on or off",
                lambda: window.apply_theme(reduced_motion=not keep.get("reduced_motion", False)), "View", "", "eye"),
        Command("view.reset", "Reset layout", window.reset_layout, "View", "", "layout"),
        Command("view.full", "Full screen", full, "View", "F11", "maximise"),
        Command("view.dismiss", "Dismiss all notices", window.notices.dismiss_all, "View", "", "close"),
    ]  # fmt: skip


def _help(window: MainWindow) -> list[Command]:
    def library_folder() -> None:
        library = window.session.bridge.library
        if library is not None:
            show_folder(library.layout.root)

    return [
        Command("help.guides", "Guides", lambda: window.show_workspace("learn"), "Help", "F1", "learn", keywords="help learn"),
        Command("help.library", "Open the library's folder", library_folder, "Help", "", "folder"),
    ]
