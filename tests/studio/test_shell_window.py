"""The window: theme, commands, palette, notices, drops, jobs, session restore, single instance, start."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QLineEdit, QWidget
from scripted_window import scripted_window, settle, turn

from models_backend.contract.messages import Metrics, State, Trouble, TroubleError
from models_backend.library import provenance
from nexus_studio import figures, pieces, theme
from nexus_studio.bridge import Way
from nexus_studio.commands import Command
from nexus_studio.main_window import WORKSPACES
from nexus_studio.panels.jobs import RunCard, WaitingRow
from nexus_studio.shell import notices, words
from nexus_studio.shell import palette as palette_box
from nexus_studio.shell.actions import window_commands
from nexus_studio.shell.latency import LatencyMeter
from nexus_studio.shell.palette import Entry, ranked
from nexus_studio.shell.single import Listener, ask_first
from nexus_studio.shell.tab_order import reading_order
from nexus_studio.state.edits import Rewriting

# ------------------------------------------------------------------------------------------------ theme


def luminance(name, on):
    channels = [c / 255 for c in QColor(theme.token(name, on)[:7]).getRgb()[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]  # WCAG 2, relative luminance
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b, on):
    low, high = sorted((luminance(a, on), luminance(b, on)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("on", theme.THEMES)
@pytest.mark.parametrize("ground", ["bg0", "bg1", "bg2"])
def test_text_keeps_its_contrast(on, ground):
    assert contrast("text", ground, on) >= 4.5 and contrast("text2", ground, on) >= 4.5
    assert contrast("on_accent", "accent", on) >= 4.5
    for tone in ("ok", "warn", "bad"):
        assert contrast(tone, ground, on) >= 3.0


def test_both_themes_have_the_same_names_and_the_sheet_leaves_none_unfilled(qapp):
    tokens = theme._tokens()
    assert set(tokens["dark"]) == set(tokens["light"])
    for name in theme.THEMES:
        theme.apply(qapp, name)
        assert "@" not in theme.stylesheet() and qapp.palette().window().color() == theme.color("bg0")
    theme.apply(qapp, "dark")


def test_the_fonts_are_the_bundled_ones_and_grow_with_the_text_size(qapp):
    assert {"Inter", "JetBrains Mono"} <= set(theme.load_fonts())
    theme.apply(qapp, "dark", 1.5)
    assert theme.font("text", 12).pixelSize() == 18 and theme.font("mono").family() == "JetBrains Mono"
    assert "font-size: 18px" in theme.stylesheet()
    theme.apply(qapp, "dark")
    assert theme.font("text", 12).pixelSize() == 12


def test_every_icon_draws_something_and_follows_the_theme(qapp):
    theme.apply(qapp, "dark")
    for name in theme.icon_names():
        image = theme.pixmap(name, "text", 24, 1.0).toImage()
        assert any(image.pixelColor(x, y).alpha() for x in range(24) for y in range(24)), name
    before = theme.pixmap("train", "text", 24, 1.0).toImage()
    theme.apply(qapp, "light")
    assert theme.pixmap("train", "text", 24, 1.0).toImage() != before
    theme.apply(qapp, "dark")


# ----------------------------------------------------------------------------------------------- commands


async def test_every_action_stands_once_and_no_two_share_a_shortcut(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        for key, _, _ in WORKSPACES:
            window.show_workspace(key)
        commands = window.actions_list.all()
        keys = Counter(command.key for command in commands)
        assert max(keys.values()) == 1 and len(commands) > 30
        for key, _, _ in WORKSPACES:
            window.show_workspace(key)
            active = [action for action in window.actions() if action.isEnabled()]
            used = Counter(sequence.toString() for action in active for sequence in action.shortcuts())
            assert max(used.values()) == 1, (key, used.most_common(3))
        titles = Counter(command.title for command in commands)
        assert max(titles.values()) == 1, titles.most_common(3)


async def test_the_keyboard_goes_to_every_workspace_and_undoes(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.activateWindow()
        for number, (key, _, _) in reversed(list(enumerate(WORKSPACES, 1))):
            QTest.keyClick(window, getattr(Qt.Key, f"Key_{number}"), Qt.KeyboardModifier.ControlModifier)
            assert window.current == key and window.rail._buttons[key].isChecked()
        done = []
        window.session.undo.push("tag", lambda: done.append("do"), lambda: done.append("undo"))
        assert window.actions_list.get("edit.undo").title == "Undo: tag"
        window.actions_list.run("edit.undo")
        QTest.keyClick(window, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert done == ["do", "undo", "do"]


async def test_a_command_that_is_not_possible_now_does_nothing_and_is_greyed_in_the_menu(qapp, tmp_path):
    async with scripted_window(tmp_path, populated=False) as window:
        ran = []
        window.actions_list.add(Command("test.no", "Never", lambda: ran.append(1), enabled=lambda: False))
        window.actions_list.run("test.no")
        window.top.refresh_menu()
        assert not ran and not window.actions_list._actions["test.no"].isEnabled()
        window.actions_list.enable_all()
        assert window.actions_list._actions["test.no"].isEnabled()
        menus = [action.text() for action in window.top.brand.menu().actions()]
        assert menus[:3] == ["Go", "File", "Edit"] and {"Run", "View", "Help"} < set(menus)


async def test_every_control_that_takes_the_focus_has_an_accessible_name(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        parts = [p for kind in (QAbstractButton, QLineEdit, QComboBox) for p in window.findChildren(kind)]
        shown = [p for p in parts if p.isVisible() and p.focusPolicy() != Qt.FocusPolicy.NoFocus]
        nameless = [p for p in shown if not (p.accessibleName() or getattr(p, "text", str)() or p.toolTip())]
        nameless = [p for p in nameless if not p.objectName().startswith("qt_") and not isinstance(p.parent(), QComboBox)]
        assert len(shown) > 12 and not nameless


# ------------------------------------------------------------------------------------------------ palette


async def test_the_palette_finds_actions_runs_models_data_sets_and_files(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.activateWindow()
        QTest.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
        palette = window.palette_box
        assert palette.isVisible() and len(palette.lines.entries) > 20

        def first(text):
            palette.field.setText(text)
            return palette.lines.entries[0]

        assert first("trajectory").title == "Go to Trajectory"
        assert first("duel-03").kind == "run" and first("denoiser").kind in ("model", "run")
        assert first("botanical").kind == "data set"
        (tmp_path / "prints.zip").write_bytes(b"")
        assert first(str(tmp_path / "pri")).title.endswith("prints.zip")
        palette.field.setText("zzzzqq")
        assert not palette.lines.entries and palette.nothing.isVisible()
        palette.field.setText("go to gallery")
        QTest.keyClick(palette.field, Qt.Key.Key_Return)
        assert window.current == "gallery" and not palette.isVisible()


async def test_arrows_choose_in_the_palette_and_escape_gives_the_focus_back(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.activateWindow()
        window.open_palette()
        palette = window.palette_box
        palette.field.setText("go")
        QTest.keyClick(palette.field, Qt.Key.Key_Down)
        assert palette.view.currentIndex().row() == 1
        QTest.keyClick(palette.field, Qt.Key.Key_Up)
        QTest.keyClick(palette.field, Qt.Key.Key_Up)
        assert palette.view.currentIndex().row() == len(palette.lines.entries) - 1
        QTest.keyClick(palette.field, Qt.Key.Key_Escape)
        assert not palette.isVisible()


@pytest.mark.parametrize("step", (-2, 0, 6))
async def test_the_palette_shows_whole_lines_within_the_window_and_not_itself(qapp, tmp_path, step):
    try:
        async with scripted_window(tmp_path) as window:
            theme.apply(qapp, "dark", (theme.BASE_PX + step) / theme.BASE_PX)
            for size in ((1024, 700), (1440, 900)):
                window.resize(*size)
                window.open_palette()
                palette, high = window.palette_box, theme.px(palette_box.ROW)
                for text in ("", "tra", "go to gallery", "zzzzqq"):
                    palette.field.setText(text)
                    await settle(lambda: palette.view.isHidden() or palette.view.viewport().height() >= high)  # noqa: B023
                    room = palette.view.viewport().rect()
                    lines = [palette.view.visualRect(palette.lines.index(n)) for n in range(len(palette.lines.entries))]
                    seen = [one for one in lines if one.intersects(room)]
                    assert bool(seen) != palette.view.isHidden() and all(room.contains(one) for one in seen), text
                    assert palette.geometry().bottom() < window.bottom.geometry().top()
                    assert palette.nothing.isHidden() or palette.nothing.height() >= palette.nothing.sizeHint().height()
                    assert "Command palette" not in [entry.title for entry in palette.lines.entries]
                palette.close_palette()
    finally:
        theme.apply(qapp, "dark")


def test_ranking_prefers_titles_and_what_was_used_lately():
    entries = [Entry("Coder", "model", print, note="codes and decodes"), Entry("Denoiser", "model", print),
               Entry("Pause the run", "run", print, keywords="denoising")]  # fmt: skip
    assert [entry.title for entry in ranked(entries, "den")] == ["Denoiser", "Pause the run"]
    entries[2].recent = 1.0
    assert ranked(entries, "")[0].title == "Pause the run"


async def test_the_palette_lists_what_cannot_be_done_now_with_its_reason_and_runs_none_of_it(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        for key in ("train", "gallery", "data"):
            window.show_workspace(key)
        window.open_palette()
        palette = window.palette_box

        def listed(text):
            palette.field.setText(text)
            return {entry.title: entry for entry in palette.lines.entries}

        found = listed("compare")
        assert list(found)[:1] == ["Compare with the selected run…"] and found["Compare with the selected run…"].possible
        two = found["Compare two samples"]
        assert not two.possible and two.note == "Choose two samples of one kind first"
        palette.view.setCurrentIndex(palette.lines.index(palette.lines.entries.index(two)))
        QTest.keyClick(palette.field, Qt.Key.Key_Return)
        assert palette.isVisible(), "there is nothing to run"
        assert palette.grab().toImage() is not None
        assert {"Export the chosen sample as a contact sheet…", "Export each item of the chosen sample…"} <= set(
            listed("export")
        )
        for words in ("export model", "weights", "save model"):
            assert next(iter(listed(words))) == "Export the model…", words
        larger = next(one for one in window.actions_list.all() if one.shortcut == "Ctrl++")
        assert listed(larger.title)[larger.title].shortcut == "Ctrl +"
        assert next(iter(listed("trash"))) == "Trash…"
        palette.field.setText("")
        assert all(entry.possible for entry in palette.lines.entries)


# ------------------------------------------------------------------------------------------------ notices


async def test_a_trouble_says_what_kept_and_advice_and_gives_a_report(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        trouble = Trouble("it ends after 812 of 3,400 bytes", "bad.png", "2,960 were imported", "Save it again", "Traceback: x")
        window.session.bridge.trouble.emit(trouble)
        window.session.bridge.trouble.emit(trouble)
        notice = window.notices.notices[0]
        assert len(window.notices.notices) == 1 and "bad.png" in notice.text.text()
        assert "2,960 were imported." in notice.advice.text() and "Save it again." in notice.advice.text()
        assert not notice.detail.isVisible()
        notice._details.click()
        assert notice.detail.isVisible() and not notice.technical.isVisible()  # facts; a traceback only where it is asked for
        assert all("Traceback" not in one.text() for one in notice.findChildren(QLabel))
        next(one for one in notice.detail.findChildren(QAbstractButton) if "technical" in one.text()).click()
        assert notice.technical.isVisible() and notice.technical.toPlainText() == "Traceback: x"
        notice._copy.click()
        report = QApplication.clipboard().text()
        assert "bad.png" in report and "Traceback: x" in report and "Nexus Studio" in report
        notice.dismiss.click()
        assert not window.notices.notices and not window.notices.isVisible()
        for n in range(5):
            window.session.bridge.notice(f"line {n}")
        assert [one.trouble.what for one in window.notices.notices] == ["line 2", "line 3", "line 4"]
        window.session.bridge.trouble.emit(trouble)
        for n in range(5):
            window.session.bridge.notice(f"line {n}")
        assert [one.plain for one in window.notices.notices] == [False, True, True]  # lines make room, troubles stay


@pytest.fixture
def trashed(monkeypatch):
    from models_backend.library import trash

    away = {}

    def delete(library, kind, key):
        away[key] = library.sets.pop(key)
        return SimpleNamespace(id=key)

    monkeypatch.setattr(trash, "delete", delete)
    monkeypatch.setattr(trash, "entries", lambda layout: [SimpleNamespace(id=key, kind="dataset", path="-") for key in away])
    monkeypatch.setattr(trash, "restore", lambda library, entry: library.sets.update({entry: away.pop(entry)}))


async def test_what_was_deleted_comes_back_by_the_button_of_its_notice(qapp, tmp_path, trashed):
    async with scripted_window(tmp_path) as window:
        session, bar = window.session, window.notices
        first, second = session.datasets.records[:2]
        there = lambda: {one.id for one in session.datasets.records}  # noqa: E731
        session.delete("dataset", first.id, first.title)
        (notice,) = bar.notices
        assert notice.act.isVisible() and notice.act.text() == "Undo" and first.title in notice.act.accessibleName()
        assert notice.act in reading_order(window, [])
        await settle(lambda: first.id not in there())
        notice.act.setFocus()
        QTest.keyClick(notice.act, Qt.Key.Key_Space)
        assert not bar.notices, "it is not so any more"
        await settle(lambda: first.id in there() and session.undo.redo_text and bar.notices)
        bar.dismiss_all()
        session.delete("dataset", first.id, first.title)
        await settle(lambda: first.id not in there())
        session.delete("dataset", second.id, second.title)
        older, newer = (one for one in bar.notices if one.plain)
        assert not older.act.isVisible() and newer.act.isVisible(), "Undo would take back the newer one"
        await settle(lambda: second.id not in there())
        session.undo.undo()
        plain = lambda: [one for one in bar.notices if one.plain]  # noqa: E731
        assert plain() == [older]
        await settle(lambda: len(plain()) == 2)
        assert plain()[0] is older and plain()[1].text.text().startswith("Undone: ")
        window.session.bridge.notice("a line")
        assert not bar.notices[-1].act.isVisible()


async def test_undo_and_redo_say_what_they_did_and_lead_to_it_in_another_workspace(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session, bar = window.session, window.notices
        session.undo.push("tag", lambda: None, lambda: None)
        session.undo.undo()
        (notice,) = bar.notices
        assert notice.text.text() == "Undone: tag" and notice.act.text() == "Redo" and not notice.show_it.isVisible()
        notice.act.click()
        (notice,) = bar.notices  # of the undo nothing is left to say
        assert notice.text.text() == "Done again: tag" and notice.act.text() == "Undo"
        bar.dismiss_all()

        run = session.runs.records[-1]
        window.show_workspace("train")
        session.undo.push_kept(f"Rename “{run.title}”", Rewriting(session, "run", run.id, {"title": run.title}, {"title": "B"}))
        await settle(lambda: session.runs.get(run.id).title == "B")
        window.show_workspace("data")
        session.runs.set_current(session.runs.records[0].id)
        session.undo.undo()
        await settle(lambda: bar.notices)
        (notice,) = bar.notices
        assert notice.text.text() == f"Undone in Train: rename “{run.title}”" and session.runs.get(run.id).title == run.title
        notice.show_it.click()
        assert window.current == "train" and session.runs.current == run.id
        session.runs.set_current(session.runs.records[0].id)
        session.undo.redo()
        await settle(lambda: session.runs.current == run.id)  # in the workspace that is shown it comes into view by itself
        assert [one.text.text() for one in bar.notices] == [f"Done again: rename “{run.title}”"]


async def test_steps_of_the_workspace_in_front_are_undone_before_edits_of_the_session(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        done, session, titles = [], window.session, window.actions_list
        window.show_workspace("latent")
        for stack, name in ((window.workspace("latent").steps, "path"), (session.undo, "tag")):
            stack.push(name, lambda n=name: done.append(n), lambda n=name: done.append(f"no {n}"))
        for title, redone in (("path", "Redo"), ("tag", "Redo: path")):
            assert (titles.get("edit.undo").title, titles.get("edit.redo").title) == (f"Undo: {title}", redone)
            titles.run("edit.undo")
        titles.run("edit.redo")
        assert done == ["path", "tag", "no path", "no tag", "path"]
        titles.run("edit.undo")
        window.show_workspace("train")
        assert (titles.get("edit.undo").title, titles.get("edit.redo").title) == ("Undo", "Redo: tag")
        titles.run("edit.undo")
        titles.run("edit.redo")
        assert done[5:] == ["no path", "tag"]


async def test_what_belongs_to_another_workspace_is_named_before_it_is_undone_or_done_again(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session, bar = window.session, window.notices
        data = session.datasets.current_record
        learned = lambda: session.datasets.get(data.id).settings.get("conditions")  # noqa: E731
        window.show_workspace("train")
        session.datasets.set_settings(session.undo, data.id, session.datasets.settings(data.id) | {"conditions": "none"})
        session.datasets.keep_settings()
        await settle(lambda: learned() == "none")
        window.show_workspace("latent")
        for _ in range(2):
            window.actions_list.run("edit.undo")
            (notice,) = bar.notices
            assert notice.text.text() == f"The last edit is in Data: change “{data.title}”: conditions auto → none"
            assert session.undo.undo_text and learned() == "none", "asked, not done"
        notice.act.click()
        await settle(lambda: learned() is None and bar.notices)
        (told,) = bar.notices
        assert told.text.text() == f"Undone in Data: change “{data.title}”: conditions auto → none"
        bar.dismiss_all()
        window.actions_list.run("edit.redo")
        assert bar.notices[0].text.text().startswith("The last undone edit is in Data: ") and session.undo.redo_text
        bar.dismiss_all()
        window.show_workspace("train")  # where it was made
        for way, then in (("edit.redo", "none"), ("edit.undo", None)):
            window.actions_list.run(way)
            await settle(lambda then=then: learned() == then)


async def test_return_presses_the_button_with_the_focus_and_no_other(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        made = [pieces.button("Press"), pieces.icon_button("close", "Press too"), QLineEdit()]
        pressed = []
        for one in made:
            one.setParent(window.centralWidget())
            one.show()
        for one in made[:2]:
            one.clicked.connect(lambda _on=False, one=one: pressed.append(one))
        for one in made:
            one.setFocus()
            QTest.keyClick(one, Qt.Key.Key_Return)
            QTest.keyClick(one, Qt.Key.Key_Enter)
        assert pressed == [made[0], made[0], made[1], made[1]]
        made[0].setEnabled(False)
        QTest.keyClick(window, Qt.Key.Key_Return)
        assert len(pressed) == 4


async def test_shift_f10_asks_for_the_menu_of_the_current_item(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.show_workspace("data")
        items, asked = window.workspace("data").items, []
        window.session.datasets.set_current(next(one.id for one in window.session.datasets.records if one.modality == "image"))
        await settle(lambda: items.grid.count())
        items.grid.context_requested.disconnect()
        items.grid.context_requested.connect(lambda index, _place: asked.append(index))
        items.grid.setFocus()
        items.grid.set_current(3)
        QTest.keyClick(items.grid, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)
        assert asked == [3] and items.grid.selection() == [3]
        lists = window.workspace("data").list.view, window.workspace("train").runs.list
        for key, one in zip(("data", "train"), lists):
            window.show_workspace(key)
            one.setFocus()
            assert one.currentIndex().isValid()
            one.customContextMenuRequested.disconnect()
            one.customContextMenuRequested.connect(lambda place, one=one: asked.append(one.indexAt(place).row()))
            QTest.keyClick(one, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)
            assert asked[-1] == one.currentIndex().row()


async def test_an_undo_that_fails_is_not_said_to_be_done(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session, run = window.session, window.session.runs.records[0]
        session.undo.push_kept("edit", Rewriting(session, "run", run.id, {"title": run.title}, {"title": "B"}))
        await settle(lambda: session.runs.get(run.id).title == "B")
        session.bridge.library.run(run.id).update_record(title="elsewhere")
        session.undo.undo()
        await settle(lambda: window.notices.notices)
        assert [one.plain for one in window.notices.notices] == [False]


async def test_a_notice_stays_while_its_button_has_the_focus(qapp, tmp_path, trashed, monkeypatch):
    monkeypatch.setattr(notices, "OFFERED_MS", 30)
    monkeypatch.setattr(notices, "SHOWN_MS", 30)
    async with scripted_window(tmp_path) as window:
        record = window.session.datasets.records[0]
        window.session.delete("dataset", record.id, record.title)
        (notice,) = window.notices.notices
        notice.act.setFocus()
        await turn(0.2)
        assert window.notices.notices == [notice]
        notice.act.clearFocus()
        await settle(lambda: not window.notices.notices)


async def test_a_plain_line_covers_no_button_moves_nothing_and_goes_by_itself(qapp, tmp_path, monkeypatch):
    monkeypatch.setattr(notices, "OFFERED_MS", 1500)
    async with scripted_window(tmp_path) as window:
        bar, stage = window.notices, window.stack
        for size in ((1024, 700), (1440, 900)):
            window.resize(*size)
            for key, names in (
                ("train", ("Start training", "Queue")),
                ("gallery", ("Reproduce", "Delete")),
                ("data", ("Import…",)),
            ):
                window.show_workspace(key)
                await turn(0.1)
                before = stage.height()
                window.session.bridge.notice(
                    "a line of some words " * 6, Way("Resume the run", print), Way("Stop the run", print)
                )
                (said,) = bar.notices
                ways = (said.show_it, said.act, said.dismiss)
                seen = lambda: all(said.rect().contains(QRect(one.mapTo(said, QPoint()), one.size())) for one in ways)  # noqa: E731, B023
                await settle(lambda: bar.isVisible() and bar.height() > 20 and bar.height() >= said.height() and seen())  # noqa: B023
                buttons = [one for one in stage.findChildren(QAbstractButton) if one.isVisible() and one.text() in names]
                assert buttons
                spot = QRect(bar.mapToGlobal(QPoint()), bar.size())
                assert not [one.text() for one in buttons if spot.intersects(QRect(one.mapToGlobal(QPoint()), one.size()))]
                near = QPoint(spot.center().x(), spot.top() - 10)
                monkeypatch.setattr(notices.QCursor, "pos", lambda near=near: near)
                await settle(lambda: not bar.notices)
                assert not bar.isVisible() and stage.height() == before


async def test_escape_that_nobody_takes_closes_the_newest_notice(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.show_workspace("gallery")
        for n in range(2):
            window.session.bridge.trouble.emit(Trouble("it failed", f"run {n}"))
        QTest.keyClick(window.workspace("gallery"), Qt.Key.Key_Escape)
        assert [one.trouble.item for one in window.notices.notices] == ["run 0"]
        QTest.keyClick(window, Qt.Key.Key_Escape)
        assert not window.notices.notices


async def test_escape_closes_a_notice_whatever_has_the_focus(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        bar = window.notices
        for key in ("sample", "latent"):
            window.show_workspace(key)
            await turn(0.1)
            floating = next(iter(window.workspace(key).docks.values()))
            floating.setFloating(True)
            assert floating.isWindow()
            kinds = {}
            for one in [window, *window.workspace(key).findChildren(QWidget), *floating.findChildren(QWidget)]:
                if one.isVisible() and one.isEnabled() and one.focusPolicy() != Qt.FocusPolicy.NoFocus:
                    kinds.setdefault((type(one), one.window() is window), one)
            assert len(kinds) > 6 and {here for _, here in kinds} == {True, False}
            for (kind, here), one in kinds.items():
                window.session.bridge.trouble.emit(Trouble("it failed", "run 0"))
                QTest.keyClick(one, Qt.Key.Key_Escape)
                assert not bar.notices, (key, kind, here)
            floating.setFloating(False)


async def test_a_trouble_stays_with_its_workspace_and_folds_to_a_chip_over_others(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        bar, chip, tell = window.notices, window.bottom.problems, window.session.bridge.trouble.emit
        window.show_workspace("sample")
        tell(Trouble("it failed", "run 0"))
        assert bar.isVisible() and chip.isHidden()
        window.show_workspace("gallery")
        assert not bar.isVisible() and chip.isVisible() and chip.text() == "1 problem"
        QTest.keyClick(window, Qt.Key.Key_Escape)
        assert len(bar.notices) == 1, "nothing is closed that is not seen"
        tell(Trouble("it failed", "run 1"))
        assert bar.isVisible() and chip.text() == "1 problem" and bar._head.isHidden()
        window.show_workspace("sample")
        assert [one.trouble.item for one in bar.notices if one.isVisible()] == ["run 0"]
        window.show_workspace("data")
        assert not bar.isVisible() and chip.text() == "2 problems"
        chip.click()
        assert bar.isVisible() and chip.isHidden() and len(bar.notices) == 2
        bar.dismiss_all()
        assert not bar.isVisible() and not bar.notices
        window.show_workspace("sample")
        tell(Trouble("it failed", "run 0"))
        window.show_workspace("data")
        tell(Trouble("it failed", "run 0"))
        assert bar.isVisible() and chip.isHidden() and len(bar.notices) == 1, "it is so here too"


def spot_of(widget, window):
    return QRect(widget.mapTo(window, QPoint()), widget.size())


@pytest.mark.parametrize("step", (0, 6))
async def test_a_trouble_is_a_card_in_a_corner_of_the_middle_and_moves_nothing(qapp, tmp_path, step):
    try:
        async with scripted_window(tmp_path) as window:
            theme.apply(qapp, "dark", (theme.BASE_PX + step) / theme.BASE_PX)
            bar = window.notices
            for size, key in (((1024, 700), "train"), ((1440, 900), "train"), ((1024, 700), "sample"), ((1440, 900), "data")):
                window.resize(*size)
                window.show_workspace(key)
                await turn(0.2)
                places = lambda: [spot_of(one, window) for one in window.stack.findChildren(QAbstractButton) if one.isVisible()]  # noqa: E731
                before = places()
                window.session.bridge.trouble.emit(Trouble("it failed " * 60, "run 0", "kept " * 90, "advice " * 90))
                (notice,) = bar.notices
                await settle(lambda: bar.isVisible() and notice.height() > 40 and bar.height() >= notice.height())  # noqa: B023
                assert places() == before, key
                middle = spot_of(window.stack.currentWidget().centralWidget(), window)
                assert middle.contains(bar.geometry()) and middle.right() - bar.geometry().right() <= 16
                assert bar.width() <= theme.px(notices.WIDE_PX) and bar.height() <= 0.46 * window.height()
                assert notice.dismiss.isVisible() and notice._details.isVisible()
                assert notice.text.is_elided() and "advice" in notice.trouble.advice
                notice._details.click()
                await settle(lambda: notice.detail.height() > 100)  # noqa: B023
                assert middle.contains(bar.geometry()) and bar.height() <= 0.46 * window.height(), "the rest scrolls"
                notice.dismiss.click()
                assert places() == before and not bar.isVisible()
    finally:
        theme.apply(qapp, "dark")


async def test_a_notice_keeps_clear_of_the_control_that_has_the_focus(qapp, tmp_path, monkeypatch):
    async with scripted_window(tmp_path) as window:
        window.show_workspace("gallery")
        await turn(0.1)
        bar, middle = window.notices, spot_of(window.stack.currentWidget().centralWidget(), window)
        low, high = QLineEdit(window), QLineEdit(window)
        low.setGeometry(middle.right() - 150, middle.bottom() - 50, 100, 30)
        high.setGeometry(middle.right() - 150, middle.top() + 30, 100, 30)
        for one in (low, high):
            one.show()
        clear = lambda one: not bar.geometry().intersects(one.geometry())  # noqa: E731
        low.setFocus()
        window.session.bridge.trouble.emit(Trouble("it failed", "run 0"))
        await settle(lambda: bar.isVisible() and bar.height() > 20)
        assert clear(low) and not clear(high)
        high.setFocus()
        assert clear(high), "it gives way to what has the focus now"
        bar.dismiss_all()
        window.stack.currentWidget().setFocus()
        monkeypatch.setattr(notices.QCursor, "pos", lambda: low.mapToGlobal(low.rect().center()))
        window.session.bridge.trouble.emit(Trouble("it failed", "run 0"))
        await settle(lambda: bar.isVisible() and bar.height() > 20)
        assert clear(low), "nor the pointer"
        window.resize(window.size() * 1.1)
        await turn(0.1)
        middle = spot_of(window.stack.currentWidget().centralWidget(), window)
        assert middle.contains(bar.geometry()) and bar.geometry().top() - middle.top() <= 16, "it stays in its corner"
        bar.dismiss_all()
        window.toggle_jobs()
        window.session.bridge.trouble.emit(Trouble("it failed", "run 1"))
        await settle(lambda: bar.isVisible() and bar.height() > 20)
        assert clear(window.jobs_box)


async def test_a_notice_is_announced_and_the_focus_goes_back_when_it_is_closed(qapp, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(notices, "QAccessible", SimpleNamespace(
        AnnouncementPoliteness=notices.QAccessible.AnnouncementPoliteness,
        updateAccessibility=lambda event: said.append((event.message(), event.politeness().name)),
    ))  # fmt: skip
    async with scripted_window(tmp_path) as window:
        bar, tell = window.notices, window.session.bridge.trouble.emit
        window.show_workspace("train")
        window.session.bridge.notice("a line")
        tell(Trouble("it failed", "run 0", advice="Try again"))
        assert said[0] == ("a line", "Polite") and said[1][1] == "Assertive"
        assert said[1][0] == "run 0: It failed. Try again"
        field = window.workspace("train").models.filter
        field.setFocus()
        assert window.focusWidget() is field
        trouble = bar.notices[-1]
        assert trouble._details in reading_order(window, []) and trouble.dismiss in reading_order(window, [])
        tell(Trouble("it failed", "run 1"))
        bar.more.click()
        trouble.dismiss.setFocus()
        QTest.keyClick(trouble.dismiss, Qt.Key.Key_Escape)
        assert [one.trouble.item for one in bar.notices] == ["", "run 1"], "the one with the focus, not the newest"
        assert window.focusWidget() is field


async def test_no_line_goes_while_the_pointer_is_there(qapp, tmp_path, monkeypatch):
    monkeypatch.setattr(notices, "SHOWN_MS", 50)
    async with scripted_window(tmp_path) as window:
        pointer = {"at": window.mapToGlobal(QPoint(10, 10))}
        monkeypatch.setattr(notices.QCursor, "pos", lambda: QPoint(pointer["at"]))
        window.session.bridge.trouble.emit(Trouble("it failed", "run 0"))
        window.session.bridge.notice("a line")
        trouble, line = window.notices.notices
        await settle(lambda: line.isVisible() and line.height() > 20)
        pointer["at"] = line.mapToGlobal(line.rect().center())
        await turn(0.3)
        assert window.notices.notices == [trouble, line]
        pointer["at"] = window.mapToGlobal(QPoint(10, 10))
        await settle(lambda: window.notices.notices == [trouble])


async def test_many_troubles_at_once_are_one_card_and_a_list(qapp, tmp_path):
    """Commands that fail beside the window hide nothing of it."""
    async with scripted_window(tmp_path) as window:
        window.resize(1024, 700)
        bar, tell = window.notices, window.session.bridge.trouble.emit
        tell(Trouble("the newest checkpoint is damaged", "run 0", "Its weights are kept", "Train it anew"))
        await turn(0.1)
        assert not bar._head.isVisible()
        alone = bar.height()
        for n in range(1, 4):
            tell(Trouble("the newest checkpoint is damaged", f"run {n}", "Its weights are kept", "Train it anew"))
        await turn(0.1)
        seen = lambda: [one.trouble.item for one in bar.notices if one.isVisible()]  # noqa: E731
        assert seen() == ["run 3"] and bar.more.text() == "3 earlier problems" and alone < bar.height() < alone + 60
        window.session.bridge.notice("a line")
        assert [one.plain for one in bar.notices if one.isVisible()] == [False, True]
        bar.more.click()
        assert seen()[:4] == ["run 0", "run 1", "run 2", "run 3"]
        await turn(0.1)
        assert bar.height() <= 0.46 * window.height()
        bar.notices[3].dismiss.click()
        bar.more.click()
        assert seen()[0] == "run 2" and bar.more.text() == "2 earlier problems"
        for n in range(40):
            tell(Trouble("it failed", f"later {n}"))
        assert bar.more.text() == "19 earlier problems" and seen()[-1] == "later 39"
        bar.dismiss_all()
        assert not bar.notices and not bar.isVisible()


async def test_a_workspace_that_cannot_be_built_says_so_and_the_window_lives(qapp, tmp_path, monkeypatch):
    from nexus_studio.panels import gallery

    def breaks(session):
        raise RuntimeError("a broken panel")

    monkeypatch.setattr(gallery, "GalleryPanel", breaks)
    async with scripted_window(tmp_path) as window:
        window.show_workspace("gallery")
        assert window.current == "gallery" and "a broken panel" in window.notices.notices[0].trouble.what
        window.show_workspace("data")
        assert window.current == "data"


# -------------------------------------------------------------------------------------------------- drops


def dragged(paths):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def send_drag(window, mime, at):
    action, buttons, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, action, mime, buttons, none)
    QApplication.sendEvent(window, enter)
    QApplication.sendEvent(window, QDragMoveEvent(at, action, mime, buttons, none))
    return enter


def send_drop(window, mime, at):
    drop = QDropEvent(QPointF(at), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, drop)


async def test_files_dropped_anywhere_show_zones_and_are_imported(qapp, tmp_path):
    async with scripted_window(tmp_path, populated=False) as window:
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        mime = dragged([tmp_path])
        other = QLineEdit()
        other.show()
        other.activateWindow()
        await settle(lambda: qapp.activeWindow() is other)
        enter = send_drag(window, mime, QPoint(300, 400))
        assert enter.isAccepted() and window.drops.isVisible() and window.drops.hovered == "import"
        send_drop(window, mime, QPoint(300, 400))
        assert not window.drops.isVisible()
        await settle(lambda: window.session.datasets.records)
        assert qapp.activeWindow() is window, "keys go to where the files were let go"
        calls = [call for call in window.session.bridge.engine.calls if call[0] == "import_data"]
        assert calls[0][1] == [str(tmp_path)] and window.current == "data"


async def test_on_an_empty_library_the_whole_window_imports_and_the_files_are_never_moved(qapp, tmp_path):
    async with scripted_window(tmp_path, populated=False) as window:
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        mime, middle = dragged([tmp_path]), window.rect().center()
        send_drag(window, mime, middle)
        assert list(window.drops.places()) == ["import"] and window.drops.places()["import"].contains(middle)
        both = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
        drop = QDropEvent(QPointF(middle), both, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier)
        assert drop.proposedAction() == Qt.DropAction.MoveAction
        QApplication.sendEvent(window, drop)
        assert drop.isAccepted() and drop.dropAction() == Qt.DropAction.CopyAction
        await settle(lambda: [call for call in window.session.bridge.engine.calls if call[0] == "import_data"])


async def test_only_what_can_be_done_has_a_zone_and_where_nothing_can_the_drop_is_refused_with_its_reason(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        table, folder = tmp_path / "captions.csv", tmp_path / "prints"
        table.write_text("file_name,text\na.png,a fern\n")
        folder.mkdir()
        send_drag(window, dragged([table]), QPoint(300, 400))
        assert set(window.drops.places()) == {"captions"}, "the pictures that it names are not beside it"
        send_drag(window, dragged([folder]), QPoint(300, 400))
        places = window.drops.places()
        assert set(places) == {"import", "captions"}
        spots = [place.toRect() for place in places.values()]
        assert not any(a.intersects(b) for n, a in enumerate(spots) for b in spots[n + 1 :])
        assert window.grab().toImage() is not None
        mime = dragged([tmp_path / "a.xyz"])
        send_drag(window, mime, QPoint(300, 400))
        assert len(window.drops.places()) == 1
        send_drop(window, mime, window.rect().center())
        assert "no picture or archive among them" in window.notices.notices[-1].trouble.what
        for name in ("model.safetensors", "model.ckpt", "model.pt"):
            (tmp_path / name).write_bytes(b"PK\x03\x04 no state")
            mime = dragged([tmp_path / name])
            send_drag(window, mime, QPoint(300, 400))
            send_drop(window, mime, window.rect().center())
            said = window.notices.notices[-1].trouble.what
            assert f"{name} holds weights; " in said and "train a model on pictures" in said, said
        assert not [call for call in window.session.bridge.engine.calls if call[0] == "import_data"]


@pytest.mark.parametrize("others", [[], ["plain.png", "leaf.png"]])
async def test_an_exported_picture_opens_its_state_wherever_it_is_dropped_and_the_rest_is_imported(qapp, tmp_path, others):
    async with scripted_window(tmp_path) as window:
        session, gone, told = window.session, [], []
        session.navigate.connect(lambda key, what: gone.append((key, what)))
        session.bridge.noticed.connect(told.append)
        record = session.bridge.library.samples()[0]
        exported = tmp_path / "sheet.png"
        exported.write_bytes(b"\x89PNG...." + provenance.marker(record).encode() + b"\0....")
        for name in others:
            (tmp_path / name).write_bytes(b"\x89PNG")
        mime = dragged([tmp_path / name for name in [*others, "sheet.png"]])
        for at in (QPoint(300, 400), QPoint(window.width() - 120, 300), QPoint(4, 4)):
            before = len(gone)
            send_drag(window, mime, at)
            place = window.drops.places()[window.drops.hovered]
            if not others:
                assert [zone.key for zone in window.drops.zones] == ["state"] and place.width() > window.width() * 0.8
            elif window.drops.hovered != "import":
                window.drops.leave()
                continue
            send_drop(window, mime, at)
            await settle(lambda before=before: len(gone) > before)
            assert gone[-1][0] == "sample" and gone[-1][1]["state"] == record
        await settle(lambda: not session.jobs.activities and not session.bridge.busy())
        imported = [call[1] for call in session.bridge.engine.calls if call[0] == "import_data"]
        assert all(paths == [str(tmp_path / name) for name in others] for paths in imported) and bool(imported) == bool(others)
        assert {key for key, _ in gone} == {"sample"}, "the state stays in view"
        assert others == [] or "“sheet.png” opened the state that made it. 2 others are imported as a new data set." in told


async def test_an_empty_folder_is_told_once_and_leaves_nothing_behind(qapp, tmp_path):
    async with scripted_window(tmp_path, populated=False) as window:
        (tmp_path / "empty" / "inner").mkdir(parents=True)
        mime = dragged([tmp_path / "empty"])
        send_drag(window, mime, QPoint(300, 400))
        send_drop(window, mime, QPoint(300, 400))
        await settle(lambda: window.notices.notices)
        assert [notice.text.text() for notice in window.notices.notices] == [f"{tmp_path / 'empty'}: There is nothing in it"], (
            "the words of the command line"
        )
        assert not window.session.verdicts.records
        assert not [call for call in window.session.bridge.engine.calls if call[0] == "import_data"]


async def test_a_failed_import_is_told_in_the_list_or_in_the_notices_whichever_is_in_view(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session = window.session
        session.bridge.engine.failures["import_data"] = TroubleError(
            "there are no pictures in it", "texts", "nothing was added", detail="a line\n" * 2000
        )
        (tmp_path / "texts").mkdir()
        (tmp_path / "texts" / "a.txt").write_text("words")
        window.show_workspace("data")
        await turn(0.05)
        session.open_paths([str(tmp_path / "texts")])
        await settle(lambda: session.verdicts.of("import"))
        await turn(0.05)
        assert not window.notices.notices and window.workspace("data").list.isVisible()
        window.show_workspace("learn")
        session.open_paths([str(tmp_path / "texts")])
        await settle(lambda: window.notices.notices)
        assert window.notices.notices[0].text.text() == "texts: There are no pictures in it"


async def test_a_drag_that_leaves_takes_the_zones_away_and_text_is_not_taken(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        send_drag(window, dragged([tmp_path]), QPoint(10, 10))
        QApplication.sendEvent(window, QDragLeaveEvent())
        assert not window.drops.isVisible()
        mime = QMimeData()
        mime.setText("just words")
        enter = send_drag(window, mime, QPoint(10, 10))
        assert not window.drops.isVisible() and not (enter.isAccepted() and window.drops.zones)


# --------------------------------------------------------------------------------------------------- jobs


async def test_the_bottom_bar_shows_the_running_job_and_pauses_it(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        running, engine = window.bottom.running, window.session.bridge.engine
        await settle(lambda: "1,240 / 2,000" in running._figures.text())
        assert running._title.text() == "Training · duel-03" and window.bottom.waiting.text() == "2 waiting"
        assert "it/s" in running._figures.text() and "left" in running._figures.text()
        engine.tell(window.session.jobs.active.run, Metrics(1500, {"loss": 0.1}))
        await settle(lambda: "1,500" in running._figures.text())
        assert running._bar.value() == 750
        running._pause.click()
        await settle(lambda: running._title.text().startswith("Paused"))
        running._pause.click()
        await settle(lambda: running._title.text().startswith("Training"))
        running._stop.click()
        await settle(lambda: running._title.text() == "Nothing is running")
        assert [call[0] for call in engine.calls if call[0] in ("pause", "resume", "stop")] == ["pause", "resume", "stop"]


async def test_what_waits_behind_a_paused_run_says_so_whole_and_its_notice_has_both_ways_on(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session = window.session
        window.toggle_jobs()
        await session.jobs.ask("pause", session.jobs.active.run)

        def said():
            return [
                one for row in window.jobs_box.findChildren(WaitingRow) if row.isVisible() for one in row.findChildren(QLabel)
            ]

        await settle(lambda: any("“duel-03” is paused and keeps its place" in one.text() for one in said()))
        whole = lambda one: one.text().endswith("resume or stop it") and one.height() >= one.heightForWidth(one.width())  # noqa: E731
        await settle(lambda: any(whole(one) for one in said()))
        taken = []
        session.bridge.notice("“duel-03” is paused.", Way("Resume it", lambda: taken.append("resume")), Way("Stop it", print))
        (notice,) = window.notices.notices
        assert notice.show_it.text() == "Resume it" and notice.act.text() == "Stop it" and not notice.act.isHidden()
        notice.show_it.click()
        assert taken == ["resume"] and not window.notices.notices


async def test_what_has_ended_cannot_be_paused_while_its_worker_closes(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        running, jobs, runs = window.bottom.running, window.session.jobs, window.session.runs
        engine, run = window.session.bridge.engine, jobs.active.run
        window.toggle_jobs()
        card = window.jobs_box.findChild(RunCard)
        await settle(lambda: running._pause.isEnabled() and card._pause.isEnabled())
        engine.tell(run, State("finished", 2000))  # its job goes on until the worker is gone
        await settle(lambda: running._title.text() == "Finished · duel-03")
        buttons = (running._pause, running._stop, card._pause, card._after, card._now)
        await settle(lambda: not any(button.isEnabled() for button in buttons))  # bar and card each redraw in their turn
        assert jobs.active.run == run
        assert all(button.toolTip() == "The run has ended; its worker is closing" for button in buttons)
        engine.tell(jobs.active.id, State("running"))  # trained further: what it was before is not what it is now
        await settle(lambda: running._title.text() == "Starting · duel-03")
        assert running._stop.isEnabled() and not running._pause.isEnabled()
        assert running._pause.toolTip() == "It can be paused once it trains"
        engine.tell(run, State("running", 2000))
        await settle(lambda: all(button.isEnabled() for button in buttons))
        assert running._pause.toolTip() == "Pause after this step"
        assert runs.view(run).live


async def test_the_bottom_bar_and_the_jobs_acknowledge_a_pause_at_once(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        running, engine = window.bottom.running, window.session.bridge.engine
        window.toggle_jobs()
        card = window.jobs_box.findChild(RunCard)
        await settle(lambda: running._pause.isEnabled() and card._pause.isEnabled())

        async def pause(run):
            """The step that compiles lasts."""

        engine.pause = pause
        running._pause.click()
        assert running._title.text() == "Pausing after this step · duel-03"
        assert card._state.text() == "pausing after this step"
        for button in (running._pause, card._pause):
            assert button.isEnabled() and button.toolTip() == button.accessibleName() == "Go on without a pause"
        palette = {command.key: command for command in window_commands(window)}
        assert palette["run.resume"].enabled() and not palette["run.pause"].enabled()
        for button in (running._pause, card._pause):
            button.click()
            assert running._title.text() == "Training · duel-03" and card._state.text() == "training"
            running._pause.click()
        await settle(lambda: [call[0] for call in engine.calls].count("resume") == 2)
        assert running._stop.isEnabled() and card._after.isEnabled() and card._now.isEnabled()
        engine.tell(window.session.jobs.active.run, State("paused", 1240))
        await settle(lambda: running._title.text() == "Paused · duel-03" and running._pause.isEnabled())


async def test_a_run_that_a_command_trains_stands_in_the_bottom_bar_too(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session, running = window.session, window.bottom.running
        other = next(r.id for r in session.runs.records if r.id != session.jobs.active.run)
        running._stop.click()
        await settle(lambda: running._title.text() == "Nothing is running")
        session.runs.view(other).set_state("running", 5)
        await settle(lambda: running._title.text() == f"Training · {session.runs.get(other).title}")
        session.runs.view(other).set_state("finished", 5)
        await settle(lambda: running._title.text() == "Nothing is running")


async def test_a_queue_that_another_process_works_off_cannot_be_changed_in_the_jobs(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.session.bridge.engine.owns_queue = False
        window.toggle_jobs()
        rows = window.jobs_box.findChildren(WaitingRow)
        assert len(rows) == len(window.session.jobs.waiting) == 2
        for button in (button for row in rows for button in row.findChildren(QAbstractButton)):
            assert not button.isEnabled() and "change it there" in button.toolTip()


async def test_the_jobs_list_reorders_holds_and_takes_out(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.toggle_jobs()
        box, jobs = window.jobs_box, window.session.jobs
        assert box.isVisible()

        def press(tip, which=0):
            found = [one for one in box.findChildren(QAbstractButton) if one.accessibleName() == tip and one.isVisible()]
            found[which].click()

        first, second = (job.id for job in jobs.waiting)
        press("Earlier", 1)
        await settle(lambda: [job.id for job in jobs.waiting] == [second, first])
        await turn(0.05)
        press("Hold: do not start it yet")
        await settle(lambda: jobs.waiting[0].held)
        await turn(0.05)
        press("Take it out of the queue")
        await settle(lambda: [job.id for job in jobs.waiting] == [first])
        QTest.keyClick(box, Qt.Key.Key_Escape)
        assert not box.isVisible()


# ------------------------------------------------------------------------------------------------ restore


async def test_the_session_comes_back_exactly(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.resize(790, 677)
        pictures = next(one for one in window.session.datasets.records if one.modality == "image")
        window.session.datasets.set_current(pictures.id)
        data = window.workspaces["data"]
        data.toggle_dock(data.docks["data.report"])
        data.save_layout()
        window.show_workspace("learn")
        window.apply_theme(theme="light")
        window.session.preferences.set("text_size", 1.15)
        await turn(0.4)
        size = window.size()
    async with scripted_window(tmp_path) as again:
        assert again.current == "learn" and again.height() == size.height()
        widest = QApplication.primaryScreen().availableGeometry().width() - 2  # a restored window fits the screen
        assert again.width() == min(size.width(), widest)
        assert again.session.datasets.current == pictures.id
        keep = again.session.preferences
        assert keep.get("theme") == "light" and keep.get("text_size") == 1.15 and keep.get("layout/data")
        again.apply_theme(theme="dark", text_size=1.0)


async def test_reset_layout_puts_the_docks_back(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        data = window.workspaces["data"]
        data.removeDockWidget(data.docks["data.sets"])
        assert not data.docks["data.sets"].isVisible()
        window.reset_layout()
        assert data.docks["data.sets"].isVisible()


START = """
import asyncio, os, sys, time
import qasync
from pathlib import Path
from nexus_studio import app as studio
app = studio.make_application(["x"])
loop = qasync.QEventLoop(app)
asyncio.set_event_loop(loop)
made = studio.Studio(app, Path(sys.argv[1]))
async def drive():
    while not made.session.is_ready:
        await asyncio.sleep(0.02)
    heavy = [name for name in ("torch", "diffusers", "transformers", "scipy") if name in sys.modules]
    print("READY", made.window.current, heavy, flush=True)
    made.window.show_workspace("learn")
    await asyncio.sleep(60 if sys.argv[2] == "stay" else 0.5)
    made.window.close()
