"""What a run would cost, measured by two real steps that leave nothing behind."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from models_backend.contract.course import Course
from models_backend.contract.family import Family
from models_backend.contract.fields import build, plain
from models_backend.contract.messages import Budget, BudgetReport, Progress
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import DataSettings, TrainingSettings
from models_backend.contract.words import counted, sentence
from models_backend.data.reading import open_data
from models_backend.networks import at_hand, frozen_text, weights

from . import activations, checkpoints, choices, compiling, derived, memory, randomness
from .assembly import Assembly, assemble
from .batches import Batches
from .ema import Average, averages
from .stepping import Stepper

MEGABYTE = 1 << 20
WATCH_S = 0.002


@dataclass
class Cost:
    """What two steps took."""

    step_s: float
    memory_mb: float
    disk_mb: float
    chosen: choices.Choices


def measure(library: Any, request: Budget, families: Mapping[str, type[Family]], device: str = "auto",
            tell: Callable[[Progress], None] = lambda progress: None) -> BudgetReport:  # fmt: skip
    """The answer to a Budget request. ``tell`` hears how far it is, and leaves it where it raises. Running out of memory is an
    answer (``fits`` False); settings that do not go together raise TroubleError or FieldError."""
    chosen_device = weights.chosen_device(device)
    at_hand.keep_in(library.layout.cache)
    tell(Progress(0, 0, "opening the data"))
    record = _record(library, request, families)
    threads = torch.get_num_threads()
    total_mb, free_mb = _memory_of(chosen_device)
    try:
        randomness.be_deterministic(int(record.training.get("threads", 0)))
        assembled = assemble(library, record, families, chosen_device, tell)
        parameters = checkpoints.parameters_of(assembled.nets)
        try:
            cost = _cost(assembled, tell)
        except (RuntimeError, MemoryError) as error:
            if not weights.out_of_memory(error):
                raise
            return _too_large(assembled, parameters, total_mb, library)
    finally:
        torch.set_num_threads(threads)
    return _report(assembled, parameters, cost, total_mb, free_mb, library)


def _record(library: Any, request: Budget, families: Mapping[str, type[Family]]) -> RunRecord:
    """The record that the run would have; it is not written anywhere."""
    settings = build(DataSettings, request.data)
    data = open_data(library, request.dataset, settings)
    training = plain(build(TrainingSettings, request.training))
    return RunRecord("budget", "the new run", request.family, request.dataset, "", request.config, training, {}, request.data,
                     data.spec, time.time(), request.parts)  # fmt: skip


def _cost(assembled: Assembly, tell: Callable[[Progress], None]) -> Cost:
    settings, device = assembled.settings, assembled.device
    with _PeakMemory(device) as peak:
        batches = _batches(assembled)
        trial = choices.Trial(assembled.family, assembled.nets, settings, device, batches, tell)
        chosen = choices.choose(settings, trial, settings.steps)
        choices.arranged(assembled.nets, device, chosen.channels_last)
        kept = averages(assembled.nets, settings)
        if settings.checkpoint_gradients:
            for net in assembled.nets.values():
                activations.recompute(net)
        stepper = Stepper(assembled.family, assembled.nets, settings, device, chosen.precision)
        tell(Progress(0, 0, "taking two steps"))
        with randomness.strictly(chosen.strict):
            step_s = _two_steps(stepper, batches, kept, settings, device)
    disk = checkpoints.bytes_of(assembled.nets, kept, stepper.optimisers) * (settings.keep + 1)
    return Cost(step_s, peak.megabytes, (disk + _preview_bytes(assembled)) / MEGABYTE, chosen)


def _batches(assembled: Assembly) -> Batches:
    settings = assembled.settings
    rows = derived.first_chunk(assembled.family, assembled.nets, assembled.data, settings.seed, assembled.device)
    course = Course(settings)
    batches = Batches(assembled.data, assembled.family, settings.seed, settings.batch_size, settings.accumulate, course,
                      assembled.device, rows, first_side=settings.grow_from, buckets=assembled.buckets)  # fmt: skip
    for encoder in frozen_text.frozen_in(assembled.nets)[:1]:  # of a run all captions are read before the first step
        for step in _measured(batches):
            for batch in batches.of_step(step):
                encoder(batch.conditions["text"])
    return batches


def _measured(batches: Batches) -> tuple[int, int]:
    """The steps that are measured: the last ones, whose pictures are whole."""
    return max(0, batches.last - 1), batches.last


def _two_steps(stepper: Stepper, batches: Batches, kept: dict[str, Average], settings: TrainingSettings,
               device: torch.device) -> float:  # fmt: skip
    """Seconds of the second step; the first one fills caches."""
    for step in _measured(batches):
        start = time.perf_counter()
        stepper.step(batches.of_step(step), settings.learning_rate, settings.clip, lambda: False)
        for average in kept.values():
            average.update()
        weights.wait_for(device)
        took = time.perf_counter() - start
    return took


def _preview_bytes(assembled: Assembly) -> int:
    settings = assembled.settings
    rows = settings.steps // settings.preview_every if settings.preview_every else 0
    item = 1 if assembled.record.spec.modality == "image" else 4
    for side in assembled.record.spec.shape:
        item *= side
    return rows * settings.preview_count * item


# ------------------------------------------------------------------------------------------------- memory


class _PeakMemory:
    """The most memory in use inside the block, in megabytes: a graphics card's, else all that the process has resident, as a
    process that trains has the same libraries loaded."""

    def __init__(self, device: torch.device):
        self._device, self.megabytes = device, 0.0
        self._process, self._over = psutil.Process(), threading.Event()

    def __enter__(self) -> _PeakMemory:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return self
        self._most = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch, name="peak memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            self.megabytes = torch.cuda.max_memory_allocated(self._device) / MEGABYTE
            return
        self._over.set()
        self._thread.join()
        self.megabytes = self._most / MEGABYTE

    def _watch(self) -> None:
        while not self._over.wait(WATCH_S):
            self._most = max(self._most, self._process.memory_info().rss)
        self._most = max(self._most, self._process.memory_info().rss)


def _memory_of(device: torch.device) -> tuple[float, float]:
    """(total, free) megabytes of a device."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total / MEGABYTE, free / MEGABYTE
    memory_now = psutil.virtual_memory()
    return memory_now.total / MEGABYTE, memory_now.available / MEGABYTE


