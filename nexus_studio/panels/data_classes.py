"""Classes of a data set made and renamed in the window, as edits that can be undone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from models_backend.contract.run_layout import DatasetRecord
from models_backend.contract.words import counted

from ..dialogs import ask_text
from ..fitting import menu_text
from ..state.session import Session


def ask_new_class(
    parent: QWidget, session: Session, record: DatasetRecord, items: Iterable[int] = (), before: str = ""
) -> QInputDialog:
    """Asks for the name of a class and makes it; ``items`` are put into it."""
    chosen = list(items)
    what = QCoreApplication.translate("DataClasses", "Name of the new class")
    return ask_text(parent, what, before, lambda name: add_class(session, record.id, name.strip(), chosen))


def add_class(session: Session, dataset: str, name: str, items: Iterable[int] = ()) -> None:
    """Makes a class (or takes the one of that name) and puts items into it, as one edit."""
    record, items = session.datasets.get(dataset), list(items)
    if not name or record is None or (name in record.classes and not items):
        return
    classes = record.classes if name in record.classes else (*record.classes, name)
    text = f"New class “{name}”" + (f" with {counted(len(items), 'item')}" if items else "")
    session.datasets.edit(session.undo, dataset, text, labels=dict.fromkeys(items, classes.index(name)), classes=classes)


def fill_classes(menu: QMenu, names: Iterable[str], choose: Callable[[int], object]) -> QMenu:
    """One action a class, the first sixty, which tells its position."""
    for number, name in enumerate(itertools.islice(names, 60)):
        menu.addAction(menu_text(name)).triggered.connect(lambda _on=False, number=number: choose(number))
    return menu


def ask_class_name(parent: QWidget, session: Session, record: DatasetRecord, name: str) -> QInputDialog:
    """Asks for another name of a class."""
    what = QCoreApplication.translate("DataClasses", "Name of the class")
    return ask_text(parent, what, name, lambda new: rename_class(session, record.id, name, new.strip()))


def rename_class(session: Session, dataset: str, name: str, new: str) -> None:
    """Gives a class another name; one that another class has is refused in words."""
    record = session.datasets.get(dataset)
    if not new or new == name or record is None or name not in record.classes:
        return
    if new in record.classes:
        session.bridge.notice(f"There is a class “{new}” already. Move the items to it, or choose another name.")
        return
    classes = tuple(new if one == name else one for one in record.classes)
    session.datasets.edit(session.undo, dataset, f"Rename the class “{name}”", classes=classes)
