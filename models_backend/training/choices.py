"""What "auto" came to on this machine: measured once before the first step, kept with the run, the same for ever after."""

from __future__ import annotations

import copy
import logging
import statistics
import time
from pathlib import Path

import msgspec
import torch
from torch import nn

from models_backend.contract.family import Family
from models_backend.contract.settings import TrainingSettings
from models_backend.library import storage
from models_backend.networks import layout, precision, weights

from . import compiling, randomness
from .batches import Batches
from .stepping import Stepper

log = logging.getLogger(__name__)

MARGIN = 0.9  # bf16 must take less than this share of fp32's time
ROUNDS = 3


class Choices(msgspec.Struct):
    """``derived/choices.json``. ``step_s``: a whole step as measured, 0 where none was. ``strict``: every kernel of a step
    has a repeatable form, and no other is let in. ``compile_at``: the step from which on compiled networks are trained."""

    precision: str
    compile: bool
    threads: int
    step_s: float = 0.0
    strict: bool = False
    compile_at: int = 0


def recall(path: Path) -> Choices | None:
    """What was chosen when the run began."""
    return storage.read_json(path, Choices) if path.exists() else None


class Trial:
    """Steps on copies of the networks: they cost time and leave nothing behind."""

    def __init__(
        self, family: Family, nets: dict[str, nn.Module], settings: TrainingSettings, device: torch.device, batches: Batches
    ):
        self._family, self._settings, self.device, self._batches, self.nets = family, settings, device, batches, nets

    def seconds(self, arithmetic: str) -> float:
        """One step: the median of a few after one to warm up."""
        nets = arranged(copy.deepcopy(self.nets), self.device, arithmetic)
        stepper = Stepper(self._family, nets, self._settings, self.device, arithmetic)
        times = []
        for _ in range(ROUNDS + 1):
            start = time.perf_counter()
            stepper.step(self._batches.of_step(self._batches.last), 0.0, 0.0, lambda: False)
            weights.wait_for(self.device)
            times.append(time.perf_counter() - start)
        return statistics.median(times[1:])

    def repeats(self, arithmetic: str) -> bool:
        """Whether a step can be taken with repeatable kernels only; on a CPU all are."""
        if self.device.type != "cuda":
            return False
        try:
            with randomness.strictly(True):
                self.seconds(arithmetic)
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            log.warning("the run will not resume to the bit: %s", str(error).splitlines()[0])
            return False
        return True


def choose(settings: TrainingSettings, trial: Trial, steps: int) -> Choices:
    """Decides what the settings leave open; measures only where the answer is not known beforehand. What is compiled unasked
    is compiled after the first preview, for which nobody should wait longer."""
    chosen, took = settings.precision, 0.0
    if chosen == "auto":
        chosen, took = _arithmetic(trial)
    possible, wanted, first = compiling.possible(trial.device), settings.compile == "on", 0
    if settings.compile == "auto" and possible and _may_repay(settings, trial, steps):
        took, first = took or trial.seconds(chosen), settings.preview_every
        wanted = compiling.repays(trial.nets, trial.device, steps - first, took)
    return Choices(chosen, wanted and possible, torch.get_num_threads(), took, trial.repeats(chosen), first if wanted else 0)


def _may_repay(settings: TrainingSettings, trial: Trial, steps: int) -> bool:
    """Whether it is worth measuring a step for: pictures that grow come in several shapes, each to be compiled for."""
    return steps > settings.preview_every and not settings.grow_from and compiling.gain(trial.nets, trial.device) > 0


def arranged(nets: dict[str, nn.Module], device: torch.device, arithmetic: str, compiled: bool = False) -> dict[str, nn.Module]:
    """The networks laid out for that arithmetic, in place."""
    for net in nets.values():
        layout.arrange(net, device, arithmetic == "fp32", compiled)
    return nets


def _arithmetic(trial: Trial) -> tuple[str, float]:
    """bf16 where this machine has kernels for it and they are faster on these very networks."""
    if not precision.may_be_faster(trial.device):
        return "fp32", 0.0
    full, half = trial.seconds("fp32"), trial.seconds("bf16")
    return ("bf16", half) if half < MARGIN * full else ("fp32", full)