async def main():
    task = asyncio.ensure_future(drive())
    await made.until_closed()
    await task
with loop:
    loop.run_until_complete(main())
print("CLOSED", flush=True)
"""


def studio_process(root, mode):
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    return subprocess.Popen(
        [sys.executable, "-c", START, str(root), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def line_of(process, word):
    for line in process.stdout:
        if line.startswith(word):
            return line
    return ""


def test_a_killed_studio_comes_back_where_it_was_and_never_loads_torch(tmp_path):
    first = studio_process(tmp_path / "library", "stay")
    line = line_of(first, "READY")
    assert line.strip() == "READY data []"
    session = tmp_path_config() / "session.json"
    end = time.time() + 20
    while time.time() < end and not (session.exists() and json.loads(session.read_text()).get("workspace") == "learn"):
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = studio_process(tmp_path / "library", "end")
    assert line_of(second, "READY").strip() == "READY learn []"
    assert line_of(second, "CLOSED") and second.wait(timeout=20) == 0


def tmp_path_config():
    from nexus_studio.state.preferences import config_folder

    return config_folder()


IMPORTED = """
import sys
import nexus_studio.app
heavy = ("torch", "diffusers", "transformers", "scipy", "pyqtgraph", "numpy", "sklearn", "cv2")
print([name for name in heavy if name in sys.modules])
"""


def test_importing_the_application_loads_nothing_heavy():
    found = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"


ELSEWHERE = """
import asyncio, sys, threading
from pathlib import Path

