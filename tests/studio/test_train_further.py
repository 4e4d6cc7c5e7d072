"""*Train further* in the Train workspace, on the scripted engine."""

import pytest
import shiboken6
from scripted_window import scripted_session, settle

from nexus_studio import theme
from nexus_studio.panels.train import TrainPanel, described


class Stand:
    """A panel on a session, and what its engine was asked."""

    def __init__(self, session):
        self.session, self.engine, self.troubles = session, session.bridge.engine, []
        session.bridge.trouble.connect(self.troubles.append)
        self.panel = TrainPanel(session)
        self.panel.resize(1216, 734)
        self.panel.show()

    def run(self, title):
        return next(record for record in self.session.runs.records if record.title == title)

    async def choose(self, title):
        """The run's events are read and its buttons follow its state."""
        self.session.runs.set_current(self.run(title).id)
        await settle(lambda: self.panel._view.loaded)
        self.panel._refresh()

    def asked(self, kind):
        return [call for call in self.engine.calls if call[0] == kind]


@pytest.fixture
async def stand(qapp, tmp_path):
    theme.apply(qapp, "dark")
    async with scripted_session(tmp_path) as session:
        session.datasets.set_current(next(one.id for one in session.datasets.records if one.modality == "image"))
        made = Stand(session)
        yield made
        made.panel.close()
        shiboken6.delete(made.panel)


async def test_a_finished_run_is_trained_further(stand):
    await stand.choose("denoiser-small")
    controls, run = stand.panel.controls, stand.run("denoiser-small").id
    assert not controls.more.isVisible()
    controls.further.click()
    card = controls.more
    assert card.isVisible() and card.form.group.lines["steps"].editor.field.text() == "2,000", "as many as before"
    assert card.said.text() == "From step 2,000 on to 4,000 in all; the learning rate goes on at 0.52 of its peak."
    card.form.group.lines["restart"].editor.set_value(True)
    card.form.changed.emit()
    assert card.said.text() == "From step 2,000 on to 4,000 in all; the learning rate begins anew."
    card.form.group.lines["steps"].editor.set_value("500")
    card.form.changed.emit()
    card.button.click()
    await settle(lambda: stand.asked("submit"))
    assert stand.asked("extend") == [("extend", run, 2500, True)] and stand.asked("submit") == [("submit", run, (), True)]
    mark = "trained on to 2,500 steps; the learning rate begins anew"
    await settle(lambda: stand.panel._view.total == 2500)
    await settle(lambda: stand.panel.curves.curves.marks()[-1:] == [(2000, mark)])
    assert not card.isVisible() and not controls.further.isChecked() and "/ 2,500" in described(stand.panel._view)


@pytest.mark.parametrize("typed", ["0", "-5", "1.5", "many", "", "10,000,000"])
async def test_what_adds_nothing_is_refused_on_the_spot(stand, typed):
    await stand.choose("coder-small")
    card = stand.panel.controls.more
    stand.panel.controls.further.click()
    field = card.form.group.lines["steps"].editor.field
    field.setText(typed)
    field.textEdited.emit(typed)
    assert not card.button.isEnabled() and "whole number" in card.button.property("why")
    card.button.click()
    await settle()
    assert not stand.asked("extend") and not stand.troubles


@pytest.mark.parametrize(
    ("state", "why"), [("running", "Stop it first"), ("paused", "Stop it first"), ("queued", "not started")]
)
async def test_only_a_run_that_has_ended_is_trained_further(stand, state, why):
    await stand.choose("denoiser-small")
    controls = stand.panel.controls
    controls.further.click()
    (command,) = [one for one in stand.panel.commands() if one.key == "run.further"]
    assert command.enabled()
    stand.panel._view.set_state(state)
    assert not controls.further.isEnabled() and why in controls.further.property("why")
    assert not controls.more.isVisible() and not command.enabled() and command.why


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted"])
async def test_a_run_that_ended_early_goes_beyond_what_was_planned(stand, state):
    run = stand.engine.library.add_run("denoiser", stand.session.datasets.current, title="ended early")
    stand.engine.library.train(run.id, 800, state)
    await stand.session.runs.load()
    await stand.choose("ended early")
    (command,) = [one for one in stand.panel.commands() if one.key == "run.further"]
    command.run()
    assert stand.panel.controls.more.isVisible() and stand.panel.controls.more.total == 2800
    stand.session.runs.set_current(stand.run("coder-small").id)
    assert not stand.panel.controls.more.isVisible(), "what was asked was of another run"
