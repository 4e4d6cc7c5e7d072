"""Run folders: the record, the events, the checkpoints and the worker's lock of one run."""

from __future__ import annotations

import getpass
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.course import further, goes_on
from models_backend.contract.messages import Body, Event, Mark, RunState, State, TroubleError
from models_backend.contract.run_layout import CheckpointLayout, CheckpointState, RunLayout, RunRecord
from models_backend.contract.words import counted

from . import checkpoints, storage
from .edits import Edits, keep_known
from .events import EventLog, last_sequence, last_state, read_events
from .lock import Lock, holder
from .trouble import explained, noticed
from .turns import Turn

#: states that need a living worker; without one the run is "interrupted"
LIVE_STATES = ("starting", "running", "paused")
_CHANGEABLE = frozenset({"title", "starred", "tags"})
_TRAINED = "the run is being trained"
_SOCKET_LIMIT = 100  # sockaddr_un holds 108 bytes on Linux, 104 on macOS


class RunFolder:
    """One run on disk. Every method reads the folder anew: another process may be writing it."""

    def __init__(self, layout: RunLayout, changed: Callable[[], None] | None = None):
        self.layout, self.id = layout, layout.id
        self._log = EventLog(layout.events, layout.id)
        self._lock = Lock(layout.worker_lock)
        self._changed, self._turn = changed, Turn(layout.turn_lock)

    def __repr__(self) -> str:
        return f"RunFolder({self.id!r})"

    # the record ---------------------------------------------------------------------------------------
    def record(self) -> RunRecord:
        """``run.json``. TroubleError where it is gone, damaged or from a newer version."""
        return storage.read_json(self.layout.record, RunRecord)

    def update_record(self, **changes: Any) -> RunRecord:
        """Change title, starred or tags; all else in a run's record is fixed."""
        fixed = sorted(set(changes) - _CHANGEABLE)
        if fixed:
            raise ValueError(f"a run's {fixed[0]} is fixed once it is made")
        trouble = explained("the run's record cannot be written", self.id, "The old one stays")
        with noticed(self._changed), trouble, self._turn.taken(self.id):
            record = msgspec.structs.replace(self.record(), **changes)
            storage.write_json(self.layout.record, record)
        return record

    def extend(self, steps: int, restart: bool = False) -> list[Event]:
        """Let a run take ``steps`` in all, from where it stands; the events that tell of it. TroubleError where so many are
        done already; HeldError where the run is in training."""
        with self.lock_for_worker():
            record, at = self.record(), self.reached()
            if steps <= at:
                done = counted(at, "step is", "steps are")
                raise TroubleError(f"{done} done, so {steps:,} in all are not more", record.title or self.id,
                                   "Nothing was changed", f"Ask for more than {counted(at, 'step')} in all")  # fmt: skip
            told = [self.append(State("stopped", at))]
            trouble = explained("the run's record cannot be written", self.id, "The old one stays")
            with noticed(self._changed), trouble, self._turn.taken(self.id):
                record = further(self.record(), at, steps, restart, time.time())
                storage.write_json(self.layout.record, record)
            return [*told, self.append(Mark(at, f"trained on to {counted(steps, 'step')}; {goes_on(record)}"))]

    def give_up(self) -> Event | None:
        """Lets a run that never began say that it is stopped; None where it has said anything. HeldError where it begins."""
        with self.lock_for_worker():
            return None if self.last_seq() else self.append(State("stopped", 0, "taken out of the queue before it began"))

    def reached(self) -> int:
        """The step that the run has come to, saved or only told."""
        return max(last_state(self.layout.events)[1], self._saved_step())

    def _saved_step(self) -> int:
        newest = next(iter(checkpoints.every(self.layout)), None)
        return newest.step if newest else 0

    # events -------------------------------------------------------------------------------------------
    def append(self, body: Body) -> Event:
        """Add an event with the next number; states, saves and troubles also reach the disk at once."""
        with explained("an event cannot be written", self.id, "All events before it are kept"):
            return self._log.append(body)

    def events(self, since: int = 0) -> Iterator[Event]:
        """Events with a number above ``since``, oldest first."""
        return read_events(self.layout.events, since)

    def last_seq(self) -> int:
        """The number of the last event; 0 where there is none."""
        return last_sequence(self.layout.events)

    def state(self) -> tuple[RunState, int]:
        """(state, last step); see :meth:`told_state`."""
        told = self.told_state()
        return told.state, told.step

    def told_state(self) -> State:
        """The state of the run, its last step, and the reason that it gave. "interrupted": its last word was that it runs, but
        its worker is gone. A worker that has not spoken yet is "starting"."""
        told, step = last_state(self.layout.events)
        step = step or self._saved_step()  # a last word may name none: an older version told a failed resume so
        if told is None:
            return State("starting" if self.alive() else "queued")
        if told.state in LIVE_STATES:
            return State(told.state if self.alive() else "interrupted", step)
        return State(told.state, step, told.reason)

    def close(self) -> None:
        """Let go of the event log (not of the worker's lock)."""
        self._log.close()

    # the worker ---------------------------------------------------------------------------------------
    def lock_for_worker(self) -> AbstractContextManager[int | None]:
        """Take this run for a worker that is started inside (see :meth:`Lock.handed_over`). HeldError where one has it."""
        return Lock(self.layout.worker_lock).handed_over(_TRAINED, self.id)

    def lock_worker(self, inherited: int | None = None) -> Lock:
        """Take this run for this process until it ends, and remove what a killed worker left. HeldError where another
        worker has it. ``inherited``: the descriptor from :meth:`lock_for_worker`."""
        if not self._lock.held:
            if inherited is None:
                self._lock.acquire(_TRAINED, self.id)
            else:
                self._lock.adopt(inherited)
            for folder in (self.layout.root, self.layout.checkpoints, self.layout.previews, self.layout.derived):
                storage.sweep(folder)
        return self._lock

    def alive(self) -> bool:
        """Whether a worker (this process or another) holds the run."""
        return self._lock.held or holder(self.layout.worker_lock) is not None

    def worker_pid(self) -> int | None:
        """The worker's process id; None where there is none."""
        return os.getpid() if self._lock.held else holder(self.layout.worker_lock)

    def socket_path(self) -> Path:
        """Where this run's worker listens."""
        return socket_path(self.layout.root)

    # checkpoints --------------------------------------------------------------------------------------
    def checkpoints(self, weights_only: bool = False) -> list[CheckpointLayout]:
        """Complete checkpoints, newest first (sizes checked, contents not); ``weights_only``: all that can be sampled from."""
        return checkpoints.complete(self.layout, weights_only)

    def checkpoint(self, name: str = "") -> CheckpointLayout:
        """A checkpoint with every byte that sampling needs verified: the one named, or the newest good. TroubleError else."""
        if not name:
            return self.usable()[0]
        layout = self.named(name)
        if reason := checkpoints.flaw(layout, weights_only=True):
            kept = "The run's other checkpoints are untouched"
            raise TroubleError(
                f"checkpoint {name} is damaged: {reason}", self.record().title or self.id, kept, "Choose another checkpoint"
            )
        return layout

    def named(self, name: str) -> CheckpointLayout:
        """The checkpoint of that name, good or not. TroubleError where there is none."""
        layout = CheckpointLayout(self.layout.checkpoints / Path(name).name)
        if not layout.root.is_dir():
            raise TroubleError(f"there is no checkpoint {name}", self.record().title or self.id,
                               advice=checkpoints.others(name, self.checkpoints(weights_only=True)))  # fmt: skip
        return layout

    def usable(self) -> tuple[CheckpointLayout, str]:
        """The newest checkpoint whose weights are good, and what to tell where a newer one is damaged ("" where none is).
        TroubleError where the run has none."""
        layout, reasons = self.newest_good(weights_only=True)
        if layout is None:
            raise self.unusable(reasons)
        return layout, checkpoints.damage(layout, reasons)

    def unusable(self, reasons: list[str]) -> TroubleError:
        """What there is to say where no checkpoint is good."""
        advice = "Train it anew, or put the files back from a copy" if reasons else "Train it"
        what = checkpoints.damage(None, reasons) or "the run has no checkpoint that can be used"
        weights, _ = self.newest_good(weights_only=True)
        kept = f"The weights of step {weights.step:,} are whole: it can be sampled from and exported" if weights else ""
        return TroubleError(what, self.record().title or self.id, kept, advice)

    def newest_step(self) -> int:
        """The step of the newest complete checkpoint, from which the run goes on; 0 where there is none."""
        newest = next(iter(self.checkpoints()), None)
        return newest.step if newest else 0

    def newest_good(self, weights_only: bool = False) -> tuple[CheckpointLayout | None, list[str]]:
        """The newest checkpoint whose every byte is right, and why each newer one was passed over."""
        return checkpoints.newest_good(self.layout, weights_only)

    def damage(self) -> str:
        """What is damaged of the newest checkpoints, in a sentence that says what is used instead; "" where nothing is."""
        (complete, reasons), (weights, flawed) = self.newest_good(), self.newest_good(weights_only=True)
        if flawed == reasons or weights is None:
            return checkpoints.damage(weights, flawed)
        sampled = f"samples are made with that of step {weights.step:,}"
        if complete is None:
            return f"{checkpoints.damage(None, reasons).partition(';')[0]}; {sampled}, but it cannot be trained on"
        return f"{checkpoints.damage(complete, reasons, 'is trained on')}, {sampled}"

    def save_checkpoint(self, step: int, files: dict[str, Any], state: CheckpointState, keep: int = 2,
                        spared: Collection[int] = (), passing: Collection[int] = ()) -> CheckpointLayout:  # fmt: skip
        """Write a checkpoint (names -> bytes), whole or not at all; then remove the oldest beyond ``keep`` but those of steps
        that are ``spared``, and those that are ``passing`` once two newer ones stand."""
        if state.step != step:
            raise ValueError(f"checkpoint of step {step} with the state of step {state.step}")
        with explained(f"the checkpoint of step {step} cannot be written", self.id, "Earlier checkpoints are kept"):
            storage.require_folder(self.layout.root)
            layout = checkpoints.save(self.layout, files, state)
            checkpoints.prune(self.layout, keep, spared, passing)
        return layout


def create(layout: RunLayout, record: RunRecord, known: Edits | None = None) -> RunFolder:
    """A new run folder with its record, and what it knows of its data beyond their import."""
    with explained("the run cannot be made", record.title, "Nothing was changed"), storage.new_folder(layout.root) as folder:
        inside = RunLayout(folder)
        for part in (inside.checkpoints, inside.previews, inside.derived):
            storage.make_folder(part)
        keep_known(inside, known or Edits())
        storage.write_json(inside.record, record)
    return RunFolder(layout)


def socket_path(run: str | Path) -> Path:
    """The socket of a run folder; where that path is too long for a socket, one in a private temporary folder."""
    path = Path(run).absolute() / "socket"
    if len(os.fsencode(path)) <= _SOCKET_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return private_temporary() / digest


def private_temporary() -> Path:
    """A folder under the system's temporary one that only this user can enter."""
    owner = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = Path(tempfile.gettempdir()) / f"nexus-studio-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    foreign = hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o077)
    if foreign or folder.is_symlink():
        raise TroubleError(
            "the temporary folder belongs to somebody else", str(folder), advice="Set TMPDIR to a folder of yours"
        )
    return folder
