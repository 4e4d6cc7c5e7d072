"""The one trainer: any family, bit-exact resume, never worse off than its last checkpoint.

Everything that decides the weights is a function of the record, the live changes (kept by step), and (seed, step, rank).
A step that ends is a state; checkpoints, previews and answers happen between steps and leave no trace in it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from models_backend.contract.course import Course, weighed_since
from models_backend.contract.family import Family, LoadedRun
from models_backend.contract.fields import build, merged
from models_backend.contract.messages import Body, Mark, Progress, Saved, State, Trouble, TroubleError
from models_backend.contract.run_layout import CheckpointLayout, CheckpointState
from models_backend.contract.trace import Left, Stopped
from models_backend.contract.words import counted
from models_backend.library import standing, storage
from models_backend.library.checkpoints import damage
from models_backend.networks import at_hand, precision, weights

from . import activations, checkpoints, choices, compiling, derived, ema, given, memory, previews, randomness
from .assembly import Assembly, assemble
from .batches import Batches
from .guard import Guard, NonFinite
from .live import LiveSettings
from .looks import looks
from .stepping import Interrupted, Overflow, Stepper
from .telling import Teller
from .validation import Validation

log = logging.getLogger(__name__)
Judge = Callable[..., Body]
Tell = Callable[[Body], None]
REST_S = 0.005
#: After so long without a checkpoint one is saved all the same, and no sooner than makes saving this share of the time.
UNSAVED_S, SAVING = 60.0, 0.02
#: What is done beside the steps -> how it is told while it lasts.
_STAGES = {"validation": "measuring the held-out loss", "preview": "drawing a preview"}


class Trainer:
    """Trains one run. ``step`` counts finished steps of ``total``. ``judge`` (see evaluation.health) turns figures into
    health; without one none is told. ``begins``: the step of a checkpoint that there was when it was started. Between two steps
    the caller's callback may pause, answer requests or ask to stop."""

    def __init__(self, library: Any, run: Any, family_class: type[Family], families: Mapping[str, type[Family]],
                 device: str = "auto", tell: Tell = lambda body: None, judge: Judge | None = None,
                 begins: int = 0):  # fmt: skip
        self.library, self.run_folder, self._tell, self._judge = library, run, tell, judge
        self.record = run.record()
        self._families = {**families, self.record.family: family_class}
        self.device = weights.chosen_device(device)
        self.step, self.total, self.paused = 0, 0, False
        self._compiled = self._compiling = self._beside = False
        self.guard = Guard()
        self.averages: dict[str, ema.Average] = {}
        self._stop_asked: bool | None = None  # True: after this step, False: at once
        self._failed_extras: set[str] = set()
        self._overflows, self._begins = 0, begins
        self._looks: dict[str, float] = {}
        self._saved_at, self._saving_s = time.monotonic(), 0.0
        self._passing: set[int] = set()  # steps saved only because time had passed

    # before the first step ------------------------------------------------------------------------------
    def prepare(self, checkpoint: CheckpointLayout | None = None) -> None:
        """Brings everything into memory and to the newest good checkpoint (or the one given).

        Raises TroubleError and FieldError for whatever does not fit."""
        inside = self.run_folder.layout.derived
        storage.make_folder(inside)
        at_hand.keep_in(self.library.layout.cache)
        kept = choices.recall(inside / "choices.json")
        at_hand.hold(kept.kernels if kept else {})
        wanted = int(self.record.training.get("threads", 0))
        threads = randomness.be_deterministic(kept.threads if kept else wanted)
        memory.keep_freed_pages()
        assembled = assemble(self.library, self.record, self._families, self.device, self._tell)
        self.settings, self.family, self.nets, self.data = assembled.settings, assembled.family, assembled.nets, assembled.data
        self.course = Course(self.settings, self.record.extended)
        self.total = self.course.total
        self.live = LiveSettings(self.settings, inside / "live.json")
        for part in self.family.parts.values():
            self._tell_damage(part.note)
        self._gather_batches(assembled, inside)
        self.choices = kept or self._choose(inside, threads)
        self._build_steppers()
        self._return_to(checkpoint)
        self.teller = Teller(self._tell, self.total, self.settings.batch_size * self.settings.accumulate)
        if self.step:
            self.teller.recall(self.run_folder.events(), self.step)

    def _gather_batches(self, assembled: Assembly, inside: Any) -> None:
        settings = self.settings
        rows = derived.arrays(self.family, self.nets, self.data, settings.seed, self.device, inside / "data.npz", self._tell)
        derived.captions(self.nets, self.data, self.device, inside, self._tell)
        self.batches = Batches(self.data, self.family, settings.seed, settings.batch_size, settings.accumulate, self.course,
                               self.device, rows, first_side=settings.grow_from, buckets=assembled.buckets)  # fmt: skip
        self.validation = Validation(self.data, self.family, settings.seed, settings.batch_size, self.course, self.device)
        self.sampling = build(self.family.Sampling, merged({}, self.record.sampling))

    def _choose(self, inside: Any, threads: int) -> choices.Choices:
        self._tell(Progress(0, 0, "measuring a few steps"))
        trial = choices.Trial(self.family, self.nets, self.settings, self.device, self.batches, self._tell)
        chosen = choices.choose(self.settings, trial, self.total)
        storage.write_json(inside / "choices.json", chosen)
        return chosen

    def _build_steppers(self) -> None:
        choices.arranged(self.nets, self.device, self.choices.channels_last)
        self.averages = ema.averages(self.nets, self.settings)
        if self.settings.checkpoint_gradients:
            for net in self.nets.values():
                activations.recompute(net)
        self.stepper = Stepper(self.family, self.nets, self.settings, self.device, self.choices.precision)

    def _return_to(self, checkpoint: CheckpointLayout | None) -> None:
        if checkpoint is None:
            checkpoint, reasons = self.run_folder.newest_good()
            if reasons and checkpoint is None:
                raise self.run_folder.unusable(reasons)
            self._tell_damage(damage(checkpoint, reasons))
            if not reasons and self._begins > (checkpoint.step if checkpoint else 0):
                raise self._lost()
        if checkpoint is not None:
            state = checkpoints.restore(checkpoint, self.nets, self.averages, self.stepper.optimisers)
            checkpoints.refuse_foreign(state, self.record)
            self._resume(state)

    def _lost(self) -> TroubleError:
        """Why there is no sign of the checkpoint that the run was to go on from: it never begins from step 0 instead."""
        if not self.run_folder.layout.record.exists():
            return standing.moved_while_starting(str(self.library.layout.root))
        what = f"the checkpoint of step {self._begins:,} was there when the training started, and is gone; nothing was trained"
        return TroubleError(what, self.record.title or self.record.id, advice="Put it back where it was, then resume")

    def _tell_damage(self, note: str) -> None:
        if note:
            self._tell(Trouble(note, self.record.title or self.record.id))

    def _resume(self, state: CheckpointState) -> None:
        self.step, kept = state.step, state.counters
        self.guard.skipped, self.guard.in_a_row = int(kept.get("skipped", 0)), int(kept.get("in_a_row", 0))
        self._overflows = int(kept.get("overflows", 0))
        self.stepper.scale.value = kept.get("scale", self.stepper.scale.value)
        self.stepper.scale.good = int(kept.get("scale_good", 0))
        for average in self.averages.values():
            average.updates = int(kept.get("updates", 0))

    # the run ----------------------------------------------------------------------------------------------
    def run(self, between_steps: Callable[[Trainer], None] = lambda trainer: None) -> None:
        """To the end, or until a stop is asked for. Raises TroubleError where it cannot go on; what is saved stays."""
        self._tell(State("running", self.step))
        self._saved_at = time.monotonic()
        for cut in given.shortened(self.family, self.data, self.nets) if self.step == 0 else ():
            self._tell(Mark(0, cut))
        self._tell(Progress(0, 0, f"training {counted(sum(checkpoints.parameters_of(self.nets).values()), 'parameter')}"))
        self._tell(Progress(0, 0, "preparing the first batch"))
        self._extra("validation", self._validate_untrained)
        try:
            while self.step < self.total:
                self._between(between_steps)
                if self._stop_asked is not None or not self._advance():
                    self._end("stopped")
                    return
                self._after_step()
        except Exception as error:
            if weights.out_of_memory(error):
                raise memory.trouble(error, self.record, self.settings, self.step) from error
            raise
        self._end("finished")

    def _between(self, between_steps: Callable[[Trainer], None]) -> None:
        start = time.monotonic()
        between_steps(self)
        took = time.monotonic() - start
        if took > REST_S:
            self.teller.rested(took)

    def advance(self) -> bool:
        """One step, and nothing beside it. False: it was left undone because a stop at once was asked for."""
        if self._compiles_now():
            self._compile()
        self.live.enter(self.step)
        now = self.live.settings
        randomness.reseed_layers(now.seed, self.step, 0, self.device)
        rate = now.learning_rate * self.course.factor(self.step)
        try:
            with randomness.strictly(self.choices.strict):
                told = self.stepper.step(self.batches.of_step(self.step), rate, now.clip, self._at_once)
        except (NonFinite, Overflow) as error:
            self._leave_out(error)
        else:
            self._keep(told, rate)
        self.step += 1
        return True

    def _compiles_now(self) -> bool:
        return self.choices.compile and self.step >= self.choices.compile_at

    def _compile(self) -> None:
        """Before a step of compiled networks, the first of which takes long."""
        if not self._compiled:
            self._compiled = self._compiling = True
            self._tell(Mark(self.step, "compiling the networks"))
            self._tell(Progress(0, 0, "compiling", left_s=compiling.measured_s(self.nets)))
            compiling.compile_all(self.nets, self.device)
            self._prove_compiling()
        compiling.next_step(self.device)

    def _prove_compiling(self) -> None:
        """Eager networks are kept, for good, where compiled ones have other gradients, or turn out to be no quicker on this
        machine."""
        trial = choices.Trial(self.family, self.nets, self.settings, self.device, self.batches)
        arithmetic, reason = self.choices.precision, ""
        if not self._compiled_rightly(trial, arithmetic):
            reason = "torch.compile computes no or other gradients here"
        elif self.choices.compile_proved:
            return
        elif not at_hand.taken(f"compiled {trial.name} {arithmetic}", lambda: int(trial.compiling_gains(arithmetic))):
            reason = "no quicker on this machine"
        self.choices.compile, self.choices.compile_proved = not reason, True
        storage.write_json(self.run_folder.layout.derived / "choices.json", self.choices)
        if reason:
            compiling.undo(self.nets)
            self._tell(Mark(self.step, f"not compiled: {reason}"))

    @staticmethod
    def _compiled_rightly(trial: choices.Trial, arithmetic: str) -> bool:
        try:
            return trial.compiled_rightly(arithmetic)
        except RuntimeError as error:
            log.warning("compiled networks fail: %s", error)
            return False

    @property
    def leavable(self) -> bool:
        """Whether what is under way can be left at any moment by :class:`Left`: the step that compiles, which lasts minutes
        and before which the state was saved, and what is done beside the steps."""
        return self._compiling or self._beside

    def _keep_before_compiling(self) -> None:
        """A checkpoint before the step that lasts minutes, so that leaving it loses nothing."""
        newest = next(iter(self.run_folder.checkpoints()), None)
        if self.step and (newest is None or newest.step != self.step):
            self.save()

    def _advance(self) -> bool:
        first = not self._compiled
        if first and self._compiles_now():
            self._keep_before_compiling()
        begun = time.monotonic()
        try:
            self.advance()
        except Interrupted as left:
            self._undone = not left.clean
            return False
        except Left:
            self._undone = True
            return False
        finally:
            self._compiling = False
        if first and self._compiled:
            lasted = time.monotonic() - begun
            if self.choices.compile:
                compiling.took(self.nets, lasted)
            self.teller.rested(lasted)
        if self.guard.exhausted:
            self._give_up()
        return True

    _undone = False

    def _at_once(self) -> bool:
        return self._stop_asked is False

    def _keep(self, told: Any, rate: float) -> None:
        for average in self.averages.values():
            average.update()
        self.guard.passed()
        self.stepper.scale.went_well()
        figures = told.figures
        losses = [value for name, value in figures.items() if name.startswith("loss/")]
        self.teller.add({"loss": sum(losses[1:], losses[0]), "lr": rate, **figures} if losses else {"lr": rate})
        for levels in told.levels:
            self.teller.add_levels(levels)

    def _leave_out(self, error: Exception) -> None:
        if isinstance(error, Overflow):
            self.stepper.scale.overflowed()
            self._overflows += 1
            return
        self.guard.skip(error.where)
        log.warning("step %d left out: %s was not a number", self.step, error.where)
        self.teller.tell_now(self.step + 1, {"skipped": float(self.guard.skipped)})

    def _give_up(self) -> None:
        kept, trouble_step = "", self.step
        self.guard_in_a_row, self.guard.in_a_row = self.guard.in_a_row, 0
        if checkpoints.finite(self.nets):
            self.save()
            kept = f"The state of step {self.step} is saved: the last good one"
        else:
            layout, _ = self.run_folder.newest_good()
            kept = f"The last good state is kept: {layout.name}" if layout else "No checkpoint had been made yet"
        self.guard.in_a_row = self.guard_in_a_row
        raise self.guard.trouble(self.record.id, trouble_step, kept)

    # between two steps --------------------------------------------------------------------------------------
    def _after_step(self) -> None:
        now, last = self.live.settings, self.step >= self.total
        self.teller.stepped(self.step)
        self.teller.rest()
        if self._due(now.preview_every, last):
            self._extra("preview", self._preview)
        if self._due(now.validate_every, last):
            self._extra("validation", self._validate)
        if self._due(now.checkpoint_every, last):
            self.save()
        elif time.monotonic() - self._saved_at > max(UNSAVED_S, self._saving_s / SAVING):
            self._passing.add(self.step)
            self.save()
        self.teller.go_on()

    def _due(self, every: int, last: bool) -> bool:
        return bool(every) and (last or self.step % every == 0)

    def _extra(self, what: str, act: Callable[[], None]) -> None:
        """Something that a run can do without: its failure is told once and training goes on."""
        self._tell(Progress(0, 0, _STAGES[what]))
        try:
            self._beside = True
            act()
        except (Stopped, Left):
            log.info("the %s was left because a stop was asked for", what)
        except Exception as error:
            if weights.out_of_memory(error) or what in self._failed_extras:
                log.warning("the %s failed", what, exc_info=error)
                return
            self._failed_extras.add(what)
            log.error("the %s failed", what, exc_info=error)
            self._tell(Trouble(f"the {what} failed: {error}", self.record.id, "Training goes on"))
        finally:
            self._beside = False
            if self.step:  # it is over: what lasts from now on is something else
                self._tell(Progress(self.step, self.total, "training"))

    def _validate_untrained(self) -> None:
        """What a network gets that knows nothing: learning is measured against it."""
        if self.step == 0 and self.settings.validate_every and self.validation.possible:
            self.teller.tell_now(0, self.validation.losses(self.loaded().nets, 0))

    def _validate(self) -> None:
        nets, seen = self.loaded().nets, {}
        self.teller.flush(self.step)
        if self.validation.possible:
            self.teller.tell_now(self.step, self.validation.losses(nets, self.step))
            seen = self.validation.diagnostics(nets)
        if self._judge:
            training, told = self.record.training | {"steps": self.total}, self.teller.history
            self._tell(self._judge(self.family.health, told, self._looks | seen, self.teller.levels(), self.step,
                                   self.record.config, training, weighed_since(self.record, self.family, told)))  # fmt: skip

    def _preview(self) -> None:
        count, seed = self.live.settings.preview_count, self.settings.seed
        drawn = previews.looked_at(self.data.spec, count) if self._judge else count
        items = previews.draw(self.loaded(), self.sampling, drawn, seed, self._check, given.prompts(self.family, self.data))
        self._tell(previews.save(self.run_folder.layout, self.step, items[:count]))
        self._looks = looks(items, self.validation.shown())

    def _check(self) -> None:
        if self._stop_asked is not None:
            raise Stopped

    def _end(self, state: str) -> None:
        self.teller.flush(self.step)
        newest = next(iter(self.run_folder.checkpoints()), None)
        saved = newest is not None and newest.root == self.run_folder.layout.checkpoint(self.step).root
        reason = ""
        if self._undone:
            reason = f"the step was left undone; the run goes on from {newest.name}" if newest else "no checkpoint was made yet"
        elif not saved and self.step:
            self.save()
        self._tell(State(state, self.step, reason))

    # what others ask for --------------------------------------------------------------------------------------
    def request_stop(self, after_step: bool = True) -> None:
        """Ends the run: after the step under way, or leaving it undone. Any thread may ask."""
        self._stop_asked = after_step if self._stop_asked is None else (self._stop_asked and after_step)

    def set_live(self, values: dict[str, Any]) -> None:
        """Changes live settings from the next step on; a dated mark on the curve. Raises FieldError."""
        told = self.live.change(self.step, values)
        self._tell(Mark(self.step, told))

    def loaded(self, averaged: bool = True) -> LoadedRun:
        """The run as it stands, to be sampled from: averaged weights where there are any, eval mode."""
        kept = self.averages.get(ema.PLAIN) if averaged else None
        nets = kept.nets if kept else {name: net.eval() for name, net in self.nets.items()}
        arithmetic = precision.for_sampling(self.choices.precision, self.device)
        return LoadedRun(
            self.family, nets, self.family.config, self.family.spec, self.device, self.step, self.family.parts, arithmetic
        )

    def save(self) -> CheckpointLayout:
        """A checkpoint of the state after ``step`` steps. TroubleError where a weight is not a number or the disk refuses."""
        begun = time.monotonic()
        if not checkpoints.finite(self.nets):
            raise TroubleError(f"a weight is not a number after step {self.step}", self.record.id,
                               "Earlier checkpoints are kept", "Lower the learning rate, then resume")  # fmt: skip
        files = checkpoints.files_of(self.nets, self.averages, self.stepper.optimisers)
        choices.keep_met(self.choices, self.run_folder.layout.derived / "choices.json")
        layout = self.run_folder.save_checkpoint(self.step, files, self._state(), self.settings.keep, self._landmarks,
                                                 self._passing)  # fmt: skip
        self._saved_at = time.monotonic()
        self._saving_s = self._saved_at - begun
        self._tell(Saved(self.step, str(layout.root.relative_to(self.run_folder.layout.root))))
        return layout

    @property
    def _landmarks(self) -> frozenset[int]:
        """Steps at which the run was finished once: samples and other runs were made from there."""
        return frozenset(one.at for one in self.record.extended)

    def _state(self) -> CheckpointState:
        counters = {
            "skipped": self.guard.skipped, "in_a_row": self.guard.in_a_row, "overflows": self._overflows,
            "scale": self.stepper.scale.value, "scale_good": self.stepper.scale.good,
            "items": self.step * self.settings.batch_size * self.settings.accumulate,
            "updates": max((average.updates for average in self.averages.values()), default=0),
            "learning_rate": self.live.settings.learning_rate,
        }  # fmt: skip
        return CheckpointState(
            self.step, self.settings.seed, checkpoints.config_hash(self.record, self.step), self.record.spec.fingerprint,
            self.choices.threads, self.choices.precision, {name: float(value) for name, value in counters.items()},
        )  # fmt: skip