found = []


def note(event, arguments):
    if event == "import" and threading.current_thread() is not threading.main_thread():
        if arguments[0].partition(".")[0] in ("PySide6", "shiboken6", "pyqtgraph", "nexus_studio"):
            found.append(arguments[0])


sys.addaudithook(note)
from nexus_studio import measuring
from nexus_studio.main_window import WORKSPACES
from nexus_studio.shell import building

building.LOOK_S = 0.02
studio, loop = measuring._studio(Path(sys.argv[1]))


async def use():
    from nexus_studio.plots.curves import loading

    running = asyncio.ensure_future(studio.until_closed())
    while len(studio.window.workspaces) < len(WORKSPACES) or loading().axes is None:
        await asyncio.sleep(0.05)
    for key, _, _ in WORKSPACES:
        studio.window.show_workspace(key)
        await asyncio.sleep(0.2)
    studio.quit()
    await running


with loop:
    loop.run_until_complete(asyncio.wait_for(use(), 90))
print("pyqtgraph" in sys.modules, found)
"""


def test_no_thread_but_the_windows_own_imports_qt_code(tmp_path):
    """PySide makes its classes when first asked for; two threads that do so at a time crash the process."""
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "library")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "True []"


# --------------------------------------------------------------------------------------- single instance


ASK = """
import sys
from PySide6.QtCore import QCoreApplication
from nexus_studio.shell.single import ask_first
app = QCoreApplication([])
print(ask_first(sys.argv[1], sys.argv[2]))
"""


def test_a_second_start_raises_the_first_window_and_hands_over_its_paths(qapp, qtbot, tmp_path):
    root = tmp_path / "library"
    assert ask_first(root, "") is False, "nobody answers yet"
    listener = Listener(root)
    with qtbot.waitSignal(listener.asked, timeout=15_000) as asked:
        command = [sys.executable, "-c", ASK, str(root), "/a b.png\n/c.png"]
        second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    qtbot.waitUntil(lambda: second.poll() is not None, timeout=15_000)
    assert second.stdout.read().strip() == "True" and asked.args[0] == ["/a b.png", "/c.png"]
    assert ask_first(tmp_path / "another", "") is False
    listener.close()


def test_a_socket_left_by_a_killed_studio_is_taken_over(qapp, tmp_path):
    left, taken = Listener(tmp_path), Listener(tmp_path)
    assert taken._server.isListening()
    left.close(), taken.close()


# ------------------------------------------------------------------------------------------------ figures


def test_the_latency_meter_sees_a_loop_that_was_away(qapp, qtbot):
    meter, told = LatencyMeter(), []
    meter.told.connect(told.append)
    meter.start()
    qtbot.wait(100)
    time.sleep(0.15)
    qtbot.waitUntil(lambda: bool(told), timeout=3000)
    meter.stop()
    assert max(meter.gaps) >= 100 and told[0] >= 100


def test_figures_in_words():
    assert [words.duration(s) for s in (48, 276, 7500, 273_600)] == ["48 s", "4 m 36 s", "2 h 05 m", "3 d 4 h"]
    assert words.dataset_size("image", 2914, (3, 64, 64)) == "2,914 images · 64²"
    assert (
        words.dataset_size("image", 1, (3, 48, 64)) == "1 image · 64 × 48"
        and words.dataset_size("points", 9, (2,)) == "9 points · 2-D"
    )
    assert figures.megabytes(812) == "812 MB" and figures.megabytes(6350) == "6.2 GB"
    assert [words.rate(r) for r in (41.23, 0.251, 2637)] == ["41.2", "0.25", "2,637"]


async def test_the_bridge_closes_what_is_under_way(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        task = window.session.bridge.spawn(asyncio.sleep(60))
        await turn(0.02)
    assert task.cancelled()


async def test_a_refused_number_is_told_once_in_the_window(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.show_workspace("trajectory")
        await turn(0.3)
        box = window.workspaces["trajectory"].controls.count
        old = box.value()
        box.lineEdit().selectAll()
        QTest.keyClicks(box.lineEdit(), "5000")
        QTest.keyClick(box, Qt.Key.Key_Return)
        said = [one.trouble.what for one in window.notices.notices if one.plain]
        assert said == [f"“Items recorded” must be a whole number from 1 to {box.maximum():,}. It stays as it was: {old}."]
        assert box.value() == old


async def test_every_kept_change_of_the_data_counts_as_saved(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session, bottom = window.session, window.bottom
        dataset = next(one.id for one in session.datasets.records if one.classes)
        classes = session.datasets.get(dataset).classes
        renamed = (f"{classes[0]} again", *classes[1:])
        values = session.datasets.settings(dataset) | {"resolution": 24}
        changes = (
            lambda: session.datasets.edit(session.undo, dataset, "Rename the class", classes=renamed),
            lambda: session.datasets.set_settings(session.undo, dataset, values),
            session.undo.undo,
        )
        for change in changes:
            await turn(0.5)  # what else was to be kept is kept
            session.preferences.saved.disconnect(bottom.note_saved)
            bottom._saved_at = time.monotonic() - 60
            bottom._show_saved()
            assert bottom.saved.text().startswith("Saved 1 m")
            change()
            await settle(lambda: bottom.saved.text() == "Saved just now")
            session.preferences.saved.connect(bottom.note_saved)