# ------------------------------------------------------------------------------------------------- report


def _report(assembled: Assembly, parameters: dict[str, int], cost: Cost, total_mb: float, free_mb: float,
            library: Any) -> BudgetReport:  # fmt: skip
    settings = assembled.settings
    disk_free = _disk_free(library)
    chosen = cost.chosen
    notes = [f"Arithmetic in {chosen.precision} on {counted(chosen.threads, 'thread')}", *_compile_note(assembled, cost)]
    if cost.memory_mb > free_mb:
        notes.append(memory.advice(settings))
    if cost.disk_mb > disk_free:
        notes.append("The disk has too little room: keep fewer checkpoints, or free some space")
    return BudgetReport(
        str(assembled.device), 1000 * cost.step_s, cost.step_s * settings.steps, cost.memory_mb, total_mb, cost.disk_mb,
        disk_free, parameters, cost.memory_mb <= free_mb and cost.disk_mb <= disk_free, ". ".join(map(sentence, notes)),
    )  # fmt: skip


def _compile_note(assembled: Assembly, cost: Cost) -> list[str]:
    settings = assembled.settings
    if settings.compile == "off" or not compiling.possible(assembled.device):
        return []
    measured = compiling.measured_s(assembled.nets)
    if cost.chosen.compile:
        at = cost.chosen.compile_at
        when = f"after {counted(at, 'step')}" if at else "before the first step"
        known = f"about {measured:.0f} s" if measured else "a while, how long is not yet known on this machine"
        return [f"compiling {when} will take {known}"]
    if not compiling.gain(assembled.nets, assembled.device):
        return ["not compiled: on this device only where that is asked for"]
    lost = f"about {measured:.0f} s of compiling" if measured else "what compiling takes"
    return [f"not compiled: {lost} would not be won back"]


def _too_large(assembled: Assembly, parameters: dict[str, int], total_mb: float, library: Any) -> BudgetReport:
    note = f"Memory ran out in the first step. {memory.advice(assembled.settings)}"
    return BudgetReport(str(assembled.device), 0.0, 0.0, total_mb, total_mb, 0.0, _disk_free(library), parameters, False, note)


def _disk_free(library: Any) -> float:
    return shutil.disk_usage(Path(library.layout.root)).free / MEGABYTE
