"""A recorded trace as the trajectory panel needs it: pictures of a channel at a step, curves, the main plane. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtGui import QImage

from models_backend.contract.messages import Progress
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.trace import CHANNELS, TraceInfo

from ..pictures import from_model, to_image
from ..viewers.modality import shown

#: channels whose values are states, shown as they are; the others are directions, shown around mid-grey
STATES = ("x", "x0")
MOST_CHANNELS = 4
Tell = Callable[[Progress], None]
ORDER = ("x", "x0", "eps", "v", "guidance", "score")


@dataclass
class Recording:
    """A trace with its record. ``channels`` maps a name to (T, B, *shape); ``label`` is its row on the film strip;
    ``begins`` the share of the common way at which a branch leaves what it branched from."""

    record: SampleRecord
    channels: dict[str, np.ndarray]
    label: str = "A"
    begins: float = 0.0
    _scales: dict[str, float] = field(default_factory=dict)

    @property
    def info(self) -> TraceInfo:
        return self.record.trace

    @property
    def steps(self) -> int:
        """How many states were recorded."""
        return len(self.channels["x"])

    @property
    def count(self) -> int:
        """How many items were recorded."""
        return self.channels["x"].shape[1]

    @property
    def together(self) -> bool:
        """Whether all items make one picture (points)."""
        return shown(self.record.modality).together

    def available(self) -> list[str]:
        """All channels that were recorded, the states first."""
        return [name for name in ORDER if name in self.channels]

    def names(self, wanted: Sequence[str] = ()) -> list[str]:
        """The channels to show: those that are wanted and were recorded, else the first few."""
        known = self.available()
        chosen = [name for name in known if name in wanted]
        return (chosen or known)[:MOST_CHANNELS]

    def title(self, name: str) -> str:
        """How a channel is labelled."""
        return CHANNELS.get(name, name)

    def values(self, name: str, step: int, item: int) -> np.ndarray:
        """One item of a channel at a step, (*shape): the last where there are fewer, as in a branch of one."""
        return self.channels[name][step, min(item, self.count - 1)].astype(np.float32)

    def points(self, name: str, step: int) -> np.ndarray:
        """All items of a channel at a step, (B, D)."""
        return self.channels[name][step].astype(np.float32)

    def picture(self, name: str, step: int, item: int) -> QImage:
        """A channel of an image as a picture; directions are scaled so that their largest values over the trace just fit."""
        values = self.values(name, step, item)
        return to_image(from_model(values / self._scale(name)))

    def _scale(self, name: str) -> float:
        if name in STATES:
            return 1.0
        if name not in self._scales:
            sizes = np.abs(self.channels[name][::4].astype(np.float32))
            self._scales[name] = max(float(np.quantile(sizes, 0.995)), 1e-6)
        return self._scales[name]

    def frames(self, item: int, length: int) -> np.ndarray:
        """The film of x for one item, resampled to ``length`` steps: uint8 (length, H, W, C)."""
        picked = self.aligned(length)
        return shown(self.record.modality).frames(self.channels["x"][picked].astype(np.float32), item)

    def aligned(self, length: int) -> np.ndarray:
        """For each of ``length`` steps of a common axis, the step of this recording at the same share of the way."""
        own = (np.linspace(0.0, 1.0, max(1, length)) - self.begins) / max(1 - self.begins, 1e-9)
        return np.round(own.clip(0.0, 1.0) * (self.steps - 1)).astype(int)

    # --------------------------------------------------------------------------------------------- curves

    def path(self, item: int) -> np.ndarray:
        """The states of one item as points of their whole space, (T, D); the last item where there are fewer."""
        return self.channels["x"][:, min(item, self.count - 1)].reshape(self.steps, -1).astype(np.float64)

    def sigma(self) -> np.ndarray:
        """Noise level at each step (T,); infinite levels take the largest finite one."""
        levels = np.array([step.sigma for step in self.info.steps], dtype=np.float64)
        finite = levels[np.isfinite(levels)]
        return np.where(np.isfinite(levels), levels, finite.max() if finite.size else 0.0)

    def times(self) -> list[float]:
        """The time at each step, as sampling can go on from."""
        return [step.time for step in self.info.steps]

    def change(self, item: int = -1) -> np.ndarray:
        """Mean change of the predicted x0 from the step before, at each step (T,): of all items (-1), or of one."""
        if item < 0:
            return np.array([step.change for step in self.info.steps], dtype=np.float64)
        states = self.channels.get("x0", self.channels["x"])[:, min(item, self.count - 1)].astype(np.float64)
        return np.concatenate([[0.0], np.abs(np.diff(states, axis=0)).reshape(self.steps - 1, -1).mean(1)])

    def share(self) -> np.ndarray:
        """The share of the common way at each step (T,), from 0 (a branch: from where it begins) to 1."""
        return np.linspace(self.begins, 1.0, self.steps)

    def changes(self, item: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """The shares of the way and the change at each; a branch knows none up to where it begins."""
        known = slice(int(self.begins > 0 and self.steps > 1), None)
        return self.share()[known], self.change(item)[known]

    def source(self, among: Sequence[Recording]) -> Recording | None:
        """The one that this branched from, if it is there."""
        start = self.record.start
        return next((one for one in among if start and one.record.id == start["sample"]), None)


def place(recordings: Sequence[Recording]) -> None:
    """Labels recordings by their rows, and lets a branch begin where it left a recording above it."""
    for row, recording in enumerate(recordings):
        recording.label = "ABCD"[row]
        source = recording.source(recordings[:row])
        recording.begins = float(source.share()[recording.record.start["step"]]) if source else 0.0


def plane(recordings: list[Recording], item: int) -> list[np.ndarray]:
    """The way of one item of each recording, (T, 2), in the plane of the two main directions of all of them together."""
    paths = [r.path(item) for r in recordings]
    if not paths:
        return []
    if paths[0].shape[1] == 2:
        return paths
    everything = np.concatenate(paths)
    middle = everything.mean(axis=0)
    _, _, directions = np.linalg.svd(everything - middle, full_matrices=False)
    main = directions[:2]
    if len(main) < 2:
        main = np.concatenate([main, np.zeros_like(main)])[:2]
    return [(path - middle) @ main.T for path in paths]


def around(paths: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    """A window (left, right, low, high) around paths (T, 2), with a margin."""
    everything = np.concatenate(paths)
    pad = float(np.ptp(everything, axis=0).max()) * 0.08 or 1.0
    (left, low), (right, top) = everything.min(axis=0) - pad, everything.max(axis=0) + pad
    return float(left), float(right), float(low), float(top)


def straightness(path: np.ndarray) -> float:
    """1 - |end - start| / length of a path (T, D); 0 is straight."""
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    return float(1 - np.linalg.norm(path[-1] - path[0]) / length) if length > 0 else 0.0


def part_of(tell: Tell, place: int, parts: int) -> Tell:
    """Tells the progress of one of several equal parts as that of the whole."""

    def told(progress: Progress) -> None:
        total, left_s = progress.total * parts, progress.left_s
        if progress.rate:
            left_s += progress.total * (parts - place - 1) / progress.rate
        tell(Progress(progress.done + place * progress.total, total, progress.what, progress.rate, left_s))

    return told


def solver(sampling: dict) -> str:
    """The sampler's name in sampling settings: the first choice or text in it."""
    for value in sampling.values():
        if isinstance(value, dict) and "type" in value:
            return str(value["type"])
        if isinstance(value, str):
            return value
    return ""
