"""The Train workspace: models and runs on the left, curves and cards in the middle, samples below, a new run on the right."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget, QWidget

from models_backend.contract.course import Resumption
from models_backend.contract.messages import BudgetReport
from models_backend.contract.run_layout import RunRecord

from .. import pieces, theme
from ..commands import Command
from ..shell.words import ordinal, run_figures
from ..state.run_view import RunView
from ..state.session import Session
from .train_actions import RunActions
from .train_budget import BudgetCard
from .train_cards import Cards
from .train_controls import RunControls
from .train_curves import RunCurves
from .train_edited import EditedData
from .train_models import ModelsList
from .train_runs import RunsList
from .train_samples import StepGrid
from .train_setup import RunSetup
from .train_start import StartControls
from .train_taken import in_trash, untaken
from .train_trouble import RunTroubles
from .workspace import DOCK_LEAST, Footed, Headed, Workspace

SAMPLES = "train.samples"
#: The room that plot and cards want: what stays as it is at another text size, and what grows with it.
MIDDLE_PX, MIDDLE_WORDS_PX = 200, 350
SAMPLES_NOW = 12
TOGETHER_NOW = 2000


class TrainPanel(Workspace):
    """Choose a family, set a run up, watch it learn, and step in."""

    key, title, icon_name = "train", "Train", "train"

    def __init__(self, session: Session):
        super().__init__(session)
        self.actions_of_runs = RunActions(session)
        self._view: RunView | None = None
        self._starting: asyncio.Task | None = None
        self._build_middle()
        self._build_docks()
        self._connect()
        self._show_run(session.runs.current)
        self._show_page()

    # ------------------------------------------------------------------------------------------ building

    def _build_middle(self) -> None:
        self.curves, self.cards = RunCurves(self.session), Cards()
        self.troubles = RunTroubles(self.session)
        self.controls, self.edited = RunControls(), EditedData(self.session)
        seen = QWidget()
        column = pieces.column(self.curves, self.cards, spacing=0)
        column.setStretch(0, 1)
        seen.setLayout(column)
        watching = Headed(Footed(seen, self.troubles, self.edited), self.controls)
        self.empty = pieces.EmptyState(
            "train",
            self.tr("Train a model on your own data"),
            self.tr(
                "Choose a model on the left; every setting on the right has a sound default. "
                "Curves, samples and the run's health grow here."
            ),
            self.tr("Start training"),
            self._do_first_thing,
        )  # fmt: skip
        self.pages = QStackedWidget()
        self.pages.addWidget(watching)
        self.pages.addWidget(self.empty)
        self.set_central(self.pages)

    def _build_docks(self) -> None:
        sides = Qt.DockWidgetArea
        for corner, area in (
            (Qt.Corner.BottomLeftCorner, sides.LeftDockWidgetArea),
            (Qt.Corner.BottomRightCorner, sides.RightDockWidgetArea),
        ):
            self.setCorner(corner, area)
        self.models, self.runs = ModelsList(self.session), RunsList(self.session)
        self.setup, self.budget, self.begin = RunSetup(self.session), BudgetCard(self.session), StartControls()
        self.samples = StepGrid(self.session)
        models = self.add_dock("train.models", self.tr("Models"), self.models, sides.LeftDockWidgetArea, 236, 400)
        self.count = pieces.chip("0")
        models.heading.corner.addWidget(self.count)
        self.add_dock("train.runs", self.tr("Runs"), self.runs, sides.LeftDockWidgetArea, 236, 260)
        self.add_dock("train.setup", self.tr("New run"), self._right(), sides.RightDockWidgetArea, 316)
        samples = self.add_dock(
            SAMPLES, self.tr("Samples while training"), self.samples, sides.BottomDockWidgetArea, height=264
        )
        samples.heading.hint.setText(self.tr("↑↓ step · ←→ item · Enter enlarges"))

    def _right(self) -> QWidget:
        card = QWidget()
        card.setLayout(pieces.column(self.budget, margins=(12, 8, 12, 0)))
        return Footed(self.setup, pieces.rule(), card, self.begin)

    def _connect(self) -> None:
        session, controls, actions = self.session, self.controls, self.actions_of_runs
        session.runs.current_changed.connect(self._show_run)
        session.runs.changed.connect(self._choose_run)
        session.jobs.changed.connect(self._show_state)
        session.ready.connect(self._choose_run)
        session.ready.connect(self._setup_changed)
        session.ready.connect(self._choose_family)
        session.catalogue.changed.connect(self._count_models)
        session.catalogue.changed.connect(self._choose_family)
        session.datasets.current_changed.connect(self._setup_changed)
        session.datasets.current_changed.connect(self._show_page)
        session.datasets.changed.connect(self._show_page)
        self.setup.changed.connect(self._setup_changed)
        self.setup.settled.connect(self._measure_when_idle)
        self.budget.button.clicked.connect(self._measure_or_stop)
        self.budget.measured.connect(self._remember_budget)
        self.runs.compared.connect(self.curves.compare)
        self.runs.delete_asked.connect(actions.delete)
        self.edited.anew_asked.connect(actions.begin_anew)
        self.runs.use_asked.connect(self.use_settings)
        self.begin.start_asked.connect(lambda: self.start(front=True))
        self.begin.queue_asked.connect(lambda: self.start(front=False))
        controls.menu_asked.connect(lambda place: self._with_run(lambda run: self.runs.open_menu(run, place)))
        controls.pause_asked.connect(lambda: self._with_run(actions.pause_or_resume))
        controls.stop_asked.connect(lambda after: self._with_run(lambda run: actions.stop(run, after)))
        controls.sample_asked.connect(self.sample_now)
        controls.prove_asked.connect(lambda: self._with_run(actions.prove_resume))
        controls.live_asked.connect(lambda values: self._with_run(lambda run: actions.set_live(run, values)))
        controls.further_asked.connect(
            lambda steps, restart: self._with_run(lambda run: actions.train_further(run, steps, restart))
        )
        self.cards.health.applied.connect(lambda remedy: self._with_run(lambda run: actions.apply(run, remedy)))
        actions.sampled.connect(self.samples.add_now)
        actions.coming.connect(self.samples.expect)
        self._count_models()
        self._choose_family()
        self._setup_changed()

    # --------------------------------------------------------------------------------------------- showing

    def tall_dock(self, key: str, size: int, room: int) -> int:
        """Samples leave the middle the room of its plot and cards, down to one row of them."""
        usual = super().tall_dock(key, size, room)
        return min(usual, max(DOCK_LEAST.height(), room - MIDDLE_PX - theme.px(MIDDLE_WORDS_PX))) if key == SAMPLES else usual

    def on_shown(self) -> None:
        if self.session.is_ready:
            self._choose_run()

    def show_what(self, what: dict) -> None:
        if "run" in what:
            self.session.runs.set_current(what["run"])
        if "family" in what:
            self.session.catalogue.set_current(what["family"])
        if "dataset" in what:
            self.session.datasets.set_current(what["dataset"])

    def _count_models(self) -> None:
        self.count.setText(str(len(self.session.catalogue.families)))

    def _choose_family(self) -> None:
        """The family that suits the chosen data best, while none is chosen."""
        catalogue, data = self.session.catalogue, self.session.datasets.current_record
        if not catalogue.current and catalogue.families and self.session.is_ready:
            learned = self.session.datasets.learned(data.id) if data else ""
            suits = catalogue.suits(data, self.session.runs.records, learned=learned) if data else []
            catalogue.set_current(suits[0].family.key if suits else catalogue.families[0].key)

    def _choose_run(self) -> None:
        """The run in training, or the newest one, while none is chosen or the chosen one is gone."""
        runs, active = self.session.runs, self.session.jobs.active
        if self.session.is_ready and runs.get(runs.current) is None and runs.records:
            runs.set_current(active.run if active and runs.get(active.run) else runs.records[0].id)
        self._show_page()

    def _show_page(self) -> None:
        none = self.session.runs.current_view is None
        self.pages.setCurrentIndex(1 if none else 0)
        has_data = bool(self.session.datasets.current)
        self.empty.button.setText(self.tr("Start training") if has_data else self.tr("Get the handwritten digits"))

    def _do_first_thing(self) -> None:
        if self.session.datasets.current:
            self.start(front=True)
        else:
            self.session.bridge.spawn(self._get_digits())

    async def _get_digits(self) -> None:
        await self.session.make_builtin("digits")
        self.session.navigate.emit("train", {})

    def _show_run(self, run: str) -> None:
        if self._view is not None:
            self._view.changed.disconnect(self._refresh)
            self._view.preview_added.disconnect(self._refresh_samples)
            self._view.state_changed.disconnect(self._show_state)
        self._view = self.session.runs.view(run) if run else None
        if self._view is not None:
            self._view.changed.connect(self._refresh)
            self._view.preview_added.connect(self._refresh_samples)
            self._view.state_changed.connect(self._show_state)
        self.curves.show_run(self._view)
        self.samples.show_run(self._view)
        self.troubles.show_run(self._view)
        self.edited.show_run(self._view)
        self._refresh()
        self._show_page()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._refresh()
        self.setup.settle()  # what was set up while nobody looked has not been measured

    def _refresh(self) -> None:
        if not self.isVisible():
            return
        self.curves.refresh()
        self.cards.show_run(self._view)
        self.troubles.refresh()
        self._show_state()
        if self._view is not None and len(self._view.previews) != self.samples.known():
            self.samples.refresh()

    def _refresh_samples(self, _preview: object = None) -> None:
        self.samples.refresh()

    def _show_state(self, _state: str = "") -> None:
        view, jobs = self._view, self.session.jobs
        if view is None:
            self.controls.show_run(None)
            self.curves.state.set_whole("", "")
            return
        state, place = jobs.phase(view.id, view.state) if view.loaded else view.state, jobs.place(view.id)
        self.controls.show_run(view, state, place)
        self.curves.state.set_whole(described(view, state, place), view.record.title)

    # ---------------------------------------------------------------------------------------------- acting

    def _with_run(self, act) -> None:
        if self._view is not None:
            act(self._view.id)

    def _setup_changed(self) -> None:
        problems = self.setup.problems()
        family, data = self.setup.family, self.session.datasets.current_record
        self.begin.show_what(family.title if family else "", data.title if data else "")
        self.begin.show_problem(problems[0] if problems else "", guidance=bool(self.setup.guidance()))
        self.begin.why.setVisible(bool(problems) and self.session.is_ready)  # it is not known before
        request = None if problems else self.setup.budget_request()
        later = self.tr("Its part is still to be trained")
        pieces.allow(self.budget.button, request is not None, problems[0] if problems else later)
        self.budget.outdate(request)

    def _measure_when_idle(self) -> None:
        """Measured unasked only where it disturbs nothing: the panel is seen, and nothing trains or is about to."""
        starting = self._starting is not None and not self._starting.done()
        if self.isVisible() and self.session.jobs.active is None and not starting:
            self._measure()

    def _measure_or_stop(self) -> None:
        if self.budget.under_way:
            self.budget.cancel()
        else:
            self._measure()

    def _measure(self) -> None:
        request = None if self.setup.problems() else self.setup.budget_request()
        if request is not None:
            self.budget.ask(request)

    def _remember_budget(self, family: str, report: BudgetReport) -> None:
        self.models.remember(family, report.fits)

    def start(self, front: bool) -> None:
        """Start (or queue) what is set up."""
        if not self.setup.problems():
            self.budget.cancel()
            self.session.datasets.keep_settings()
            self._starting = self.actions_of_runs.start(self.setup.wish(), front)
            self.setup.title.clear()

    def use_settings(self, run: str) -> None:
        """Put the settings of a run into the set-up of a new one, and say what could not be taken over."""
        self.setup.take_run(run)
        self.models.reveal()
        self.docks["train.setup"].show()
        self.session.navigate.emit("train", {})
        self.session.bridge.spawn(self._tell_taken(self.session.runs.get(run)))

    async def _tell_taken(self, record: RunRecord) -> None:
        trashed = await self.session.bridge.threaded(in_trash, self.session.bridge.library.layout)
        text = self.tr("The settings of “{0}” stand in the set-up of a new run; nothing was started.").format(record.title)
        self.session.bridge.notice(" ".join([text, *untaken(self.session, record, trashed)]))

    def sample_now(self) -> None:
        """Samples of the chosen run as it is now."""
        count = TOGETHER_NOW if self.samples.together else SAMPLES_NOW
        self._with_run(lambda run: self.actions_of_runs.sample_now(run, count))

    def evaluate(self) -> None:
        """Measures of the chosen run on held-out data."""
        self.curves.choose("measures")
        self.curves.measures.measure()

    # -------------------------------------------------------------------------------------------- commands

    def commands(self) -> list[Command]:
        def live() -> bool:
            return self._view is not None and self._view.live

        def there() -> bool:
            return self._view is not None

        def saved() -> bool:
            return there() and bool(self._view.checkpoints)

        def pausable() -> bool:
            return self.controls.pause.isEnabled() and there()

        actions = self.actions_of_runs
        unset, none = self.tr("Choose data and a model that suit first"), self.tr("Choose a run first")
        idle, unsaved = self.tr("The chosen run is not in training"), self.tr("The chosen run has no checkpoint yet")
        return [
            Command("run.start", self.tr("Start training"), lambda: self.start(True), "Run", "Ctrl+Return", "play",
                    lambda: not self.setup.problems(), why=unset),
            Command("run.queue", self.tr("Queue this run"), lambda: self.start(False), "Run", "Ctrl+Shift+Return", "add",
                    lambda: not self.setup.problems(), why=unset),
            Command("run.pause", self.tr("Pause or resume the run"), lambda: self._with_run(actions.pause_or_resume), "Run",
                    "Ctrl+P", "pause", pausable, why=self.tr("The chosen run cannot be paused or resumed now")),
            Command("run.stop", self.tr("Stop the run after this step"),
                    lambda: self._with_run(lambda run: actions.stop(run, True)), "Run", "", "stop-after", live, why=idle),
            Command("run.stop_now", self.tr("Stop the run now"), lambda: self._with_run(lambda run: actions.stop(run, False)),
                    "Run", "", "stop", live, why=idle),
            Command("run.sample_now", self.tr("Sample the run now"), self.sample_now, "Run", "", "sample",
                    lambda: live() or saved(), why=unsaved),
            Command("run.compare", self.tr("Compare with the selected run…"), self.runs.ask_comparison, "Run", "", "compare",
                    lambda: bool(self.runs.comparable()), why=self.tr("There is no other run that can be compared with it")),
            Command("run.prove", self.tr("Prove that resuming is exact"), lambda: self._with_run(actions.prove_resume), "Run",
                    "", "check", lambda: saved() and not live(), why=self.tr("Stop or finish the run first")),
            Command("run.further", self.tr("Train the run further"), lambda: self.controls.further.setChecked(True), "Run", "",
                    "play", lambda: there() and self.controls.further.isEnabled(),
                    why=self.tr("Only a run that has ended can be trained further")),
            Command("run.evaluate", self.tr("Measure the run on held-out data"), self.evaluate, "Run", "", "health", saved,
                    why=unsaved),
            Command("run.export", self.tr("Export the model…"), lambda: self._with_run(self.runs.export), "Run", "", "export",
                    saved, why=unsaved, keywords=self.tr("save write weights checkpoint safetensors file")),
            Command("run.again", self.tr("Use these settings of the chosen run for a new one"),
                    lambda: self._with_run(self.use_settings), "Run", "", "copy", there, why=none,
                    keywords=self.tr("set up again like load")),
            Command("run.anew", self.tr("Begin the run anew on the data as they are now"),
                    lambda: self._with_run(actions.begin_anew), "Run", "", "copy", there, why=none),
            Command("run.measure", self.tr("Measure the budget"), self._measure, "Run", "", "clock",
                    self.budget.button.isEnabled, why=unset),
        ]  # fmt: skip


def described(view: RunView, state: str = "", place: int = 0) -> str:
    """A run in one line: state (as it is shown, and its ``place`` in the queue), how far, how fast, how long, and from where
    it goes on where that is not where it stands."""
    state = state or view.state
    words = {"queued": f"queued ({ordinal(place)} in the queue)" if place else "queued", "pausing": "pausing after this step"}
    parts = [words.get(state, state)]
    if view.total and view.state not in ("finished",):
        parts.append(f"{view.step:,} / {view.total:,}")
    if state in ("interrupted", "stopped", "failed") and view.saved != view.step:
        parts.append(Resumption(view.step, view.saved).words)
    return " · ".join(parts + run_figures(view))
