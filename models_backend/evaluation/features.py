"""The data set's own reader: a classifier trained on the training split, judged and calibrated on the held-out one, and kept.

Calibrated by a temperature (Guo 2017, arXiv:1706.04599): scores are divided by what makes held-out labels likeliest. Held-out
items themselves are read at the temperature of the other half of them, so that none is read by what it helped to fit.

Where the data have no labels, the same network with seeded random weights gives features (no classes, no accuracy),
scaled to the spread of the real items so that distances do not round to nothing.
Kept in the data set's cache folder as safetensors; the name holds what it depends on. One whose training was stopped goes on
from where it was kept last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from torch import Tensor

from ..contract.measures import CALIBRATED
from ..contract.messages import Progress
from ..contract.pace import Pace
from ..data.reading import Dataset, Split
from ..library import storage
from ..networks.reader import Reader
from ..objectives.adversarial import shifted

#: Changes whenever a reader would be trained differently.
VERSION = 1
STEPS, BATCH, RATE = 800, 64, 3e-3
CHUNK = 512
#: Seconds after which what a reader has learned so far is kept.
SAVED_S = 10.0
_MOMENTS = ("exp_avg", "exp_avg_sq")
TRAINING = "training the reader that judges the items, once for these pictures and labels"
#: Temperature at most; there a reader is hardly surer of one class than of another.
HOTTEST = 20.0


@dataclass
class Features:
    """A reader in eval mode, with its accuracy on held-out items (NaN where none is labelled) and a hash of its weights.
    ``temperatures``: by all held-out items, by those at odd places and by those at even ones; () where too few are labelled."""

    net: Reader
    classes: tuple[str, ...]
    accuracy: float
    scale: float
    weights: str
    temperatures: tuple[float, ...] = ()

    def probabilities(self, items: np.ndarray) -> np.ndarray:
        """Items (N, C, H, W) -> class probabilities (N, K)."""
        return softmax(self.scores(items) / (self.temperatures or (1.0,))[0], 1)

    def held_out_probabilities(self, items: np.ndarray, places: np.ndarray) -> np.ndarray:
        """The same of held-out items at ``places`` (N,) of their split, each at the temperature of the others' half."""
        apart = np.array(self.temperatures[1:] or (1.0, 1.0))
        return softmax(self.scores(items) / apart[places % 2][:, None], 1)

    def scores(self, items: np.ndarray) -> np.ndarray:
        """Items (N, C, H, W) -> class scores (N, K) as the network gives them."""
        return np.concatenate([self.net(x).double().numpy() for x in _chunks(items)])

    def __call__(self, items: np.ndarray) -> np.ndarray:
        """Items (N, C, H, W) -> features (N, F)."""
        return self.scale * np.concatenate([self.net.features(x).numpy() for x in _chunks(items)])


def _chunks(items: np.ndarray):
    with torch.no_grad():
        for i in range(0, len(items), CHUNK):
            yield torch.from_numpy(np.ascontiguousarray(items[i : i + CHUNK], np.float32))


def reader(data: Dataset, tell: Callable[[Progress], None] | None = None) -> Features:
    """The reader of a data set of pictures: from its cache, else trained now (digits: ten seconds)."""
    path = data.layout.cache / f"{_name(data)}.safetensors"
    kept = _kept(path, data)
    return kept if kept is not None else _made(path, data, tell or (lambda progress: None))


def labelled(data: Dataset) -> bool:
    """Whether there is something to read: at least two classes with training items."""
    return len(np.unique(data.train.labels[data.train.labels >= 0])) > 1


def _name(data: Dataset) -> str:
    """After what a reader learns from and is judged by: pictures as they are shown, label indices and splits, and no words."""
    shown = "x".join(str(n) for n in data.spec.shape)
    learned = hashlib.sha256(f"{len(data.record.classes)}|{data.settings.crop}".encode())
    for split in (data.train, data.validation):
        learned.update(b"|".join((split.positions.tobytes(), split.labels.tobytes())))
        learned.update("|".join(data.items[i].sha256 for i in split.positions).encode())
    return f"reader-{VERSION}-{shown}-{learned.hexdigest()[:16]}"


def _kept(path: Path, data: Dataset) -> Features | None:
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            told = json.loads(file.metadata()["reader"])
        net = _net(data)
        net.load_state_dict(safetensors.torch.load_file(path))
        figures = told["accuracy"], told["scale"], _hash(net), tuple(told["temperatures"])
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError, OSError):
        return None  # a damaged cache is made again
    return Features(net.eval(), data.record.classes, *figures)


def _made(path: Path, data: Dataset, tell: Callable[[Progress], None]) -> Features:
    net, begun = _net(data), path.with_name(f"begun-{path.name}")
    if labelled(data):
        _train(net, data.train, tell, begun)
    found = Features(net.eval(), data.record.classes, float("nan"), 1.0, _hash(net))
    if labelled(data):
        found.accuracy, found.temperatures = _judged(found, data.validation)
    else:
        found.scale = 1.0 / max(float(found(data.train.take(range(min(1000, data.train.count)))).std()), 1e-12)
    told = {"accuracy": found.accuracy, "scale": found.scale, "temperatures": found.temperatures}
    state = {k: v.contiguous() for k, v in net.state_dict().items()}
    storage.make_folder(path.parent)
    storage.write_bytes(path, safetensors.torch.save(state, {"reader": json.dumps(told)}))
    storage.remove(begun)
    return found


