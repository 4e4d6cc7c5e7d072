"""What "auto" came to on this machine: measured once before the first step, kept with the run, the same for ever after."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor, nn

from models_backend.contract.family import Family
from models_backend.contract.fields import plain
from models_backend.contract.messages import Progress
from models_backend.contract.settings import TrainingSettings
from models_backend.library import storage
from models_backend.networks import at_hand, layout, precision, weights

from . import compiling, randomness
from .batches import Batches
from .stepping import Stepper, Told

log = logging.getLogger(__name__)

ROUNDS = 3
#: Gradients of compiled networks: they may differ by this share from eager ones (bf16 rounds by .04), and of the tensors that
#: have this share of their length, none may fall below that share of itself.
ALIKE, OF_WEIGHT, GONE = 0.2, 0.01, 0.1
WORTH_MEASURING = 100  # fewer steps are not worth finding out how their pictures should lie in memory


class Choices(msgspec.Struct):
    """``derived/choices.json``. ``step_s``: a whole step as measured, 0 where none was. ``strict``: every kernel of a step
    has a repeatable form, and no other is let in. ``compile_at``: the step from which on compiled networks are trained;
    ``compile_proved``: they were measured to be quicker there, or asked for. ``kernels``: what was measured at hand, at the
    beginning and since."""

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


def keep_met(chosen: Choices, path: Path) -> None:
    """Keeps what was met at hand since, in another shape say, so that no other machine chooses it anew."""
    if at_hand.choices().keys() - chosen.kernels.keys():
        chosen.kernels = at_hand.choices() | chosen.kernels
        storage.write_json(path, chosen)


class _Unmoved(Stepper):
    """Steps in which no network moves: their gradients are kept."""

    def __init__(self, *told: Any):
        super().__init__(*told)
        self.gradients: list[Tensor] = []

    def _move(self, network: str, clip: float, told: Told) -> None:
        weights = self.weights[network]
        self.gradients += [torch.zeros_like(w) if w.grad is None else w.grad.clone() for w in weights]


def difference(these: Sequence[Tensor], those: Sequence[Tensor]) -> float:
    """The length of the difference of two gradients as a share of the first one's, over all tensors; inf where they do not
    match."""
    if [one.shape for one in these] != [one.shape for one in those]:
        return math.inf
    return _length([one - other for one, other in zip(these, those, strict=True)]) / max(_length(these), 1e-30)


def gradients_alike(eager: Sequence[Tensor], compiled: Sequence[Tensor], drawn: float = 0.0) -> bool:
    """Whether gradients agree up to rounding: on the whole, and so that none of weight is gone. ``drawn``: how far those of two
    eager steps differ that drew other dropout."""
    if not difference(eager, compiled) <= ALIKE + 2 * drawn:
        return False
    weight = OF_WEIGHT * _length(eager)
    return not any(_length([one]) > weight and _length([other]) < GONE * _length([one])
                   for one, other in zip(eager, compiled, strict=True))  # fmt: skip


def _length(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(one.float().square().sum()) for one in tensors))


class Way(NamedTuple):
    """One to take steps; ``threads``: 0 leaves them as they are."""

    arithmetic: str
    threads: int = 0
    channels_last: bool = False


class Trial:
    """Steps on copies of the networks: they cost time and leave nothing behind. ``tell`` hears how many are taken, and leaves
    them where it raises."""

    def __init__(self, family: Family, nets: dict[str, nn.Module], settings: TrainingSettings, device: torch.device,
                 batches: Batches, tell: Callable[[Progress], None] = lambda progress: None):  # fmt: skip
        self._tell = tell
        self._family, self._settings, self.device, self._batches, self.nets = family, settings, device, batches, nets

    def seconds(self, *ways: Way) -> list[float]:
        """A step's in each of those ways: the least of a few after one to warm up, for what others do on the machine can only
        add to it. On a CPU the ways take turns, so that a quiet moment of the others comes to all of them; on a card each has
        the memory to itself."""
        groups = [ways] if self.device.type == "cpu" else [(way,) for way in ways]
        every = torch.get_num_threads()
        try:
            return [took for group in groups for took in self._in_turn(group)]
        finally:
            torch.set_num_threads(every)

    def _in_turn(self, ways: Sequence[Way]) -> list[float]:
        every = torch.get_num_threads()
        nets = [arranged(copy.deepcopy(self.nets), self.device, way.channels_last) for way in ways]
        steps = [self._step_of(own, way.arithmetic) for own, way in zip(nets, ways, strict=True)]
        times: list[list[float]] = [[] for _ in ways]
        for round_ in range(ROUNDS + 1):
            for place, (way, step, took) in enumerate(zip(ways, steps, times, strict=True)):
                self._tell(Progress(round_ * len(ways) + place, (ROUNDS + 1) * len(ways), "measuring a few steps"))
                torch.set_num_threads(way.threads or every)
                took.append(step())
        return [min(took[1:]) for took in times]

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
        both in turn."""
        step, times = self._step_of(self.nets, arithmetic), ([], [])
        with self._put_back():
            step()  # compiles
            for _ in range(ROUNDS):
                times[0].append(step())
                with compiling.paused(self.nets):
                    times[1].append(step())
        compiled, eager = (min(one) for one in times)
        log.info("a step takes %.1f ms compiled, %.1f ms not", 1000 * compiled, 1000 * eager)
        return compiled < eager

    def compiled_rightly(self, arithmetic: str) -> bool:
        """Whether these networks, compiled, have the gradients of eager ones: a compiler that errs trains a part of a network
        wrongly or not at all, and no loss tells."""
        with self._put_back():
            compiled = self._gradients(arithmetic)
            with compiling.paused(self.nets):
                eager, drawn = self._gradients(arithmetic), self._gradients(arithmetic, rank=1)
        return gradients_alike(eager, compiled, difference(eager, drawn))

    def _gradients(self, arithmetic: str, rank: int = 0) -> list[Tensor]:
        """Those of the last step, of every loss. ``rank``: another one draws other dropout."""
        stepper = _Unmoved(self._family, self.nets, self._settings, self.device, arithmetic)
        randomness.reseed_layers(self._settings.seed, self._batches.last, rank, self.device)
        stepper.step(self._batches.of_step(self._batches.last), 0.0, 0.0, lambda: False)
        return stepper.gradients

    @contextlib.contextmanager
    def _put_back(self) -> Iterator[None]:
        """What steps change though the rate is zero (running means, codebooks) is as before in the end."""
        before = {name: copy.deepcopy(net.state_dict()) for name, net in self.nets.items()}
        try:
            yield
        finally:
            for name, net in self.nets.items():
                net.load_state_dict(before[name])

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
                self.seconds(Way(arithmetic))
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            log.warning("the run will not resume to the bit: %s", str(error).splitlines()[0])
            return False
        return True


