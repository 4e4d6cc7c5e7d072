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
from models_backend.contract.trace import Left
from models_backend.engine.postmortem import BUSY
from models_backend.library import standing

from . import process
from .inbox import Inbox, Pending
from .leaving import Leaver
from .server import Server
from .troubles import trouble_of

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.3
#: job -> (trainer, answers); the slow part: it imports torch and the families
Equip = Callable[["TrainingJob"], tuple[Any, Any]]


def main(folder: Path, device: str = "auto", lock: int | None = None, equip: Equip | None = None, begins: int = 0) -> int:
    """Trains the run in ``folder`` to its end, or until it is stopped. ``lock``: the descriptor of the run's lock where this
    process inherited it. ``begins``: the step of the checkpoint that who started it saw. Returns the exit status."""
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
        job = TrainingJob(library, run, device, equip or equipped, begins)
        standing.when_gone(job.wait_for_library)
        return job.carry_out()


class TrainingJob:
    """A run under way: the server's thread sets wishes (pause, stop), the main thread fulfils them between two steps."""

    def __init__(self, library: Any, run: Any, device: str, equip: Equip, begins: int = 0):
        self.library, self.run, self.device, self._equip = library, run, device, equip
        self.begins = max(begins, run.newest_step())  #: the step of the checkpoint that it goes on from
        self._trainer: Any = None
        self._ready = False
        self._came_to = run.reached()
        self._answers: Any = None
        self._pause = False
        self._stop: Stop | None = None
        self._inbox = Inbox()
        self._beside = self._over = False  # the main thread loads, prepares or answers; it is done
        self._writing = threading.Lock()
        self._stage: tuple[Progress, float] | None = None  # what is done in place of steps, and since when
        self._server = Server(
            run.socket_path(), self._inbox, run.layout.id, history=run.events, at_once=self._at_once, beat=self._beat
        )

    def carry_out(self) -> int:
        """The exit status: 0 for finished and stopped, 1 for failed."""
        self._server.start()
        signal.signal(signal.SIGTERM, lambda *_: self._at_once(Stop()))
        self._leaver = Leaver(lambda: self._stop is not None and not self._over, self._may_be_left, ends=True)
        try:
            self.tell(State("starting", self._step()))
            if self._made_ready():
                self._trainer.run(self._between_steps)
            return 0
        except Exception as error:
            self._fail(error)
            return 1
        finally:
            self._over = True
            self._inbox.close()
            self._server.stop()

    def tell(self, body: Body) -> None:
        """Keeps an event on disk, then tells it to whoever is attached; signs of life are only told."""
        self._note_stage(body)
        with self._writing:
            passing = isinstance(body, (Heartbeat, Progress))
            event = Event(0, time.time(), self.run.layout.id, body) if passing else self.run.append(body)
            self._server.tell(event)

    def wait_for_library(self, root: str) -> None:
        """Main thread: what it is about to write waits until the library's folder is back. Raises Gone where a stop is asked
        for meanwhile, or where nothing was trained yet: what the run goes on from cannot be read."""
        if not self._ready:
            raise standing.Gone(root)
        log.warning("%s: %s", root, standing.WHAT)
        self.tell(Progress(self._step(), 0, f"waiting for the library's folder, which is gone: {root}"))
        while standing.is_gone(root):
            if self._stop is not None:
                raise standing.Gone(root)
            time.sleep(LOOK_AGAIN_S)

    # ------------------------------------------------------------------------------------------ main thread

    def _made_ready(self) -> bool:
        """Everything in memory and at the newest checkpoint; False where the run was stopped before that."""
        self.tell(Progress(0, 0, "loading torch and the families"))
        try:
            self._beside = True
            self._trainer, self._answers = self._equip(self)
            if self._stop is None:
                self._trainer.prepare()
        except standing.Gone as gone:
            raise standing.moved_while_starting(gone.trouble.item) from gone
        except Left:
            log.info("left before the first step because a stop was asked for")
        finally:
            self._beside = False
        if self._stop is None:
            self._ready = True
            return True
        self.tell(State("stopped", self._step()))
        return False

    def _between_steps(self, trainer: Any) -> None:
        """Answers what waits; holds here, and says so, while the run is paused: also where that is asked during an answer."""
        held = False
        while True:
            if not held and not self._may_go_on():
                held = True
                self.tell(State("paused", trainer.step))
            pending = self._inbox.take(None if held else 0.0, self._may_go_on)
            if pending:
                self._settle(pending)
            elif self._may_go_on():
                break
        if held and not self._stop:
            self.tell(State("running", trainer.step))

    def _may_go_on(self) -> bool:
        return not self._pause or self._stop is not None

    def _settle(self, pending: Pending) -> None:
        if not isinstance(pending.request, SetLive):
            try:
                self._beside = True
                self._answers.answer(pending)
            except Left:
                pending.abandon()
            finally:
                self._beside = False
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
            self._leaver.ask()
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

    def _may_be_left(self) -> bool:
        """Whether a stop need not wait for what the main thread does now; an event that it writes is written whole."""
        return not self._writing.locked() and (self._beside or getattr(self._trainer, "leavable", False))

    def _step(self) -> int:
        """The step that the run is at; before its checkpoint is loaded, the one that it had come to."""
        return self._trainer.step if self._trainer is not None and self._trainer.step else self._came_to

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
    trainer = Trainer(job.library, job.run, known[record.family], known, device=job.device, tell=job.tell, judge=judge,
                      begins=job.begins)  # fmt: skip

    def load(run: str, checkpoint: str) -> Any:
        from models_backend.sampling.loading import load_run

        if run == record.id and not checkpoint:
            return trainer.loaded()
        return load_run(job.library, run, known, checkpoint=checkpoint, device=job.device)

    return trainer, Answers(job.library, families, load, job.device)
