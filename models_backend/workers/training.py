"""The training worker: one run, one process. It serves a socket in the run's folder, keeps every event on disk before it is
told, answers requests between two steps with the run's own EMA weights, and outlives the window."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models_backend.contract.messages import (
    Body,
    Event,
    Heartbeat,
    Metrics,
    Pause,
    Progress,
    Resume,
    SetLive,
    State,
    Stop,
    TroubleError,
)
from models_backend.engine.postmortem import BUSY

from . import process
from .inbox import Inbox, Pending
from .server import Server
from .troubles import trouble_of

log = logging.getLogger(__name__)

#: The signal that takes the main thread out of compiling; None where the system has none (Windows).
LEAVE = getattr(signal, "SIGUSR1", None)
#: job -> (trainer, answers); the slow part: it imports torch and the families
Equip = Callable[["TrainingJob"], tuple[Any, Any]]


def main(folder: Path, device: str = "auto", lock: int | None = None, equip: Equip | None = None) -> int:
    """Trains the run in ``folder`` to its end, or until it is stopped. ``lock``: the descriptor of the run's lock where this
    process inherited it. Returns the exit status."""
    process.lower_priority(process.TRAINING_NICE)
    process.offer_to_die_first()
    from models_backend.library.library import Library

    folder = folder.resolve()
    library = Library.open(folder.parent.parent, own=False)
    run = library.run(folder.name)
    try:
        held = run.lock_worker(lock)
    except TroubleError as error:
        log.error("%s", error)
        return BUSY
    with held:
        return TrainingJob(library, run, device, equip or equipped).carry_out()


class TrainingJob:
    """A run under way: the server's thread sets wishes (pause, stop), the main thread fulfils them between two steps."""

    def __init__(self, library: Any, run: Any, device: str, equip: Equip):
        self.library, self.run, self.device, self._equip = library, run, device, equip
        self._trainer: Any = None
        self._answers: Any = None
        self._pause = False
        self._stop: Stop | None = None
        self._inbox = Inbox()
        self._writing = threading.Lock()
        self._stage: tuple[Progress, float] | None = None  # what is done in place of steps, and since when
        self._server = Server(
            run.socket_path(), self._inbox, run.layout.id, history=run.events, at_once=self._at_once, beat=self._beat
        )

    def carry_out(self) -> int:
        """The exit status: 0 for finished and stopped, 1 for failed."""
        self._server.start()
        signal.signal(signal.SIGTERM, lambda *_: self._at_once(Stop()))
        if LEAVE is not None:
            signal.signal(LEAVE, lambda *_: self._leave_compiling())
        try:
            self.tell(State("starting"))
            self._train()
            return 0
        except Exception as error:
            self._fail(error)
            return 1
        finally:
            self._inbox.close()
            self._server.stop()

    def tell(self, body: Body) -> None:
        """Keeps an event on disk, then tells it to whoever is attached; signs of life are only told."""
        self._note_stage(body)
        with self._writing:
            passing = isinstance(body, (Heartbeat, Progress))
            event = Event(0, time.time(), self.run.layout.id, body) if passing else self.run.append(body)
            self._server.tell(event)

    # ------------------------------------------------------------------------------------------ main thread

    def _train(self) -> None:
        self.tell(Progress(0, 0, "loading torch and the families"))
        self._trainer, self._answers = self._equip(self)
        self._trainer.prepare()
        if self._stop:
            self._trainer.request_stop(self._stop.after_step)
        self._trainer.run(self._between_steps)

    def _between_steps(self, trainer: Any) -> None:
        """Answers what waits; holds here while the run is paused."""
        held = not self._may_go_on()
        if held:
            self.tell(State("paused", trainer.step))
        self._answer_waiting()
        while not self._may_go_on():
            pending = self._inbox.take(None, self._may_go_on)
            if pending:
                self._settle(pending)
        if held and not self._stop:
            self.tell(State("running", trainer.step))

    def _answer_waiting(self) -> None:
        while pending := self._inbox.take(0.0):
            self._settle(pending)

    def _may_go_on(self) -> bool:
        return not self._pause or self._stop is not None

    def _settle(self, pending: Pending) -> None:
        if not isinstance(pending.request, SetLive):
            self._answers.answer(pending)
            return
        try:
            self._trainer.set_live(pending.request.values)
        except Exception as error:
            pending.fail(trouble_of(error, self.run.layout.id), False)
        else:
            pending.reply(None)

    def _fail(self, error: Exception) -> None:
        log.error("the run failed", exc_info=error)
        trouble = trouble_of(error, self.run.layout.id)
        for body in (trouble, State("failed", self._step(), str(trouble))):
            try:
                self.tell(body)
            except TroubleError as full:  # the log cannot take it: whoever is attached hears it all the same
                log.error("%s", full)
                self._server.tell(Event(0, time.time(), self.run.layout.id, body))

    # ------------------------------------------------------------------------------------------ server's thread

    def _at_once(self, request: Any) -> bool:
        """Pause, resume and stop need not wait for their turn."""
        if isinstance(request, (Pause, Resume)):
            self._pause = isinstance(request, Pause)
        elif isinstance(request, Stop):
            self._stop = request
            if self._trainer is not None:
                self._trainer.request_stop(request.after_step)
                if LEAVE is not None and getattr(self._trainer, "compiling", False):
                    signal.pthread_kill(threading.main_thread().ident, LEAVE)
        else:
            return False
        self._inbox.wake()
        return True

    def _note_stage(self, body: Body) -> None:
        """Remembers what is done in place of training steps, so that every heartbeat can say it."""
        if isinstance(body, Progress) and body.what != "training":
            same = self._stage is not None and self._stage[0].what == body.what
            self._stage = (body, self._stage[1] if same else time.monotonic())
        elif isinstance(body, (Progress, Metrics)) or (isinstance(body, State) and body.state != "running"):
            self._stage = None

    def _leave_compiling(self) -> None:
        """Main thread: a stop need not wait for the minutes that compiling lasts; the state before it is saved."""
        if self._trainer.compiling:
            from models_backend.training.stepping import LeftCompiling

            raise LeftCompiling

    def _step(self) -> int:
        return self._trainer.step if self._trainer is not None else 0

    def _beat(self) -> Heartbeat:
        beat, stage = process.heartbeat(self._step()), self._stage
        if stage is not None:
            progress, since = stage
            beat.what, beat.for_s = progress.what, time.monotonic() - since
            beat.left_s = _left_s(progress, beat.for_s)
        return beat


def _left_s(progress: Progress, for_s: float) -> float:
    """Seconds left of a stage: by how far it is, or what was estimated at its beginning; 0 where nobody knows."""
    if progress.total and 0 < progress.done < progress.total and not progress.left_s:
        return for_s / progress.done * (progress.total - progress.done)
    return max(0.0, progress.left_s - for_s)


def equipped(job: TrainingJob) -> tuple[Any, Any]:
    """The real trainer of a job's run, and the answers that it gives meanwhile."""
    from models_backend.evaluation.health import judge
    from models_backend.training.loop import Trainer

    from .answers import Answers
    from .registry import families

    known, record = families(), job.run.record()
    if record.family not in known:
        raise TroubleError("this family is not installed", item=record.family, advice="Put its file back, then resume")
    trainer = Trainer(job.library, job.run, known[record.family], known, device=job.device, tell=job.tell, judge=judge)

    def load(run: str, checkpoint: str) -> Any:
        from models_backend.sampling.loading import load_run

        if run == record.id and not checkpoint:
            return trainer.loaded()
        return load_run(job.library, run, known, checkpoint=checkpoint, device=job.device)

    return trainer, Answers(job.library, families, load, job.device)