def choose(settings: TrainingSettings, trial: Trial, steps: int) -> Choices:
    """Decides what the settings leave open; measures only where the answer is not known beforehand. What is compiled unasked
    is compiled after the first preview, for which nobody should wait longer."""
    ways = _ways(settings, trial.device, steps)
    times = trial.seconds(*ways) if len(ways) > 1 else [0.0]
    best = at_hand.clearly_less(times)
    chosen, threads, took = ways[best].arithmetic, ways[best].threads, times[best]
    torch.set_num_threads(threads)
    possible, wanted, first = compiling.possible(trial.device), settings.compile == "on", 0
    if settings.compile == "auto" and possible and _may_repay(settings, trial, steps):
        took, first = took or trial.seconds(Way(chosen))[0], settings.preview_every
        wanted = compiling.repays(trial.nets, trial.device, steps - first, took)
    compiled = wanted and possible
    if compiled and not took:  # what is measured at hand is measured before it is compiled in
        (took,) = trial.seconds(Way(chosen, channels_last=True))
    last = _channels_last(trial, chosen, steps, compiled)
    return Choices(chosen, compiled, threads, took, trial.repeats(chosen), first if wanted else 0,
                   settings.compile == "on", last, at_hand.choices())  # fmt: skip


def _ways(settings: TrainingSettings, device: torch.device, steps: int) -> list[Way]:
    """The ways that are open, the plain one first. bf16 only where this machine has kernels for it. One thread alone is quicker
    for small networks, and beside programs that keep the cores busy: threads that share each operation wait for the slowest
    of them thousands of times a step."""
    every = torch.get_num_threads()
    alone = device.type == "cpu" and every > 1 and not settings.threads and steps >= WORTH_MEASURING
    half = settings.precision == "auto" and precision.may_be_faster(device)
    kinds = ["fp32" if settings.precision == "auto" else settings.precision, *(["bf16"] if half else [])]
    return [Way(kind, threads) for kind in kinds for threads in (every, *([1] if alone else []))]


def _channels_last(trial: Trial, arithmetic: str, steps: int, compiled: bool) -> bool:
    """Whether pictures lie channels last: for the compiler always, else where it is measured to be quicker."""
    if trial.device.type != "cpu" or not any(layout.convolves(net) for net in trial.nets.values()):
        return False
    if compiled or steps < WORTH_MEASURING:
        return compiled

    def measure() -> int:
        return at_hand.clearly_less(trial.seconds(Way(arithmetic), Way(arithmetic, channels_last=True)))

    return at_hand.taken(f"channels last {trial.name} {arithmetic}", measure) == 1


def _may_repay(settings: TrainingSettings, trial: Trial, steps: int) -> bool:
    """Whether it is worth measuring a step for: pictures that grow come in several shapes, each to be compiled for."""
    return steps > settings.preview_every and not settings.grow_from and compiling.gain(trial.nets, trial.device) > 0


def arranged(nets: dict[str, nn.Module], device: torch.device, channels_last: bool) -> dict[str, nn.Module]:
    """The networks laid out for that device, in place."""
    for net in nets.values():
        layout.arrange(net, device, channels_last)
    return nets
