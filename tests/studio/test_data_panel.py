"""Data panel: start page, list, items with captions edited in place, filters, report, what the model sees."""

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from scripted_window import scripted_session, settle, turn

from models_backend.contract.run_layout import DoctorReport, Unreadable
from nexus_studio import theme
from nexus_studio.panels.data import DataPanel
from nexus_studio.panels.data_preview import settings_key
from nexus_studio.panels.data_report import below, dropped_folder, shown_name


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
        assert items._badge(7) == "=" and items._badge(8) == ""
        assert len(items.thumbs._images) < 240, "only what is seen is read"


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


async def test_filters_and_search_narrow_and_are_remembered(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        items = panel.items
        items.filter.setCurrentIndex(items.filter.findData("validation"))
        assert items.grid.count() == 24 and items.found.text() == "24 items of 240"
        items.search.setText("disc 19")
        found = [items.items[n].caption for n in items.shown]
        assert found == ["a disc number 19", "a disc number 119", "a disc number 199", "a disc number 219"]
        items.search.clear()
        items.show_only("class", "3")
        assert items.grid.count() == 24 and all(items.items[n].label == 3 for n in items.shown)
        items.show_only("class", "3")
        assert items.grid.count() == 240, "asked twice, the filter goes away"
        items.filter.setCurrentIndex(items.filter.findData("duplicates"))
        assert items.shown == [7, 30]
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
        assert report.figures["duplicates"]._note.text() == "1 exact, 1 near"
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


async def test_many_notes_stand_behind_a_button_and_paths_are_told_from_what_was_dropped(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        await settle(lambda: panel.report.report is not None)
        record = msgspec.structs.replace(panel.items.record, roots=("/home/me/prints",))
        notes = tuple(f"/home/me/prints/{n}.png is in truth a JPEG picture" for n in range(9))
        bad = (Unreadable("/home/me/prints/old/1.png", "empty", "the file has no bytes"),)
        panel.report.show_report(record, DoctorReport(10, 9, bad, notes=notes))
        assert panel.report.notes.text().splitlines() == [f"• {n}.png is in truth a JPEG picture" for n in range(3)]
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
        kept = panel.session.preferences.get(settings_key(panel.items.record.id))
        assert kept["resolution"] == 8 and kept["channels"] == "grey"
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
        await turn(0.2)
        assert panel.items.views.currentWidget() is panel.items.points and not panel.docks["data.preview"].isVisible()
        assert panel.items.points._points.shape == (20_000, 2)


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
    async with Opened(tmp_path) as panel:
        record = panel.session.datasets.current_record
        panel.list._delete(record)
        await settle(lambda: panel.session.datasets.get(record.id) is None)
        panel.session.undo.undo()
        await settle(lambda: panel.session.datasets.get(record.id) is not None)


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
