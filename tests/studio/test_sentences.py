"""What the window says begins with a capital: reasons of greyed controls, tooltips, failures, in every workspace."""

import re

import pytest
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QWidget
from scripted_window import scripted_window, settle, turn

from models_backend.contract.messages import Budget, Evaluate, LatentMap, Sample, State, Trouble, TroubleError
from models_backend.contract.words import counted, sentence
from nexus_studio import pieces
from nexus_studio.fitting import BREAK
from nexus_studio.main_window import WORKSPACES

FAILURES = ("error", "bad", "warn", "ok")


def plain(text):
    return re.sub(r"<[^>]+>", "", text).replace(BREAK, "").strip()


def spoken(root):
    """What widgets say as sentences: (where, text)."""
    for widget in [root, *root.findChildren(QWidget)]:
        where = f"{type(widget).__name__} {widget.accessibleName()!r}"
        own = widget.text() if isinstance(widget, QLabel | QAbstractButton | QLineEdit) else None
        for text in (widget.toolTip(), widget.accessibleDescription(), widget.property("why") or ""):
            if " " in plain(text) and text != own:  # the whole of what is cut is no sentence
                yield where, plain(text)
        if isinstance(widget, QLabel) and widget.property("role") in FAILURES and " " in widget.text():
            yield where, plain(widget.text())
        for action in QWidget.actions(widget):
            if " " in plain(action.toolTip()):
                yield f"action {action.text()!r}", plain(action.toolTip())


def begin_small(root, names=()):
    names = (*names, "torch.")
    return {(where, text) for where, text in spoken(root) if text[:1].islower() and not text.startswith(names)}


@pytest.mark.parametrize("populated", [True, False])
async def test_reasons_and_failures_begin_with_capitals_in_every_workspace(qapp, tmp_path, populated):
    def prepare(engine):
        for kind in (Budget, Evaluate, LatentMap, Sample):
            engine.failures[kind] = TroubleError("no memory for that", advice="take a smaller one")

    async with scripted_window(tmp_path, populated, prepare=prepare) as window:
        session = window.session
        found, titles = set(), [record.title for record in (*session.runs.records, *session.datasets.records)]
        for key, _, _ in WORKSPACES:
            window.show_workspace(key)
            await turn(0.1)
            if key == "sample" and populated:
                window.workspace(key).work.generate(window.workspace(key).setup.all_requests())
            if key == "train" and populated:
                run = session.jobs.active.run
                session.runs.set_current(run)
                window.workspace(key).curves.measures.measure()
                session.bridge.engine.tell(
                    run, Trouble("the loss was not a number", run, "two checkpoints are kept", "resume it")
                )
                session.bridge.engine.tell(run, State("failed", 1240, "the loss was not a number"))
            await turn(0.1)
            found |= begin_small(window, titles)
        window.toggle_jobs()
        await turn(0.1)
        found |= begin_small(window, titles)
        assert not found, "\n".join(f"{where}: {text}" for where, text in sorted(found))


async def test_the_walk_sees_a_reason_that_begins_small(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        button = window.workspace("train").begin.start
        button.setEnabled(False)
        button.setToolTip("the data are not there")
        await settle(lambda: begin_small(window))


def test_a_reason_is_made_a_sentence_where_a_control_is_greyed(qtbot):
    button = pieces.button("Start")
    qtbot.addWidget(button)
    pieces.allow(button, False, "the run is in training")
    assert button.toolTip() == button.accessibleDescription() == "The run is in training"
    pieces.allow(button, True)
    assert button.toolTip() == ""


def test_counts_have_the_right_plural():
    assert [counted(n, "item") for n in (0, 1, 2, 2914)] == ["0 items", "1 item", "2 items", "2,914 items"]
    assert counted(1, "class", "classes") == "1 class" and counted(3, "class", "classes") == "3 classes"
    assert sentence("iPhone") == "IPhone" and sentence("") == ""
