"""The window beside the command line, on one library: what that changes is seen here, and undo never fails mutely."""

import pytest
from real_library import real_session
from scripted_window import scripted_session, settle, turn
from test_data_panel import Opened

from models_backend.contract.family import DataSpec
from models_backend.contract.run_layout import RunRecord
from models_backend.library import trash
from models_backend.library.datasets import DatasetFolder
from models_backend.library.library import Library
from nexus_studio.state.edits import Rewriting

SOON_S = 3.0  # a look a second, and what it then reads


def elsewhere(panel):
    """The chosen data set as another process has it."""
    return DatasetFolder(panel.session.datasets._bridge.library.layout.dataset(panel.session.datasets.current))


@pytest.fixture
async def session(qapp, tmp_path, library_root):
    library = Library.open(library_root)
    spec = DataSpec("image", (3, 8, 8), 6)
    for n in range(2):
        library.create_run(RunRecord(f"run-{n}", f"Run {n}", "ddpm", "d" * 16, "", {}, {"steps": 9}, {}, {}, spec, 1.0 + n))
    async with real_session(library, tmp_path / "session.json") as made:
        yield made


async def test_edits_of_another_process_are_shown_in_data_within_a_second(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        datasets, sized = panel.session.datasets, []
        datasets.settings_changed.connect(sized.append)
        await settle(lambda: panel.report.report is not None)
        elsewhere(panel).edit_many(captions={3: "told elsewhere"}, left_out={0: True, 1: True}, settings={"resolution": 32})
        await settle(lambda: panel.items.grid.count() == 238, SOON_S)
        assert panel.items.items[3].caption == "told elsewhere" and not {0, 1} & set(panel.items.shown)
        assert datasets.current_record.kept == 238 and datasets.current_record.settings == {"resolution": 32}
        assert sized == [datasets.current]
        await settle(lambda: panel.report.figures["imported"]._number.text() == "238")


async def test_an_edit_made_here_is_not_read_twice(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        read = []
        panel.session.datasets.items_changed.connect(read.append)
        panel.items.leave_out([4])
        await settle(lambda: panel.items.grid.count() == 239)
        await turn(1.5)
        assert read == [panel.session.datasets.current]


async def test_a_run_put_in_the_trash_or_named_elsewhere_is_so_here(session):
    session.runs.set_current("run-0")
    beside = Library.open(session.bridge.library.layout.root, own=False)
    trash.delete(beside, "run", "run-0")
    beside.run("run-1").update_record(title="Named elsewhere")
    await settle(lambda: [one.title for one in session.runs.records] == ["Named elsewhere"], SOON_S)
    assert session.runs.current == ""


async def test_a_sample_made_elsewhere_is_told(session):
    told = []
    session.samples.changed.connect(lambda: told.append(1))
    await turn(1.2)
    assert not told
    (session.bridge.library.layout.samples / "made-elsewhere").mkdir()
    await settle(lambda: told, SOON_S)


async def test_an_edit_that_was_taken_back_elsewhere_is_told_and_leaves_the_history(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        session, told = panel.session, []
        session.bridge.trouble.connect(told.append)
        panel.items.set_caption(5, "mine")
        await settle(lambda: panel.items.items[5].caption == "mine")
        panel.items.leave_out([4])
        await settle(lambda: panel.items.grid.count() == 239)
        elsewhere(panel).leave_out([4], False)
        await settle(lambda: panel.items.grid.count() == 240, SOON_S)
        session.undo.undo()
        await settle(lambda: told)
        assert "edited elsewhere" in told[0].what and told[0].item == session.datasets.current_record.title
        assert session.undo.redo_text == "" and session.undo.undo_text == "Edit caption"
        session.undo.undo()  # of what nobody else has touched
        await settle(lambda: panel.items.items[5].caption == "a disc number 5")
        assert session.undo.redo_text == "Edit caption" and len(told) == 1


async def test_undo_leaves_a_title_that_was_set_elsewhere_since_and_says_so_once(session):
    told = []
    session.bridge.trouble.connect(told.append)
    beside = Library.open(session.bridge.library.layout.root, own=False).run("run-1")
    for before, after in (({"tags": ()}, {"tags": ("best",)}), ({"title": "Run 1"}, {"title": "Mine"})):
        session.undo.push_kept(f"edit of {next(iter(after))}", Rewriting(session, "run", "run-1", before, after))
    await settle(lambda: beside.record().title == "Mine" and beside.record().tags == ("best",))
    beside.update_record(title="Named elsewhere")
    session.undo.undo()
    await settle(lambda: told)
    await settle(lambda: not session.bridge.busy())
    assert [one.item for one in told] == ["Named elsewhere"] and told[0].what.startswith("Its title was edited elsewhere since")
    assert beside.record().title == "Named elsewhere"
    assert (session.undo.undo_text, session.undo.redo_text) == ("edit of tags", "")
    session.undo.undo()  # of what nobody else has touched
    await settle(lambda: beside.record().tags == ())
    beside.update_record(tags=("elsewhere",))
    session.undo.redo()
    await settle(lambda: len(told) == 2)
    assert beside.record().tags == ("elsewhere",) and told[1].what.startswith("Its tags were edited elsewhere since")
    assert (session.undo.undo_text, session.undo.redo_text) == ("", "")


async def test_undo_puts_back_the_title_that_an_edit_replaced_though_the_window_had_not_seen_it(session):
    beside = Library.open(session.bridge.library.layout.root, own=False).run("run-1")
    beside.update_record(title="Named elsewhere")
    session.undo.push_kept("Rename run", Rewriting(session, "run", "run-1", {"title": "Run 1"}, {"title": "Mine"}))
    await settle(lambda: beside.record().title == "Mine")
    session.undo.undo()
    await settle(lambda: beside.record().title == "Named elsewhere")


async def test_a_history_of_an_earlier_window_still_knows_what_it_left(qapp, tmp_path):
    async with Opened(tmp_path) as panel:
        panel.items.leave_out([4])
        await settle(lambda: panel.items.grid.count() == 239)
        await turn(0.1)
        elsewhere(panel).edit_many(left_out={4: False})
        kept = panel.session.preferences.companion("undo")
        await settle(lambda: kept.get(str(tmp_path / "library"), {}).get("done"))
    told = []
    async with scripted_session(tmp_path) as session:
        session.bridge.trouble.connect(told.append)
        assert session.undo.undo_text == "Leave out 1 item"
        session.undo.undo()
        await settle(lambda: told)
        assert "edited elsewhere" in told[0].what and session.undo.undo_text == session.undo.redo_text == ""
