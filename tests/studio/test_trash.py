"""The trash can be opened: listed, restored from, emptied after a confirmation in its place, on the command line too."""

import json

import pytest
from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget
from real_library import a_session
from scripted_window import settle
from test_kept import a_kill, library  # noqa: F401  the fixture

from models_backend import cli
from models_backend.library import trash
from nexus_studio.panels.trash import TrashBox
from nexus_studio.shell.notices import NoticeBar


@pytest.fixture
def deleted(library):  # noqa: F811
    trash.delete(library, "run", "run-1")
    trash.delete(library, "dataset", "d" * 16)
    return library


async def test_the_box_lists_restores_and_empties_only_when_sure(qapp, tmp_path, deleted):
    session = await a_session(deleted, tmp_path / "kept.json")
    window = QWidget()
    window.resize(1000, 640)
    window.show()
    box = TrashBox(session, window)
    box.open()
    await settle(lambda: len(box.entries) == 2)
    texts = [one.text() for one in box.findChildren(QLabel)]
    assert "First run" in texts and "Leaves" in texts and any(text.startswith("Data set · deleted") for text in texts)
    restore = [one for one in box.findChildren(QAbstractButton) if one.text() == "Restore"]
    restore[0].click()  # the last deleted stands first
    await settle(lambda: [record.title for record in session.datasets.records] == ["Leaves"])
    await settle(lambda: len(box.entries) == 1)
    box.empty.click()
    assert box.sure.isVisible() and not box.empty.isVisible() and len(trash.entries(deleted.layout)) == 1
    box.no.click()
    assert not box.sure.isVisible() and len(trash.entries(deleted.layout)) == 1
    box.empty.click()
    box.sure.click()
    await settle(lambda: box.entries == [])
    assert trash.entries(deleted.layout) == [] and not box.empty.isVisible()
    await a_kill(session)
    window.close()


async def test_what_was_restored_from_the_trash_is_undone_no_more(qapp, tmp_path, library):  # noqa: F811
    session = await a_session(library, tmp_path / "kept.json")
    window = QWidget()
    window.resize(1000, 640)
    window.show()
    bar, box, troubles = NoticeBar(), TrashBox(session, window), []
    bar.setParent(window)
    session.bridge.offered.connect(bar.show_line)
    session.bridge.trouble.connect(troubles.append)
    session.delete("run", "run-1", "First run")
    await settle(lambda: len(trash.entries(library.layout)) == 1 and session.runs.records == [])
    assert session.undo.undo_text and len(bar.notices) == 1
    box.open()
    await settle(lambda: len(box.entries) == 1)
    next(one for one in box.findChildren(QAbstractButton) if one.text() == "Restore").click()
    await settle(lambda: session.undo.undo_text == "" and bar.notices == [])
    assert [run.title for run in library.runs()] == ["First run"] and session.undo.redo_text == ""

    session.delete("run", "run-1", "First run")
    await settle(lambda: len(trash.entries(library.layout)) == 1 and session.runs.records == [])
    trash.restore(library, trash.entries(library.layout)[0].id)  # beside the window, which has not looked yet
    session.undo.undo()
    await settle(lambda: troubles)
    assert troubles[0].item == "" and "not in the trash any more" in troubles[0].what
    assert session.undo.undo_text == session.undo.redo_text == "" and bar.notices == []
    await a_kill(session)
    window.close()


def told(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_lists_restores_by_title_and_empties(deleted, capsys):
    root = str(deleted.layout.root)
    deleted.close()
    assert cli.main(["trash", "--library", root, "--json"]) == 0
    assert [line["title"] for line in told(capsys) if line["kind"] != "done"] == ["Leaves", "First run"]
    assert cli.main(["trash", "--library", root, "--restore", "first RUN", "--json"]) == 0
    assert told(capsys)[0]["restored"] == "First run"
    assert cli.main(["trash", "--library", root, "--restore", "nothing", "--json"]) == 1
    assert "not in the trash" in told(capsys)[-1]["what"]
    assert cli.main(["trash", "--library", root, "--empty", "--older-than", "1", "--json"]) == 0
    assert told(capsys)[0]["emptied"] == 0
    assert cli.main(["trash", "--library", root, "--empty", "--json"]) == 0
    assert next(line for line in told(capsys) if "emptied" in line)["emptied"] == 1
