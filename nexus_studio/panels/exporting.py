"""Exporting what was made: one menu of formats, a file dialog that does not block, one request to the engine."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from models_backend.contract.exports import HOLD_S, NUMBERS, RATE, RATES, WEIGHTS, file_name
from models_backend.contract.grids import named
from models_backend.contract.messages import Export
from models_backend.contract.run_layout import RunRecord, SampleRecord
from models_backend.contract.words import counted, sentence
from models_backend.library import storage
from models_backend.library.trouble import explained

from ..bridge import Way
from ..dialogs import begin_in, opened, show_folder
from ..state.session import Session


@dataclass(frozen=True)
class Choice:
    """A line of the menu: what is written, in which format. ``folder``: one file an item, into a folder."""

    text: str
    what: str
    format: str
    folder: bool = False
    needs_trace: bool = False


CHOICES = (
    Choice("Contact sheet · PNG", "sheet", "png"),
    Choice("Contact sheet · WebP", "sheet", "webp"),
    Choice("Each item · PNG", "items", "png", folder=True),
    Choice("Each item · WebP", "items", "webp", folder=True),
    Choice("Film of the steps · MP4", "trace", "mp4", needs_trace=True),
    Choice("Film of the steps · WebM", "trace", "webm", needs_trace=True),
    Choice("Film of the steps · GIF", "trace", "gif", needs_trace=True),
    Choice("Film of the steps · APNG", "trace", "apng", needs_trace=True),
    Choice("Items as a film · MP4", "path", "mp4"),
    Choice("Items as a film · WebM", "path", "webm"),
    Choice("Items as a film · GIF", "path", "gif"),
    Choice("Numbers · CSV", "items", "csv"),
    Choice("Numbers · NPY", "items", "npy"),
)


def fill_menu(
    menu: QMenu, session: Session, owner: QWidget, record: SampleRecord, items: list[int] | None = None,
    beside: Sequence[SampleRecord] = (), whole: bool = False, cell: bool = False, first: str = "",
) -> QMenu:  # fmt: skip
    """Fills a menu with every way to export a sample, and those ``beside`` it; ``items`` narrows it to some of its own.
    ``whole``: the sheet of a cell is that of its grid, and all else that of the cell, where this ``cell`` is chosen. ``first``:
    what stands at the top, where it is asked for ("trace", "path")."""
    menu.setToolTipsVisible(True)
    strip = menu.addAction(_tr("Leave the metadata out"))
    strip.setCheckable(True)
    strip.setChecked(session.preferences.get("export/strip", False))  # the menu closes at this click, and is filled anew
    strip.toggled.connect(lambda on: session.preferences.set("export/strip", on or None))
    strip.setToolTip(_tr("Without it a dropped file cannot bring its state back"))
    _offer_rates(menu, session)
    menu.addSeparator()
    for choice in sorted(CHOICES, key=lambda choice: choice.what != first):
        action = menu.addAction(_tr(choice.text))
        missing = lacking_of([record, *beside], choice, whole and not cell)
        action.setEnabled(not missing)
        action.setToolTip(sentence(missing))
        action.triggered.connect(
            lambda _=False, c=choice: ask(session, owner, record, c, items or [], strip.isChecked(), beside, whole)
        )
    return menu


def _offer_rates(menu: QMenu, session: Session) -> None:
    """How films are written from now on: their frames a second, and whether their last frame stays."""
    rates = menu.addMenu(_tr("Frames a second of films"))
    for rate in RATES:
        action = rates.addAction(str(rate))
        action.setCheckable(True)
        action.setChecked(rate == session.preferences.get("export/fps", RATE))
        action.triggered.connect(lambda _=False, rate=rate: session.preferences.set("export/fps", rate))
    hold = menu.addAction(_tr("Hold the last frame of films for {0} s").format(HOLD_S))
    hold.setCheckable(True)
    hold.setChecked(session.preferences.get("export/hold", False))
    hold.toggled.connect(lambda on: session.preferences.set("export/hold", on or None))
    hold.setToolTip(_tr("MP4 and WebM repeat it for that; without it a film has exactly its frames"))


def no_steps(record: SampleRecord, whole: bool = False) -> str:
    """Why the steps of a sample, or of the ``whole`` grid that it stands for, cannot be seen, or ""."""
    if whole and record.grid is not None:
        return _tr("Open the grid in Sample and choose a cell first")
    return _tr("Its steps were not recorded") if record.trace is None else ""


def lacking_of(records: Sequence[SampleRecord], choice: Choice, whole: bool = False) -> str:
    """The first reason why samples cannot be exported so, or ""."""
    return next(filter(None, (lacking(one, choice, whole) for one in records)), "")


def lacking(record: SampleRecord, choice: Choice, whole: bool = False) -> str:
    """Why a sample, or the ``whole`` grid that it stands for, cannot be exported so, or ""."""
    cells = whole and record.grid is not None and choice.what != "sheet"
    if (choice.needs_trace or cells) and (why := no_steps(record, cells)):
        return why
    if choice.format in NUMBERS and record.modality != "points":
        return _tr("Only points are written as numbers")
    if choice.what == "path" and record.count < 2:
        return _tr("A film needs two items or more")
    return ""


def ask(
    session: Session, owner: QWidget, record: SampleRecord, choice: Choice, items: list[int], strip: bool,
    beside: Sequence[SampleRecord] = (), whole: bool = False,
) -> QFileDialog:  # fmt: skip
    """Opens the file dialog; the export starts when a place was chosen: a folder, where others ``beside`` it go too.
    ``whole``: the sheet of a cell is that of its grid."""
    folder = begin_in(session.preferences.get("export/folder", ""))
    suffix, into_folder = _suffix(choice), choice.folder or bool(beside)
    name = counted(1 + len(beside), "sample") if beside else _name(record, choice, whole)
    name = _new_folder(Path(folder), name) if into_folder else f"{name}.{suffix}"
    dialog = _saving(owner, str(Path(folder) / name))
    if into_folder:  # it need not be there: it is made with what goes into it
        dialog.setLabelText(QFileDialog.DialogLabel.FileName, _tr("Name of the folder:"))
    else:
        dialog.setNameFilter(f"{suffix.upper()} (*.{suffix})")
        dialog.setDefaultSuffix(suffix)
    if beside:
        dialog.fileSelected.connect(lambda path: start_all(session, [record, *beside], choice, path, strip, whole))
    else:
        dialog.fileSelected.connect(lambda path: start(session, record, choice, path, items, strip, whole))
    return opened(dialog)


def _is_grid(record: SampleRecord, choice: Choice, whole: bool) -> bool:
    return whole and record.grid is not None and choice.what == "sheet"


def _name(record: SampleRecord, choice: Choice, whole: bool) -> str:
    """What a file of a sample, or of its grid, is called."""
    title = record.title if _is_grid(record, choice, whole) else named(record.title, record.grid)
    return file_name(title) or record.id


def _request(
    session: Session, record: SampleRecord, choice: Choice, path: str, strip: bool, whole: bool, items: Sequence[int] = ()
) -> Export:
    what, title = "grid" if _is_grid(record, choice, whole) else choice.what, named(record.title, record.grid)
    rate, hold = session.preferences.get("export/fps", RATE), session.preferences.get("export/hold", False)
    return Export(record.id, path, choice.format, what, strip, rate, hold, items=list(items), name=title)


def _suffix(choice: Choice) -> str:
    return "png" if choice.format == "apng" else choice.format


def ask_model(session: Session, owner: QWidget, record: RunRecord) -> QFileDialog:
    """Opens the file dialog for the weights of a run, with a filter for each format; the export starts when a place was
    chosen."""
    folder = begin_in(session.preferences.get("export/folder", ""))
    dialog = _saving(owner, str(Path(folder) / f"{file_name(record.title) or record.id}.{WEIGHTS[0]}"))
    dialog.setNameFilters([f"{form} (*.{form})" for form in WEIGHTS])
    dialog.setDefaultSuffix(WEIGHTS[0])
    dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(chosen.partition(" ")[0]))
    dialog.fileSelected.connect(lambda path: start_model(session, record, path))
    return opened(dialog)


def _saving(owner: QWidget, path: str) -> QFileDialog:
    dialog = QFileDialog(owner, _tr("Export"), path)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    return dialog


def _new_folder(folder: Path, name: str) -> str:
    """The first of "name", "name 2", ... that is not there yet."""
    numbered = (name if number == 1 else f"{name} {number}" for number in itertools.count(1))
    return next(one for one in numbered if not (folder / one).exists())


def start(
    session: Session, record: SampleRecord, choice: Choice, path: str, items: list[int], strip: bool, whole: bool = False
) -> None:
    """Writes the export in the worker and says where it went."""
    _begin(session, record, _request(session, record, choice, path, strip, whole, items))


def start_all(
    session: Session, records: list[SampleRecord], choice: Choice, path: str, strip: bool, whole: bool = False
) -> None:
    """Writes each sample into a folder, as a file (or a folder of its items) that is named after it."""
    taken: dict[str, int] = {}
    requests: list[tuple[SampleRecord, Export]] = []
    session.preferences.set("export/folder", str(Path(path).parent))
    for record in records:
        name = _name(record, choice, whole)
        taken[name] = taken.get(name, 0) + 1
        name += f" {taken[name]}" if taken[name] > 1 else ""
        target = Path(path) / (name if choice.folder else f"{name}.{_suffix(choice)}")
        requests.append((record, _request(session, record, choice, str(target), strip, whole)))
    session.bridge.spawn(_export_all(session, requests, path))


def start_model(session: Session, record: RunRecord, path: str) -> None:
    """Writes the weights of a run in the worker and says where they went."""
    form = next((form for form in WEIGHTS if path.lower().endswith(f".{form}")), WEIGHTS[0])
    _begin(session, record, Export(record.id, path, form, "weights", name=record.title))


def _begin(session: Session, record: SampleRecord | RunRecord, request: Export) -> None:
    session.preferences.set("export/folder", str(Path(request.path).parent))
    session.bridge.spawn(_export(session, record, request))


async def _export(session: Session, record: SampleRecord | RunRecord, request: Export) -> None:
    written = await _written(session, record, request)
    more = _tr(" and {0} more").format(len(written) - 1) if len(written) > 1 else ""
    tell(session, f"{written[0]}{more}", Path(written[0]).parent)


async def _export_all(session: Session, requests: Sequence[tuple[SampleRecord, Export]], folder: str) -> None:
    """Makes the folder, and says once how many files of several exports were written to it; what failed has been told."""
    with explained("the folder cannot be made", folder, "Nothing was written"):
        await session.bridge.threaded(storage.make_last_folder, folder)
    under_way = [session.bridge.spawn(_written(session, record, request)) for record, request in requests]
    ended = await asyncio.gather(*under_way, return_exceptions=True)
    count = sum(len(written) for written in ended if isinstance(written, list))
    if count:
        tell(session, _tr("{0} to {1}").format(counted(count, "file"), folder), Path(folder))


def tell(session: Session, what: str, folder: Path) -> None:
    """Says what was exported, with a button that opens the folder it lies in."""
    session.bridge.notice(_tr("Exported {0}").format(what), Way(_tr("Open folder"), lambda: show_folder(folder)))


async def _written(session: Session, record: SampleRecord | RunRecord, request: Export) -> list[str]:
    """Writes an export; the paths of its files."""
    title = _tr("Exporting {0}").format(Path(request.path).name)
    async with session.under_way(title, "export", record.title or Path(request.path).name, record.id) as activity:
        return await session.bridge.engine.call(request, activity.tell)


def _tr(text: str) -> str:
    return QCoreApplication.translate("exporting", text)
