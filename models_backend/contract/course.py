"""The course of a run: how far it is at a step, and the learning rate there (warm-up along a line, then decay), also where it
is trained further."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .family import Family
from .fields import build
from .run_layout import Extension, RunRecord
from .settings import Constant, Cosine, Linear, TrainingSettings
from .words import counted

#: A learning rate below this share of its peak hardly changes a model.
LOW = 0.02


class Stage(NamedTuple):
    """From step ``at`` on the run takes ``steps`` in all; the warm-up began at step ``begun``; ``progress`` was reached."""

    at: int
    steps: int
    begun: int
    progress: float


class Course:
    """Every step belongs to the stage that was decided last before it, so that a step means the same when it is replayed."""

    def __init__(self, settings: TrainingSettings, extended: Sequence[Extension] = ()):
        self._settings = settings
        self._stages = [Stage(0, settings.steps, 0, 0.0)]
        for one in extended:
            begun = one.at if one.restart else self._stages[-1].begun
            self._stages.append(Stage(one.at, one.steps, begun, self.progress(one.at)))

    @property
    def total(self) -> int:
        """Steps in all."""
        return self._stages[-1].steps

    def progress(self, step: int) -> float:
        """How far the run is, from 0 to 1. It never falls: what a family brings in along the run (a curriculum, a larger
        picture, the weight of a term) goes on from where it stood, and stays where it had come to its end."""
        stage = self._stage(step)
        ahead = (step - stage.at) / max(1, stage.steps - stage.at)
        return min(1.0, stage.progress + (1.0 - stage.progress) * ahead)

    def alike_since(self, told: Callable[[float], Any], steps: Sequence[int]) -> int:
        """The first of ``steps`` (rising) from which on a function of the progress is what it is at the last; 0 of none."""
        since = next(reversed(steps), 0)
        now = told(self.progress(since))
        for step in reversed(steps):
            if told(self.progress(step)) != now:
                break
            since = step
        return since

    def factor(self, step: int) -> float:
        """What the peak learning rate is multiplied by at ``step`` (from 0)."""
        stage = self._stage(step)
        return factor(self._settings, step - stage.begun, stage.steps - stage.begun)

    def _stage(self, step: int) -> Stage:
        return next(stage for stage in reversed(self._stages) if stage.at <= step or not stage.at)


def sides(first: int, full: int) -> list[int]:
    """The sides of pictures in all stages of a training: doubled from ``first``, the last one whole; ``first`` 0 is one
    stage."""
    found = []
    while 0 < first < full:
        found.append(first)
        first *= 2
    return [*found, full]


def side_at(progress: float, first: int, full: int) -> int:
    """The side of pictures at ``progress`` (0 to 1): even stages."""
    stages = sides(first, full)
    return stages[min(int(progress * len(stages)), len(stages) - 1)]


def weighed_since(record: RunRecord, family: Family, history: Mapping[str, Sequence[tuple[int, float]]]) -> int:
    """From which step on the losses of a run are of one kind, up to the newest that it told: the family's objective and the
    pictures' side are as they are there. 0 where they never changed."""
    settings = build(TrainingSettings, record.training)
    full = max(family.spec.shape[1:], default=0)
    steps = sorted({0, *(step for name in ("loss", "validation") for step, _ in history.get(name, ()))})
    return Course(settings, record.extended).alike_since(
        lambda progress: (family.objective(progress), side_at(progress, settings.grow_from, full)), steps
    )


class Resumption(NamedTuple):
    """From where a run goes on that had come to ``step``: its newest checkpoint is of step ``saved`` (0: none)."""

    step: int
    saved: int

    @property
    def again(self) -> int:
        """Steps that are done again."""
        return max(0, self.step - self.saved)

    @property
    def stays(self) -> bool:
        """Whether it goes on where it stands: there is nothing to say of it."""
        return self.saved == self.step

    @property
    def words(self) -> str:
        """In words."""
        if self.stays:
            return "it goes on" if self.saved else "it begins"
        if not self.saved:
            return "it has no checkpoint and begins at step 0"
        again = f"; {counted(self.again, 'step is', 'steps are')} done again" if self.again else ""
        return f"it goes on from the checkpoint at step {self.saved:,}{again}"


def further(record: RunRecord, at: int, steps: int, restart: bool = False, time: float = 0.0) -> RunRecord:
    """The run's record where it is trained on from step ``at`` to ``steps`` in all."""
    return msgspec.structs.replace(record, extended=(*record.extended, Extension(at, steps, restart and at > 0, time)))


def goes_on(record: RunRecord) -> str:
    """In words: the learning rate from where a run was trained further last."""
    extension = record.extended[-1]
    if extension.restart:
        return "the learning rate begins anew"
    settings = build(TrainingSettings, record.training)
    share = Course(settings, record.extended).factor(extension.at)
    if extension.at < settings.warmup:
        return "the learning rate still rises"
    low = ": little will change" if share < LOW else ""
    return f"the learning rate goes on at {share:.2g} of its peak{low}" if share < 1 else "the learning rate stays at its peak"


def factor(settings: TrainingSettings, step: int, steps: int) -> float:
    """The factor after ``step`` of ``steps``: (step + 1) / warmup in the warm-up, then the decay."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    span = max(1, steps - settings.warmup)
    return decayed(settings.decay, min(1.0, (step - settings.warmup) / span))


def decayed(decay: Constant | Cosine | Linear, share: float) -> float:
    """The decay's factor after ``share`` of the steps that follow the warm-up."""
    if isinstance(decay, Cosine):
        # Loshchilov & Hutter 2017 (SGDR), eq. 5, one cycle
        return decay.final + (1 - decay.final) * 0.5 * (1 + math.cos(math.pi * share))
    if isinstance(decay, Linear):
        return 1 + (decay.final - 1) * share
    return 1.0
