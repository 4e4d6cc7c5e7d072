"""What goes on while the window is closed is said when it closes and told by the next one; so is what was given up. What was
being typed is kept."""

import asyncio
import time

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from scripted_window import scripted_window, settle, turn
from test_data_panel import with_attributes

from nexus_studio.panels.data_attributes import AttributesForm
from nexus_studio.panels.data_classes import ask_class_name
from nexus_studio.state.preferences import Preferences


async def said_by_the_next_window(tmp_path, kept, change=None):
    async with scripted_window(tmp_path, preferences=kept, prepare=change) as window:
        await turn(0.2)
        said = [notice.text.text() for notice in window.notices.notices if notice.plain]
    return said


async def closed_with_a_run(tmp_path, kept):
    async with scripted_window(tmp_path, preferences=kept) as window:
        (run,) = window.session.bridge.engine.live()
        record = window.session.runs.get(run)
        window.session.preferences.flush()
    return record


async def test_a_run_that_goes_on_is_named_in_the_terminal_and_by_the_next_window(qapp, tmp_path, capsys):
    kept = tmp_path / "kept.json"
    record = await closed_with_a_run(tmp_path, kept)
    told = capsys.readouterr().err
    assert f"the training of “{record.title}” goes on. It ends with: nexus-studio stop {record.id}" in told
    (text,) = [text for text in await said_by_the_next_window(tmp_path, kept) if "closed" in text]
    assert text == f"The training of “{record.title}” went on while the window was closed: step 1,240 of 2,000."


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (("finished", 2000), "was trained to its end while the window was closed: 2,000 steps."),
        (("failed", 1300), "ended while the window was closed, at step 1,300 of 2,000."),
        (("interrupted", 1300), "ended while the window was closed, at step 1,300 of 2,000."),
    ],
)
async def test_what_became_of_it_is_told_once(qapp, tmp_path, state, words):
    kept = tmp_path / "kept.json"
    record = await closed_with_a_run(tmp_path, kept)

    def ended(engine):
        engine.library.run(record.id).state = lambda: state

    said = await said_by_the_next_window(tmp_path, kept, ended)
    assert len([text for text in said if text.endswith(words) and record.title in text]) == 1


async def test_what_the_window_did_itself_is_given_up_and_that_is_said(qapp, tmp_path, capsys):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:

        async def work():
            async with window.session.under_way("Importing birds", "import", "birds"):
                await asyncio.sleep(60)

        window.session.bridge.spawn(work())
        await settle(lambda: window.session.jobs.activities)
        window.close()
        window.session.preferences.flush()
    assert "The window is closed; given up: Importing birds" in capsys.readouterr().err
    said = await said_by_the_next_window(tmp_path, kept)
    assert "Given up when the window was closed: Importing birds" in said


async def test_what_was_under_way_in_a_window_that_is_killed_is_said_once(qapp, tmp_path):
    kept, killed = tmp_path / "kept.json", tmp_path / "killed.json"
    async with scripted_window(tmp_path, preferences=kept) as window:

        async def work():
            async with window.session.under_way("Sampling duel-03 at step 33", "sample", "duel-03"):
                await asyncio.sleep(60)

        window.session.bridge.spawn(work())
        await settle(lambda: window.session.jobs.activities)
        window.session.preferences.flush()
        killed.write_bytes(kept.read_bytes())  # what a kill leaves
    words = "Not done when the window was ended from outside, and not begun again: Sampling duel-03 at step 33"
    assert words in await said_by_the_next_window(tmp_path, killed)
    assert words not in await said_by_the_next_window(tmp_path, killed)


async def test_a_window_that_closes_with_nothing_under_way_says_nothing(qapp, tmp_path, capsys):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, populated=False, preferences=kept):
        pass
    assert "closed" not in capsys.readouterr().err
    assert not [text for text in await said_by_the_next_window(tmp_path, kept) if "closed" in text]


# ------------------------------------------------------------------------------------------- what was being typed


async def on_data(window):
    """The Data workspace with the pictures shown; its items and what lies on disk of them."""
    window.show_workspace("data")
    panel, datasets = window.workspace("data"), window.session.datasets
    datasets.set_current(next(record.id for record in datasets.records if record.modality == "image"))
    await settle(lambda: panel.items.grid.count() == 240)
    return panel, window.session.bridge.library.dataset(datasets.current)


async def type_caption(window):
    panel, folder = await on_data(window)
    panel.items.edit(3)
    QTest.keyClicks(panel.items.caption, "a red disc")
    return lambda: folder.items()[3].caption == "a red disc"


async def type_title_of_data(window):
    panel, folder = await on_data(window)
    panel.list.rename()
    QTest.keyClicks(panel.list.view.findChild(QLineEdit), "Ferns")
    return lambda: folder.record().title == "Ferns"


async def type_class(window):
    panel, folder = await on_data(window)
    ask_class_name(panel, window.session, folder.record(), "3").setTextValue("three")
    return lambda: folder.record().classes[3] == "three"


async def type_attribute(window):
    panel, _ = await on_data(window)
    folder = await with_attributes(panel)
    panel.items.grid.set_current(1, select=True)
    panel.items.edit_attributes()
    panel.items.findChild(AttributesForm).fields[0].setText("41")
    return lambda: folder.items()[1].attributes[0] == 41.0


async def type_title_of_run(window):
    window.show_workspace("train")
    folder = window.session.bridge.library.run(window.session.runs.records[0].id)
    window.workspace("train").runs.ask_title(folder.record().id).setTextValue("My run")
    return lambda: folder.record().title == "My run"


async def type_title_of_sample(window):
    window.show_workspace("gallery")
    detail = window.workspace("gallery").detail
    await settle(lambda: detail.record is not None)
    folder = window.session.bridge.library.sample(detail.record.id)
    detail.name.setFocus()
    detail.name.selectAll()
    QTest.keyClicks(detail.name, "My sample")
    return lambda: folder.record().title == "My sample"


TYPED = [type_caption, type_title_of_data, type_class, type_attribute, type_title_of_run, type_title_of_sample]


@pytest.mark.parametrize("typed", TYPED, ids=lambda one: one.__name__)
async def test_what_is_being_typed_when_the_window_is_closed_is_kept_and_can_be_undone(qapp, tmp_path, typed):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        is_kept = await typed(window)
        assert not is_kept()
        window.close()
    assert is_kept()
    (done,) = next(iter(Preferences(tmp_path / "kept-undo.json")._values.values()))["done"]
    assert done["kind"] in ("dataset", "record") and done["state"].get("token", done["state"]) is not None


async def test_an_edit_that_was_just_made_is_not_given_up_as_the_window_closes(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        panel, folder = await on_data(window)
        window.session.bridge.threaded(time.sleep, 0.3)  # the file thread has something else to do
        panel.items.leave_out([4])
        window.close()
    assert folder.record().left_out == 1


async def test_what_was_typed_and_cannot_be_kept_is_told_by_the_next_window(qapp, tmp_path, capsys):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel, folder = await on_data(window)
        await with_attributes(panel)
        panel.items.grid.set_current(1, select=True)
        panel.items.edit_attributes()
        panel.items.findChild(AttributesForm).fields[0].setText("old")
        ask_class_name(panel, window.session, folder.record(), "3").setTextValue("4")
        window.close()
    said = await said_by_the_next_window(tmp_path, kept)
    lines = ["What was typed into “Attributes of 1 item” could not be kept.",
             "There is a class “4” already. Move the items to it, or choose another name."]  # fmt: skip
    assert set(lines) <= set(said) and all(line in capsys.readouterr().err for line in lines[:1])
