"""The trash can be opened: listed, restored from, emptied after a confirmation in its place, on the command line too."""

import json

import pytest
from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget
from scripted_window import settle
from test_kept import a_kill, a_session, library  # noqa: F401  the fixture

from models_backend import cli
from models_backend.library import trash
from nexus_studio.panels.trash import TrashBox


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