def _net(data: Dataset) -> Reader:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(VERSION)
        return Reader(data.spec.shape, max(2, len(data.record.classes)))


def _train(net: Reader, split: Split, tell: Callable[[Progress], None], begun: Path) -> None:
    """Cross-entropy with small shifts, one-cycle rate; a function of the data and VERSION alone. What is learned is kept at
    ``begun`` now and then, and gone on with, to the same bits."""
    learner, known = _Learner(net), np.flatnonzero(split.labels >= 0)
    net.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(VERSION)
        first, pace, saved = learner.recall(begun), Pace(), time.monotonic()
        for step in range(first, STEPS):
            if time.monotonic() - saved >= SAVED_S:
                learner.keep(begun, step)
                saved = time.monotonic()
            if step % 10 == 0 or step == first:
                pace.mark(time.monotonic(), step)
                tell(Progress(step, STEPS, TRAINING, pace.rate, pace.left_s(step, STEPS)))
            index = learner.picks.choice(known, min(BATCH, len(known)), replace=False)
            learner.step(torch.from_numpy(split.take(index)), torch.from_numpy(split.labels[index]))


class _Learner:
    """A reader in training: its network and all that its next step depends on, but for the data and torch's own generator."""

    def __init__(self, net: Reader):
        self.net, self.picks, self._moves = net, np.random.default_rng(VERSION), torch.Generator().manual_seed(VERSION)
        self._optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimiser, RATE, total_steps=STEPS)

    def step(self, x: Tensor, y: Tensor) -> None:
        """One step on pictures (B, C, H, W) and their labels (B,)."""
        loss = F.cross_entropy(self.net(shifted(x, self._moves)), y)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self._schedule.step()

    def keep(self, path: Path, step: int) -> None:
        """Keeps what ``step`` steps came to, where it can be written."""
        moments = self._optimiser.state_dict()["state"]
        state = {f"net.{name}": value.contiguous() for name, value in self.net.state_dict().items()}
        state |= {f"{kind}.{n}": moment[kind].contiguous() for n, moment in moments.items() for kind in _MOMENTS}
        state |= {"moves": self._moves.get_state(), "torch": torch.get_rng_state()}
        told = {"step": step, "steps": STEPS, "picks": self.picks.bit_generator.state}
        with contextlib.suppress(OSError):
            storage.make_folder(path.parent)
            storage.write_bytes(path, safetensors.torch.save(state, {"begun": json.dumps(told)}))

    def recall(self, path: Path) -> int:
        """Takes what is kept at ``path``; the steps done, 0 where nothing that fits is there."""
        try:
            with safetensors.safe_open(path, "pt") as file:
                told = json.loads(file.metadata()["begun"])
            state = safetensors.torch.load_file(path)
            if told["steps"] != STEPS:
                return 0
            nets = {name.removeprefix("net."): value for name, value in state.items() if name.startswith("net.")}
            moments = {n: {"step": torch.tensor(float(told["step"]))} | {kind: state[f"{kind}.{n}"] for kind in _MOMENTS}
                       for n in range(len(list(self.net.parameters())))}  # fmt: skip
            self.net.load_state_dict(nets)
        except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError, OSError):
            return 0
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})
        self._schedule.last_epoch, self._schedule._step_count = told["step"] - 1, told["step"]
        self._schedule.step()
        self.picks.bit_generator.state = told["picks"]
        self._moves.set_state(state["moves"])
        torch.set_rng_state(state["torch"])
        return told["step"]


def _judged(found: Features, split: Split) -> tuple[float, tuple[float, ...]]:
    """Accuracy and temperatures by the labelled held-out items."""
    known = np.flatnonzero(split.labels >= 0)
    if not len(known):
        return float("nan"), ()
    scores, labels = found.scores(split.take(known)), split.labels[known]
    accuracy = float((scores.argmax(1) == labels).mean())
    if len(known) < CALIBRATED:
        return accuracy, ()
    every, odd = np.ones(len(known), bool), known % 2 == 1
    parts = [every, odd if odd.any() else every, every if odd.all() else ~odd]
    return accuracy, tuple(temperature(scores[part], labels[part]) for part in parts)


def temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """What scores (N, K) are to be divided by to make the labels (N,) likeliest. Never below 1: that a few items are all read
    right is no reason to be surer."""
    rows = np.arange(len(labels))

    def nats(log_temperature: float) -> float:
        return -float(log_softmax(scores / np.exp(log_temperature), 1)[rows, labels].mean())

    return float(np.exp(minimize_scalar(nats, bounds=(0.0, np.log(HOTTEST)), method="bounded").x))


def _hash(net: Reader) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
