"""What "auto" came to on this machine: measured once before the first step, kept with the run, the same for ever after."""

from __future__ import annotations

import copy
import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from torch import nn

from models_backend.contract.family import Family
from models_backend.contract.fields import plain
from models_backend.contract.settings import TrainingSettings
from models_backend.library import storage
from models_backend.networks import at_hand, layout, precision, weights

from . import compiling, randomness
from .batches import Batches
from .stepping import Stepper

log = logging.getLogger(__name__)

MARGIN = 0.9  # bf16 must take less than this share of fp32's time
ROUNDS = 3
WORTH_MEASURING = 100  # fewer steps are not worth finding out how their pictures should lie in memory


class Choices(msgspec.Struct):
    """``derived/choices.json``. ``step_s``: a whole step as measured, 0 where none was. ``strict``: every kernel of a step
    has a repeatable form, and no other is let in. ``compile_at``: the step from which on compiled networks are trained;
    ``compile_proved``: they were measured to be quicker there, or asked for. ``kernels``: what was measured at hand."""

    precision: str
    compile: bool
    threads: int
    step_s: float = 0.0
    strict: bool = False
    compile_at: int = 0
    compile_proved: bool = False
    channels_last: bool = False
    kernels: dict[str, int] = {}


def recall(path: Path) -> Choices | None:
    """What was chosen when the run began."""
    return storage.read_json(path, Choices) if path.exists() else None


class Trial:
    """Steps on copies of the networks: they cost time and leave nothing behind."""

    def __init__(
        self, family: Family, nets: dict[str, nn.Module], settings: TrainingSettings, device: torch.device, batches: Batches
    ):
        self._family, self._settings, self.device, self._batches, self.nets = family, settings, device, batches, nets

    def seconds(self, arithmetic: str, channels_last: bool = False) -> float:
        """One step: the median of a few after one to warm up."""
        nets = arranged(copy.deepcopy(self.nets), self.device, channels_last)
        step = self._step_of(nets, arithmetic)
        return statistics.median([step() for _ in range(ROUNDS + 1)][1:])

    def _step_of(self, nets: dict[str, nn.Module], arithmetic: str) -> Callable[[], float]:
        """One step of those networks, at a rate of zero; it gives its seconds."""
        stepper = Stepper(self._family, nets, self._settings, self.device, arithmetic)

        def step() -> float:
            start = time.perf_counter()
            stepper.step(self._batches.of_step(self._batches.last), 0.0, 0.0, lambda: False)
            weights.wait_for(self.device)
            return time.perf_counter() - start

        return step

    def compiling_gains(self, arithmetic: str) -> bool:
        """Whether steps of these very networks, which were just made ready for it, are quicker compiled than not: a few of
        both in turn. What the steps change (running means, codebooks) is put back."""
        before = {name: copy.deepcopy(net.state_dict()) for name, net in self.nets.items()}
        step, times = self._step_of(self.nets, arithmetic), ([], [])
        try:
            step()  # compiles
            for _ in range(ROUNDS):
                times[0].append(step())
                with compiling.paused(self.nets):
                    times[1].append(step())
        finally:
            for name, net in self.nets.items():
                net.load_state_dict(before[name])
        compiled, eager = (statistics.median(one) for one in times)
        log.info("a step takes %.1f ms compiled, %.1f ms not", 1000 * compiled, 1000 * eager)
        return compiled < eager

    @property
    def name(self) -> str:
        """The same for steps that take the same time."""
        told = plain(self._family.config), self._family.spec.shape, self._settings.batch_size, str(self.device)
        return f"{type(self._family).__name__} {at_hand.signature(told)}"

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
    threads, took = _threads(settings, trial, chosen, took, steps)
    possible, wanted, first = compiling.possible(trial.device), settings.compile == "on", 0
    if settings.compile == "auto" and possible and _may_repay(settings, trial, steps):
        took, first = took or trial.seconds(chosen), settings.preview_every
        wanted = compiling.repays(trial.nets, trial.device, steps - first, took)
    compiled = wanted and possible
    if compiled and not took:
        took = trial.seconds(chosen, channels_last=True)  # what is measured at hand is measured before it is compiled in
    last = _channels_last(trial, chosen, took, steps, compiled)
    return Choices(chosen, compiled, threads, took, trial.repeats(chosen), first if wanted else 0,
                   settings.compile == "on", last, at_hand.choices())  # fmt: skip


def _threads(settings: TrainingSettings, trial: Trial, arithmetic: str, took: float, steps: int) -> tuple[int, float]:
    """How many threads, which are set from here on, and a step's seconds on them (0 where none was measured). One alone is
    quicker for small networks, and beside programs that keep the cores busy: threads that share each operation wait for the
    slowest of them thousands of times a step."""
    every = torch.get_num_threads()
    if settings.threads or every == 1 or trial.device.type != "cpu" or steps < WORTH_MEASURING:
        return every, took
    together = took or trial.seconds(arithmetic)
    torch.set_num_threads(1)
    alone = trial.seconds(arithmetic)
    if at_hand.clearly_less([together, alone]) == 1:
        return 1, alone
    torch.set_num_threads(every)
    return every, together


def _channels_last(trial: Trial, arithmetic: str, took: float, steps: int, compiled: bool) -> bool:
    """Whether pictures lie channels last: for the compiler always, else where it is measured to be quicker."""
    if trial.device.type != "cpu" or not any(layout.convolves(net) for net in trial.nets.values()):
        return False
    if compiled or steps < WORTH_MEASURING:
        return compiled

    def measure() -> int:
        return at_hand.clearly_less([took or trial.seconds(arithmetic), trial.seconds(arithmetic, channels_last=True)])

    return at_hand.known(f"channels last {trial.name} {arithmetic}", measure) == 1


def _may_repay(settings: TrainingSettings, trial: Trial, steps: int) -> bool:
    """Whether it is worth measuring a step for: pictures that grow come in several shapes, each to be compiled for."""
    return steps > settings.preview_every and not settings.grow_from and compiling.gain(trial.nets, trial.device) > 0


def arranged(nets: dict[str, nn.Module], device: torch.device, channels_last: bool) -> dict[str, nn.Module]:
    """The networks laid out for that device, in place."""
    for net in nets.values():
        layout.arrange(net, device, channels_last)
    return nets


def _arithmetic(trial: Trial) -> tuple[str, float]:
    """bf16 where this machine has kernels for it and they are faster on these very networks."""
    if not precision.may_be_faster(trial.device):
        return "fp32", 0.0
    full, half = trial.seconds("fp32"), trial.seconds("bf16")
    return ("bf16", half) if half < MARGIN * full else ("fp32", full)
