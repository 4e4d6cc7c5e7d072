"""Data panel: start page, list, items with captions edited in place, filters, report, what the model sees."""

import shutil
from types import SimpleNamespace

import msgspec
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QFocusEvent, QFontMetrics
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QInputDialog, QLabel, QPushButton
from scripted_window import scripted_session, settle, turn

from models_backend.contract.family import Attribute
from models_backend.contract.run_layout import DoctorReport, Unreadable
from models_backend.library import accounting, datasets, storage, trash
from nexus_studio import theme
from nexus_studio.number_text import parsed
from nexus_studio.panels import data_items, data_large
from nexus_studio.panels.data import DataPanel
from nexus_studio.panels.data_attributes import AttributesForm
from nexus_studio.panels.data_paths import below, dropped_folder, shown_name


class Opened:
    """A Data panel on a scripted session, with the pictures chosen."""

    def __init__(self, root, populated=True):
        self._context = scripted_session(root, populated)

    async def __aenter__(self):
        self.session = await self._context.__aenter__()
        theme.apply(QApplication.instance())
        self.panel = DataPanel(self.session)
        self.panel.resize(1200, 720)
        self.panel.show()
        pictures = [one for one in self.session.datasets.records if one.modality == "image"]
        if pictures:
            self.session.datasets.set_current(pictures[0].id)
            await settle(lambda: self.panel.items.grid.count() == 240)
        return self.panel

    async def __aexit__(self, *error):
        import shiboken6

        self.panel.close()
        shiboken6.delete(self.panel)
        await self._context.__aexit__(*error)


async def test_with_nothing_yet_the_start_page_offers_data_sets_one_click_away(qapp, tmp_path):
    async with Opened(tmp_path, populated=False) as panel:
        assert panel.pages.currentWidget() is panel.start and not panel.docks["data.report"].isVisible()
        panel.start.cards[0].click()
        await settle(lambda: panel.pages.currentWidget() is panel.items)
        assert ("make_builtin", "digits") in panel.session.bridge.engine.calls
        assert panel.docks["data.report"].isVisible() and panel.session.datasets.current_record.builtin == "digits"


async def test_items_are_listed_with_thumbnails_read_from_the_cache(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items = panel.items
        await settle(lambda: all(items.thumbs.picture(n) is not None for n in range(20)))
        assert items.thumbs.picture(0).width() == 16 and items._caption(3) == "a disc number 3"
        items.items[3] = msgspec.structs.replace(items.items[3], caption="")
        assert items._caption(3) == "class 3", "a name of a class is not taken for a caption"
        assert items._badge(7) == "=" and items._badge(8) == ""
        assert len(items.thumbs._images) < 240, "only what is seen is read"


def views(panel):
    return [call[1] for call in panel.session.bridge.engine.calls if call[0] == "see"]


async def test_large_tiles_show_the_sources_small_ones_the_copies_and_the_choice_is_the_person_s(qapp, tmp_path, monkeypatch):
    monkeypatch.setattr(data_large, "MAGNIFIED", 2.0)  # the smallest tiles are 24 px, the copies here 16
    async with Opened(tmp_path) as panel:
        items, large = panel.items, panel.items.large
        items.grid.set_tile(24)
        assert not large.ways.isVisible(), "the copies are as large as their sources"
        items._take_items([msgspec.structs.replace(one, width=400, height=300) for one in items.items])
        await settle(lambda: items.thumbs.picture(0) is not None)
        await turn()
        assert large.ways.isVisible() and not views(panel)
        panel.session.bridge.engine.unseen["disc-0001.png"] = "it is not there any more"
        items.grid.set_tile(300)
        await settle(lambda: large.picture(0).width() > 16)
        assert (large.picture(0).width(), large.picture(0).height()) == (384, 288), "whole, of the source's proportions"
        assert items.items[0].sha256 in {view.sha256 for view in views(panel)} and not large.words(0)
        await settle(lambda: large.words(1))
        assert large.words(1) == "Shown as it is trained on, 16 × 16: it is not there any more"
        assert large.picture(1).width() == 16
        large.ways.setCurrentIndex(large.ways.findData("trained"))
        assert large.picture(0).width() == 16 and large.said.isVisible()
        assert large.said.text() == large.words(0) == "Shown as it is trained on, 16 × 16"
        before = len(views(panel))
        items.grid.refresh()
        await turn()
        assert len(views(panel)) == before, "what is not shown is not read"
        large.ways.setCurrentIndex(large.ways.findData("source"))
        assert large.picture(0).width() == 384 and not large.said.isVisible()


async def test_the_picture_beside_the_pointer_is_that_of_the_source(qapp, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(data_large, "MAGNIFIED", 2.0)
    async with Opened(tmp_path) as panel:
        items = panel.items
        items.grid.set_tile(24)
        items._take_items([msgspec.structs.replace(one, width=400, height=300) for one in items.items])
        await settle(lambda: items.thumbs.picture(5) is not None)
        monkeypatch.setattr(data_items, "tip", lambda record, known, index, image, words: shown.append(image.width()) or "x")
        monkeypatch.setattr(data_items.QToolTip, "isVisible", lambda: True)
        items._point_at(5, QPoint(10, 10))
        await settle(lambda: len(shown) == 2)
        assert shown == [16, 256], "the copy at once, the source when it has come"


async def test_a_caption_is_edited_in_place_and_undone(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items, session = panel.items, panel.session
        folder = session.bridge.library.dataset(items.record.id)
        items.grid.activated.emit(3)
        assert items.caption.isVisible() and items.caption.text() == "a disc number 3"
        QTest.keyClicks(items.caption, "a red disc")
        QTest.keyClick(items.caption, Qt.Key.Key_Return)
        await settle(lambda: folder.items()[3].caption == "a red disc")
        await settle(lambda: items._caption(3) == "a red disc")
        session.undo.undo()
        await settle(lambda: items._caption(3) == "a disc number 3")
        session.undo.redo()
        await settle(lambda: items._caption(3) == "a red disc")


async def test_escape_leaves_a_caption_as_it_was_and_tab_goes_on(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items = panel.items
        items.edit(3)
        QTest.keyClicks(items.caption, "x")
        QTest.keyClick(items.caption, Qt.Key.Key_Escape)
        assert not items.caption.isVisible() and panel.session.undo.undo_text == ""
        items.edit(3)
        QTest.keyClicks(items.caption, "y")
        QTest.keyClick(items.caption, Qt.Key.Key_Tab)
        await settle(lambda: items.items[3].caption == "y")
        assert items.caption.position == 4


async def test_no_row_of_clicks_closes_the_caption_that_it_opened(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items, view = panel.items, panel.items.grid.viewport()
        tile = items.grid.tile_rect(3).center()
        QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=tile)
        QTest.keyClicks(items.caption, "half")
        for click in (QTest.mouseClick, QTest.mouseDClick, QTest.mouseClick):  # the third, fourth and fifth of a row
            click(view, Qt.MouseButton.LeftButton, pos=tile)
            click(items.caption, Qt.MouseButton.LeftButton, pos=QPoint(20, 8))
        QTest.mouseClick(items.caption, Qt.MouseButton.RightButton, pos=QPoint(20, 8))  # its menu is no way out either
        QApplication.sendEvent(items.caption, QFocusEvent(QEvent.Type.FocusOut, Qt.FocusReason.PopupFocusReason))
        assert items.caption.isVisible() and items.caption.text() == "half" and items.caption.position == 3
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=items.grid.tile_rect(5).center())
        assert not items.caption.isVisible() and items.grid.current() == 5 and items.grid.hasFocus()
        await settle(lambda: items.items[3].caption == "half")


async def test_a_caption_that_is_written_stays_with_its_item_when_others_leave_the_filter(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items = panel.items
        items.search.setText("number")
        first, second = items.shown[:2]
        items.edit(0)
        items.caption.setText("a square")
        QTest.keyClick(items.caption, Qt.Key.Key_Tab)
        QTest.keyClicks(items.caption, "a ring")
        await settle(lambda: first not in items.shown)
        assert items.caption.isVisible() and items.caption.position == 0 and items.shown[0] == second
        assert items.caption.geometry() == items._caption_place(0)
        QTest.keyClick(items.caption, Qt.Key.Key_Return)
        await settle(lambda: items.items[second].caption == "a ring")


async def with_attributes(panel):
    """The pictures again, each with an age and a yes or no; the third says nothing of either."""
    session = panel.session
    folder = session.bridge.library.dataset(panel.items.record.id)
    known = (Attribute("age", 3.0, 80.0), Attribute("smiles", 0.0, 1.0))
    items = [msgspec.structs.replace(item, attributes=(float(3 + n % 78), float(n % 2)) if n != 2 else (None, None))
             for n, item in enumerate(folder.imported())]  # fmt: skip
    datasets.write_items(folder.layout.items, items)
    storage.write_json(folder.layout.record, msgspec.structs.replace(folder.imported_record(), attributes=known))
    folder._items = None
    await session.datasets.load()
    panel.items.reload()
    await settle(lambda: panel.items.items[0].attributes == (3.0, 0.0) and panel.items.record.attributes == known)
    return folder


async def test_attributes_of_items_are_edited_and_undone(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        folder, items = await with_attributes(panel), panel.items
        items.grid.select([0, 2])
        items.edit_attributes()
        form = items.findChild(AttributesForm)
        assert [field.placeholderText() for field in form.fields] == ["Several values", "Several values"]
        told = {label.text() for label in form.findChildren(QLabel)}
        assert {text for known in items.record.attributes for text in (known.name, known.span)} <= told
        form.fields[0].setText("41,5")  # as people of some countries write it
        form.kept.click()
        await settle(lambda: items.items[2].attributes == (41.5, None))
        assert items.items[0].attributes == (41.5, 0.0), "the attribute that was not touched stays each item's own"
        assert panel.session.undo.undo_text == "Change the attributes of 2 items"
        panel.session.undo.undo()
        await settle(lambda: items.items[2].attributes == (None, None) and items.items[0].attributes == (3.0, 0.0))
        panel.session.undo.redo()
        await settle(lambda: folder.items()[0].attributes == (41.5, 0.0))


async def test_a_value_that_an_attribute_cannot_have_is_said_and_the_form_stays(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        await with_attributes(panel)
        panel.items.grid.set_current(1, select=True)
        command = next(one for one in panel.commands() if one.key == "data.attributes")
        assert command.enabled()
        command.run()
        form = panel.items.findChild(AttributesForm)
        assert [field.text() for field in form.fields] == ["4", "1"]
        form.fields[0].setText("old")
        form.kept.click()
        assert form.isVisible() and form.error.isVisible()
        assert form.error.text().startswith("age: “old” is no value of it") and "from 3 to 80" in form.error.text()
        form.fields[0].setText("")  # unknown
        form.kept.click()
        await settle(lambda: panel.items.items[1].attributes == (None, 1.0))


async def test_filters_and_search_narrow_and_are_remembered(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items = panel.items
        items.filter.setCurrentIndex(items.filter.findData("validation"))
        assert items.grid.count() == 24 and items.found.text() == "24 of 240 items"
        items.search.setText("disc 19")
        found = [items.items[n].caption for n in items.shown]
        assert found == ["a disc number 19", "a disc number 119", "a disc number 199", "a disc number 219"]
        items.search.clear()
        items.show_only("class", "3")
        assert items.grid.count() == 24 and all(items.items[n].label == 3 for n in items.shown)
        items.show_only("class", "3")
        assert items.grid.count() == 240, "asked twice, the filter goes away"
        items.filter.setCurrentIndex(items.filter.findData("duplicates"))
        assert items.shown == [6, 7, 29, 30], "each copy stands behind what it is a copy of"
        assert [items._caption(n) for n in (1, 3)] == ["copy of disc-0006.png", "like disc-0029.png"]
        assert panel.session.preferences.get(f"data/shown/{items.record.id}") == "duplicates"


async def test_the_class_of_a_selection_is_one_edit(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items, session = panel.items, panel.session
        items.set_class([0, 1, 2], 5)
        await settle(lambda: [items.items[n].label for n in range(3)] == [5, 5, 5])
        assert session.undo.undo_text == "Change the class of 3 items"
        session.undo.undo()
        await settle(lambda: [items.items[n].label for n in range(3)] == [0, 1, 2])
        items.set_class([0], 0)
        assert session.undo.undo_text == "", "nothing changed, nothing to undo"


async def test_a_data_set_is_renamed_and_the_name_undone(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        model = panel.list.model
        row = next(n for n, one in enumerate(model.records) if one.modality == "image")
        model.setData(model.index(row), "Ferns")
        await settle(lambda: panel.session.datasets.current_record.title == "Ferns")
        panel.session.undo.undo()
        await settle(lambda: panel.session.datasets.current_record.title == "Botanical prints")


async def test_the_report_shows_figures_classes_and_every_unreadable_file_with_its_reason(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        report = panel.report
        await settle(lambda: report.report is not None)
        assert report.figures["imported"]._number.text() == "240" and report.figures["unreadable"]._number.text() == "3"
        assert report.figures["imported"]._note.text() == "of 243 found"
        assert report.came.text().startswith(
            "Imported 240 of 243 pictures: 3 could not be read (bad-0.png, bad-1.png, bad-2.png)."
        )
        assert "Of the imported, 1 is an exact copy (" in report.came.text() and report.came.isVisible()
        assert report.figures["duplicates"]._note.text() == "1 exact, 1 near"
        record = panel.session.datasets.current_record
        panel.session.datasets.copied[record.id] = accounting.Copies(odd=["the same picture is in different classes: a, b"])
        report.show_report(record, report.report)
        assert "• The same picture is in different classes: a, b" in report.notes.text()
        lines = [report.unread.data(report.unread.index(n)) for n in range(3)]
        assert lines[0].endswith("bad-0.png: ends after 812 of 3,400 bytes")
        asked = []
        report.filter_asked.connect(lambda *which: asked.append(which))
        QTest.mouseClick(report.classes, Qt.MouseButton.LeftButton, pos=report.classes.rect().topLeft() + theme_point())
        assert asked == [("class", "0")]
        report._copy_unread()
        assert QApplication.clipboard().text().count("\n") == 3


async def test_models_that_suit_the_data_stand_best_first_with_a_reason_and_lead_to_train(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        suits, asked = panel.report.suits, []
        await settle(lambda: bool(suits.suits))
        panel.session.navigate.connect(lambda *where: asked.append(where))
        assert suits.titles()[0] == "Denoiser" and sorted(suits.titles()) == ["Coder", "Denoiser", "Duel", "Flow"]
        lines = [suits._lines.itemAt(n).widget() for n in range(4)]
        first = lines[0].findChild(QPushButton)
        assert first.text() == "Denoiser" and first.accessibleDescription() == "Makes each of the 10 classes when asked"
        first.click()
        assert asked == [("train", {"family": "denoiser", "dataset": panel.session.datasets.current})]
        assert not suits.more.isVisible(), "all four are shown"


async def test_models_that_suit_follow_what_is_to_be_learned(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        suits, datasets = panel.report.suits, panel.session.datasets
        await settle(lambda: bool(suits.suits))

        def reasons():
            return " ".join(suit.reason for suit in suits.suits)

        assert "classes" in reasons()
        datasets.set_settings(
            panel.session.undo, datasets.current, datasets.settings(datasets.current) | {"conditions": "none"}
        )
        assert "when asked" not in reasons()


async def test_models_that_cannot_learn_the_data_are_shown_with_all_and_say_why(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        suits, catalogue = panel.report.suits, panel.session.catalogue
        narrow = msgspec.structs.replace(catalogue.families[0], key="dots", title="Dots", modalities=("points",))
        catalogue.families = [*catalogue.families, narrow]
        catalogue.changed.emit()
        assert "Dots" not in suits.titles() and suits.more.text() == "Show all 5 models"
        suits.more.click()
        assert suits.titles()[-1] == "Dots" and not suits.more.isVisible()
        last = suits._lines.itemAt(4).widget().findChild(QPushButton)
        assert not last.isEnabled() and last.toolTip() == "Learns points; these are pictures"


def theme_point():
    return QPoint(20, 5)


async def test_a_report_with_nothing_found_leaves_out_what_is_empty(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        await settle(lambda: panel.report.report is not None)
        panel.report.show_report(panel.items.record, DoctorReport(5, 5, train=4, validation=1))
        assert not panel.report.classes.isVisible() and not panel.report._view.isVisible()
        odd = DoctorReport(5, 4, (Unreadable("a\nb\x07.png", "truncated", "is cut off"),))
        panel.report.show_report(panel.items.record, odd)
        assert panel.report.unread.data(panel.report.unread.index(0)) == "a\\x0ab\\x07.png: is cut off"
        assert panel.report._unread_title.text() == "NOT IMPORTED  1"
    assert shown_name("ä b.png") == "ä b.png"


async def test_whole_reasons_are_read_however_long_they_are_and_narrow_the_report_is(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        await settle(lambda: panel.report.report is not None)
        view, reason = (
            panel.report._view,
            "it is a Photoshop document, not a picture; " + "save it as a PNG or JPEG picture. " * 4,
        )
        bad = tuple(Unreadable(f"{n}.psd", "foreign", text) for n, text in enumerate((reason, "it is cut off")))
        panel.report.show_report(panel.items.record, DoctorReport(5, 3, bad))
        painted = []
        for name, width in (("wide", 460), ("narrow", 240)):
            view.setFixedWidth(width)
            await turn()
            long, short = (view.visualRect(panel.report.unread.index(n)) for n in range(2))
            metrics = QFontMetrics(theme.font("text", 11))
            lines = metrics.horizontalAdvance(reason) / (view.viewport().width() - 26)
            assert long.height() >= short.height() + (int(lines) - 1) * metrics.lineSpacing(), name
            painted.append(long.height())
        assert painted[1] > painted[0] and "…" not in panel.report.unread.data(panel.report.unread.index(0))


async def test_all_files_that_were_not_imported_are_seen_after_the_text_was_made_larger(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        await settle(lambda: panel.report.report is not None)
        theme.apply(qapp, "dark", theme.TEXT_SIZES[-1])
        try:
            view = panel.report._view
            assert view.height() >= 3 * view.sizeHintForRow(0)
        finally:
            theme.apply(qapp)


async def test_transparency_and_grey_pictures_are_told_beside_what_was_imported(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        await settle(lambda: panel.report.report is not None)
        notes = tuple(f"{n}.png is in truth a JPEG picture" for n in range(9))
        panel.report.show_report(panel.items.record, DoctorReport(10, 10, grey=3, alpha=2, notes=notes))
        assert panel.report.came.text() == (
            "Imported 10 pictures. 2 pictures have transparency: models see white where it is transparent; the files stay as"
            " they are. 3 of 10 pictures are grey: models see three equal channels there, as the others have colour."
        )
        panel.report.show_report(panel.items.record, DoctorReport(10, 10, grey=10))
        assert panel.report.came.text().endswith(" All pictures are grey: unless asked otherwise, models see one channel.")


async def test_many_notes_stand_behind_a_button_and_paths_are_told_from_what_was_dropped(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        await settle(lambda: panel.report.report is not None)
        record = msgspec.structs.replace(panel.items.record, roots=("/home/me/prints",))
        notes = tuple(f"/home/me/prints/stars/film {n} is in truth a JPEG picture" for n in range(9))
        bad = (Unreadable("/home/me/prints/old/1.png", "empty", "the file has no bytes"),)
        panel.report.show_report(record, DoctorReport(10, 9, bad, notes=notes))
        assert panel.report.notes.text().splitlines() == [f"• stars/film {n} is in truth a JPEG picture" for n in range(3)]
        assert panel.report._more.isVisible() and panel.report._more.text() == "Show 6 more notes"
        panel.report._more.click()
        assert len(panel.report.notes.text().splitlines()) == 9 and not panel.report._more.isVisible()
        assert panel.report.unread.names == ["old/1.png"]
    files = ("/home/me/a/1.png", "/home/me/a/2.png", "/home/me/b")
    assert below("/home/me/a/1.png", dropped_folder(files)) == "a/1.png"
    assert below("/home/me/a/1.png", dropped_folder(files[:1])) == "1.png"
    assert below("/x/1.png", dropped_folder(())) == "/x/1.png"


async def test_what_the_model_sees_follows_the_settings_and_they_are_kept(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        view = panel.preview
        await settle(lambda: len(view.images) == 24)
        assert view.images[0].width() == 16 and not view.images[0].isGrayscale()
        first = view.images[1].copy()
        view.form.set_values({"resolution": 8, "channels": "grey"})
        view.form.changed.emit()
        await settle(lambda: view.images[0].width() == 8 and view.images[0].isGrayscale())
        datasets, dataset = panel.session.datasets, panel.items.record.id
        assert datasets.settings(dataset)["resolution"] == 8, "what is typed counts at once"
        await settle(lambda: datasets.get(dataset).settings == {"resolution": 8, "channels": "grey"})
        assert panel.session.preferences.get(f"data/settings/{dataset}") is None, "it is kept with the data, not in the window"
        view.form.set_values({"resolution": 16, "flip": True})
        view.form.changed.emit()
        await settle(lambda: view.images[1].width() == 16)
        assert view.images[1] == first.mirrored(True, False)
        said = panel.docks["data.preview"].heading.hint
        assert said.text() == "16 × 16 · rgb"
        view.form.set_values({"resolution": 16, "buckets": 3})
        view.form.changed.emit()
        await settle(lambda: said.text() == "16 × 16 · rgb · in training up to 3 shapes")


async def test_points_are_drawn_in_the_plane(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        points = next(one for one in panel.session.datasets.records if one.modality == "points")
        panel.session.datasets.set_current(points.id)
        await settle(lambda: panel.items.points._points.shape == (20_000, 2))
        assert panel.items.views.currentWidget() is panel.items.points and not panel.docks["data.preview"].isVisible()


async def test_moving_a_data_set_to_the_trash_is_undone(qapp, tmp_path, monkeypatch):
    from models_backend.library import trash

    moved = {}

    def delete(library, kind, key):
        moved["entry"] = library.sets.pop(key)
        return type("Entry", (), {"id": "entry-1"})()

    def restore(library, entry):
        assert entry == "entry-1"
        library.sets[moved["entry"].record().id] = moved["entry"]

    monkeypatch.setattr(trash, "delete", delete)
    monkeypatch.setattr(trash, "restore", restore)
    monkeypatch.setattr(
        trash, "entries", lambda layout: [SimpleNamespace(id="entry-1", kind="dataset", path="-")] if moved else []
    )
    async with Opened(tmp_path) as panel:
        record = panel.session.datasets.current_record
        panel.list._delete(record)
        await settle(lambda: panel.session.datasets.get(record.id) is None)
        panel.session.undo.undo()
        await settle(lambda: panel.session.datasets.get(record.id) is not None)


async def test_classes_are_set_and_renamed_from_the_menu_of_commands(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        commands = {one.key: one for one in panel.commands()}
        await settle(lambda: panel.items.grid.count() == 240)
        panel.items.grid.set_current(-1)
        assert not commands["data.class"].enabled() and commands["data.rename_class"].enabled()
        panel.items.grid.set_current(2, select=True)
        commands["data.class"].run()
        menu = QApplication.activePopupWidget()
        assert menu.title() == "Class of 1 item" and menu.actions()[-1].text() == "New class…"
        menu.actions()[5].trigger()
        menu.close()
        await settle(lambda: panel.items.items[2].label == 5)
        commands["data.rename_class"].run()
        menu = QApplication.activePopupWidget()
        menu.actions()[5].trigger()
        menu.close()
        dialog = panel.findChild(QInputDialog)
        assert dialog.textValue() == panel.items.record.classes[5]
        dialog.setTextValue("five")
        dialog.accept()
        await settle(lambda: panel.items.record.classes[5] == "five")


@pytest.mark.parametrize("key", ["data.rename", "data.caption", "data.find", "data.train", "data.preview", "data.report"])
async def test_every_action_of_the_panel_runs(qapp, tmp_path, key):
    async with Opened(tmp_path) as panel:
        gone = []
        panel.session.navigate.connect(lambda *where: gone.append(where))
        command = next(one for one in panel.commands() if one.key == key)
        assert command.enabled()
        before = panel.docks["data.report"].isVisible(), panel.docks["data.preview"].isVisible()
        command.run()
        after = panel.docks["data.report"].isVisible(), panel.docks["data.preview"].isVisible()
        effects = (panel.items.caption.isVisible(), before != after, bool(gone), QApplication.focusWidget() is not None)
        assert any(effects)


async def test_the_cards_of_built_in_data_never_overlap(qapp, tmp_path):
    """All of them whole beside and below one another, also in a narrow window."""
    import shiboken6
    from scripted_window import scripted_session

    from nexus_studio.panels.data_start import BUILTIN, StartPage

    async with scripted_session(tmp_path) as session:
        start = StartPage(session)
        start.resize(560, 700)
        start.show()
        qapp.processEvents()
        places = [card.geometry() for card in start.cards]
        assert len(places) == len(BUILTIN)
        assert not any(a.intersects(b) for i, a in enumerate(places) for b in places[:i])
        assert all(card.width() >= card.sizeHint().width() for card in start.cards)
        start.close()
        shiboken6.delete(start)


# ------------------------------------------------------------------------------------------ leaving out, classes, tips


async def test_delete_leaves_items_out_and_undo_takes_them_in_again(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items, session = panel.items, panel.session
        await settle(lambda: panel.report.report is not None)
        items.grid.select([3, 4, 5])
        QTest.keyClick(items.grid, Qt.Key.Key_Delete)
        await settle(lambda: items.grid.count() == 237)
        assert session.undo.undo_text == "Leave out 3 items" and not {3, 4, 5} & set(items.shown)
        assert session.datasets.current_record.kept == 237
        await settle(lambda: panel.report.figures["imported"]._number.text() == "237")
        assert panel.report.classes._classes[3] == ("3", 23) and panel.report.report.train == 213
        panel.report.left_out.click()
        assert items.shown == [3, 4, 5] and not items.back.isHidden()
        items.grid.set_current(0, select=True)
        QTest.keyClick(items.grid, Qt.Key.Key_Delete)
        await settle(lambda: items.shown == [4, 5])
        items.back.click()
        await settle(lambda: items.shown == [])
        session.undo.undo()
        await settle(lambda: items.shown == [4, 5])
        session.undo.undo()
        session.undo.undo()
        await settle(lambda: session.datasets.current_record.left_out == 0)
        session.undo.redo()
        await settle(lambda: session.datasets.current_record.left_out == 3)


async def test_what_is_left_out_leaves_no_other_item_chosen_in_its_place(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items, grid = panel.items, panel.items.grid
        grid.set_current(9, select=True)
        grid.select([3, 4, 9])
        QTest.keyClick(grid, Qt.Key.Key_Delete)
        await settle(lambda: grid.count() == 237)
        assert grid.selection() == [] and items.shown[grid.current()] == 10, "the next one is the current one, none is chosen"
        grid.select([items.shown.index(n) for n in (20, 21)])
        panel.session.undo.undo()
        await settle(lambda: grid.count() == 240)
        assert items.chosen() == [20, 21] and items.shown[grid.current()] == 10


async def test_what_is_chosen_stays_chosen_while_items_are_searched(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items = panel.items
        items.grid.select([3, 5, 8])
        items.search.setText("number 8")
        assert 8 in items.shown and items.chosen() == [8]
        items.search.setText("nothing of this kind")
        assert items.shown == [] and items.chosen() == []


async def test_what_has_no_caption_is_told_and_left_out_by_one_click(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items, gap = panel.items, panel.report.gap
        await settle(lambda: panel.report.report is not None)
        assert gap.isHidden(), "every item has a caption"
        items._edit("Clear captions", captions=dict.fromkeys(range(10), ""))
        await settle(lambda: not gap.isHidden())
        assert gap.said.text() == "10 of 240 items have no caption. They are learned without words."
        gap.look.click()
        await settle(lambda: items.shown == list(range(10)))
        gap.leave_out.click()
        await settle(lambda: gap.isHidden() and items.shown == [])
        assert panel.session.undo.undo_text == "Leave out 10 items without a caption"
        assert panel.session.datasets.current_record.left_out == 10
        panel.session.undo.undo()
        await settle(lambda: items.shown == list(range(10)) and not gap.isHidden())


async def test_what_has_no_caption_is_told_where_captions_are_used(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items, gap, datasets = panel.items, panel.report.gap, panel.session.datasets
        await settle(lambda: panel.report.report is not None)
        items._edit("Clear captions", captions=dict.fromkeys(range(10), ""))
        await settle(lambda: not gap.isHidden())
        told = datasets.settings(items.record.id)
        datasets.set_settings(panel.session.undo, items.record.id, told | {"conditions": "classes"})
        await settle(gap.isHidden)
        await panel.session.datasets.report(items.record.id)
        assert gap.isHidden(), "captions are not used"
        datasets.set_settings(panel.session.undo, items.record.id, told | {"conditions": "auto"})
        await settle(lambda: not gap.isHidden())


async def test_classes_are_made_renamed_and_counted_anew(qapp, tmp_path):
    from nexus_studio.panels.data_classes import add_class, ask_class_name, ask_new_class, rename_class

    async with Opened(tmp_path) as panel:
        items, session, dataset = panel.items, panel.session, panel.items.record.id
        await settle(lambda: panel.report.report is not None)
        dialog = ask_new_class(panel, session, items.record, [0, 1, 2])
        dialog.setTextValue(" rocks ")
        dialog.accept()
        await settle(lambda: panel.report.classes._classes[-1] == ("rocks", 3))
        await settle(lambda: [items.items[n].label for n in range(3)] == [10, 10, 10])
        assert items.filter.findData("class:10") >= 0
        dialog = ask_class_name(panel, session, session.datasets.get(dataset), "rocks")
        dialog.setTextValue("stones")
        dialog.accept()
        await settle(lambda: panel.report.classes._classes[-1] == ("stones", 3))
        assert items.filter.itemText(items.filter.findData("class:10")) == "Class: stones"
        said = []
        session.bridge.noticed.connect(said.append)
        rename_class(session, dataset, "stones", "3")
        assert said == ["There is a class “3” already. Move the items to it, or choose another name."]
        add_class(session, dataset, "3", [5])
        await settle(lambda: items.items[5].label == 3)
        for _ in range(3):
            session.undo.undo()
        await settle(lambda: session.datasets.get(dataset).classes == tuple("0123456789"))
        await settle(lambda: ("2", 24) in panel.report.classes._classes and items.filter.findData("class:10") < 0)


async def test_the_pointer_tells_of_an_item_and_reads_no_markup(qapp, tmp_path):
    from nexus_studio.panels.data_tips import tip

    async with Opened(tmp_path) as panel:
        items = panel.items
        await settle(lambda: items.thumbs.picture(7) is not None)
        told = tip(items.record, items.items, 7, items.thumbs.picture(7))
        assert "7/disc-0007.png" in told and "A copy of 6/disc-0006.png" in told and "16 × 16 px" in told
        assert "data:image/png;base64," in told and "class 7 · for training" in told
        evil = [msgspec.structs.replace(items.items[0], source="/a/<img src=x>.png", caption="<b>bold</b>\n")]
        told = tip(items.record, evil, 0, None)
        assert "<img" not in told and "&lt;b&gt;bold&lt;/b&gt;\\x0a" in told


async def test_a_long_caption_is_edited_from_its_beginning_in_a_wide_field(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items = panel.items
        text = "a very long caption that says what there is to be seen " * 3
        items._edit("Long", captions={1: text.strip()})
        await settle(lambda: items.items[1].caption == text.strip())
        items.edit(1)
        field, room = items.caption, items.grid.viewport().rect()
        assert field.width() >= 340 and room.contains(field.geometry()) and field.cursorPosition() == 0
        assert field.selectedText() == text.strip()
        QTest.keyClick(field, Qt.Key.Key_Escape)
        items.edit(len(items.shown) - 1)
        assert room.contains(items.caption.geometry()) and items.caption.width() >= 340


async def test_settings_of_an_older_window_go_to_their_data_sets(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        session, dataset = panel.session, panel.items.record.id
        session.preferences.set(f"data/settings/{dataset}", {"resolution": 24, "flip": True, "channels": "auto", "gone": 3})
        await session.datasets.adopt(session.preferences)
        assert session.datasets.get(dataset).settings == {"resolution": 24, "flip": True}
        assert session.preferences.get(f"data/settings/{dataset}") is None
        assert panel.preview.form.values()["resolution"] == 24


async def test_settings_typed_in_a_row_are_one_edit_and_closing_keeps_the_last(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        session, view, dataset = panel.session, panel.preview, panel.items.record.id
        for side in (8, 9, 10):
            view.form.set_values(view.form.values() | {"resolution": side})
            view.form.changed.emit()
        await settle(lambda: session.datasets.get(dataset).settings == {"resolution": 10})
        session.undo.undo()
        await settle(lambda: view.form.values()["resolution"] == 16)
        assert session.datasets.get(dataset).settings == {} and session.undo.undo_text == ""
        folder = session.bridge.library.dataset(dataset)
        view.form.set_values(view.form.values() | {"resolution": 12})
        view.form.changed.emit()
    assert folder.record().settings == {"resolution": 12}


async def test_a_resolution_beyond_the_range_is_refused_in_words_and_the_one_before_stays(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        session, view, dataset = panel.session, panel.preview, panel.items.record.id
        line = view.form.group.lines["resolution"]
        for text in ("5000", "500,5", "7"):
            line.editor.field.selectAll()
            for letter in text:
                QTest.keyClicks(line.editor.field, letter)
                await turn(0.05 if text == "7" else 0.5)  # each digit long enough to be kept
            QTest.keyClick(line.editor.field, Qt.Key.Key_Return)
            await settle(lambda: session.datasets.get(dataset).settings == {})
            await turn(0.5)
            assert parsed(line.editor.field.text(), False) == parsed(text, False), "what was typed can be corrected"
            assert line.below.text() == "Must be a whole number from 8 to 1,024 px"
            assert session.datasets.get(dataset).settings == {} and session.datasets.settings(dataset)["resolution"] == 16
            assert panel.docks["data.preview"].heading.hint.text().startswith("16 × 16")
        line.editor.field.selectAll()
        QTest.keyClicks(line.editor.field, "24")
        QTest.keyClick(line.editor.field, Qt.Key.Key_Return)
        await settle(lambda: session.datasets.get(dataset).settings == {"resolution": 24})
        assert not line.below.isVisible()


async def test_what_is_left_out_is_not_among_what_the_model_sees(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        view = panel.preview
        await settle(lambda: len(view.images) == 24)
        panel.items.leave_out(list(range(235)))
        await settle(lambda: len(view.images) == 5)
        await settle(lambda: panel.items.thumbs.picture(235) is not None)
        assert view.images[0] == panel.items.thumbs.picture(235)
        panel.session.undo.undo()
        await settle(lambda: len(view.images) == 24)


async def test_pictures_that_are_not_where_they_were_are_said_once_with_one_button(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        session, line = panel.session, panel.report.missing
        await turn(0.1)
        assert not line.isVisible(), "nothing is missing"
        record = session.datasets.current_record
        lost = tuple(f"/gone/{i}.png" for i in range(25))
        session.bridge.library.dataset(record.id).lost = lost
        panel.show_current()
        await settle(line.isVisible)
        assert line.said.text().startswith(f"25 of {record.count} pictures are not where they were")
        assert "/gone/19.png" in line.said.toolTip() and line.said.toolTip().endswith("and 5 more")
        said = []
        session.bridge.noticed.connect(said.append)
        line.look_in([str(tmp_path)])
        await settle(lambda: said)
        assert ("look_for", record.id, [str(tmp_path)]) in session.bridge.engine.calls
        assert said == ["24 of 25 missing pictures found."] and line.said.text().startswith("1 of")
        session.bridge.library.dataset(record.id).lost = ()
        panel.show_current()
        await settle(lambda: not line.isVisible())


async def test_importing_again_shows_the_data_set_with_its_edits_and_says_so(qapp, tmp_path, monkeypatch):
    async with Opened(tmp_path) as panel:
        session, record, said = panel.session, panel.items.record, []
        session.bridge.noticed.connect(said.append)
        panel.items.leave_out([1, 2])
        await settle(lambda: session.datasets.current_record.left_out == 2)

        async def again(paths, **more):
            stored = session.bridge.library.dataset(record.id)
            found = storage.read_json(stored.layout.report, DoctorReport)
            storage.write_json(stored.layout.report, msgspec.structs.replace(found, notes=("metadata.csv: of this import",)))
            return record

        monkeypatch.setattr(session.bridge.engine, "import_data", again)
        await session.import_paths(["/pictures/prints"])
        told = "The same items were imported before: “Botanical prints” is shown with its edits (2 items left out)."
        assert said == [told] and "metadata.csv: of this import" in panel.report.notes.text()


async def test_a_newer_import_of_a_folder_says_what_is_new_of_it(qapp, tmp_path, monkeypatch):
    async with Opened(tmp_path) as panel:
        session, said = panel.session, []
        record = msgspec.structs.replace(panel.items.record, created=1e12)
        session.bridge.noticed.connect(said.append)

        async def newer(paths, **more):
            stored = session.bridge.library.dataset(record.id)
            found = storage.read_json(stored.layout.report, DoctorReport)
            storage.write_json(stored.layout.report, msgspec.structs.replace(found, newer="2 pictures are new"))
            return record

        monkeypatch.setattr(session.bridge.engine, "import_data", newer)
        await session.import_paths(["/pictures/prints"])
        assert said == ["2 pictures are new."] and panel.report.notes.text().startswith("• 2 pictures are new")


async def test_what_is_imported_while_the_same_lies_in_the_trash_says_so(qapp, tmp_path, monkeypatch):
    async with Opened(tmp_path) as panel:
        session, said, record = panel.session, [], panel.items.record
        layout = session.bridge.library.layout
        source = layout.dataset(record.id).root
        shutil.copytree(source, tmp_path / "copy")
        trash.put_away(layout, "dataset", "prints", source)
        shutil.copytree(tmp_path / "copy", source)
        session.bridge.noticed.connect(said.append)

        async def again(paths, **more):
            return msgspec.structs.replace(record, created=1e12)

        monkeypatch.setattr(session.bridge.engine, "import_data", again)
        await session.import_paths(["/pictures/prints"])
        told = "The same data set lies in the trash as “prints”: delete this one to bring that one back."
        assert said == [told]


async def test_settings_that_cannot_be_kept_are_told_and_what_is_in_force_is_shown(qapp, tmp_path, monkeypatch):
    from models_backend.contract.messages import TroubleError
    from models_backend.library.datasets import DatasetFolder

    def full(*_, **__):
        raise TroubleError("the edit cannot be saved", "prints", "Earlier edits are kept")

    async with Opened(tmp_path) as panel:
        told, view = [], panel.preview
        panel.session.bridge.trouble.connect(told.append)
        monkeypatch.setattr(DatasetFolder, "edit_many", full)
        view.form.set_values(view.form.values() | {"resolution": 8})
        view.form.changed.emit()
        await settle(lambda: bool(told))
        await settle(lambda: view.form.values()["resolution"] == 16)
        assert told[0].what == "The edit cannot be saved"
