"""Proof that resume is exact: the steps between the last two checkpoints again, every bit compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import torch

from models_backend.contract.family import Family
from models_backend.contract.messages import Body, Progress, Trouble, TroubleError
from models_backend.contract.run_layout import CheckpointLayout, Manifest
from models_backend.library import checkpoints as kept
from models_backend.library import storage
from models_backend.networks import weights

from . import checkpoints
from .loop import Trainer


class ReplayReport(msgspec.Struct):
    """``differences`` names every tensor that is not bit-equal, at most a few."""

    run: str
    first: str
    last: str
    steps: int
    identical: bool
    tensors: int
    differences: list[str] = []


def prove_resume(library: Any, run: str, families: Mapping[str, type[Family]], steps: int = 0, device: str = "auto",
                 tell: Callable[[Body], None] = lambda body: None) -> ReplayReport:  # fmt: skip
    """Replays to the newest checkpoint and compares; from the last-but-one, or from an older one that lies at least ``steps``
    before it. Nothing in the run's folder changes.

    Raises TroubleError where the run has fewer than two good checkpoints."""
    folder = library.run(run)
    newest, before = _pair(folder, steps, tell)
    record = folder.record()
    if record.family not in families:
        raise TroubleError(f"the family {record.family!r} is not installed", run, advice="Put the family's file back")
    trainer = Trainer(library, folder, families[record.family], families, device)
    trainer.prepare(before)
    first, last = trainer.step, newest.step
    while trainer.step < last:
        trainer.advance()
        tell(Progress(trainer.step - first, last - first, "replaying"))
    differences, tensors = _compared(trainer, newest)
    return ReplayReport(run, before.name, newest.name, last - first, not differences, tensors, differences[:20])


def _pair(folder: Any, steps: int, tell: Callable[[Body], None]) -> tuple[CheckpointLayout, CheckpointLayout]:
    """The newest good checkpoint and the one to begin from; a damaged one between them is told."""
    good, reasons = [], []
    for layout in kept.and_told(folder.layout):
        if reason := kept.flaw(layout):
            reasons.append(f"step {layout.step:,} ({reason})")
            continue
        good.append(layout)
        if len(good) > 1 and good[0].step - layout.step >= steps:
            break
    title = folder.record().title or folder.id
    if len(good) < 2:
        advice = "Train one that saves more often: --set checkpoint_every=100"
        found = f": {kept.damage(good[0] if good else None, reasons)}" if reasons else ""
        raise TroubleError(f"two good checkpoints are needed to prove that resume is exact{found}", title, advice=advice)
    if reasons:
        tell(Trouble(kept.damage(good[0], reasons), title))
    return good[0], good[-1]


def _compared(trainer: Trainer, newest: CheckpointLayout) -> tuple[list[str], int]:
    """Names of tensors that differ from the checkpoint's, and how many were compared."""
    files = checkpoints.files_of(trainer.nets, trainer.averages, trainer.stepper.optimisers)
    stored = {entry.name for entry in storage.read_json(newest.manifest, Manifest).files if entry.name.endswith(".safetensors")}
    differences = sorted(f"{name}: is in one of the two only" for name in stored ^ set(files))
    count = 0
    for name in sorted(stored & set(files)):
        here, there = weights.read_bytes(files[name], name), weights.read_tensors(newest.root / name)
        count += len(there)
        differences += [
            f"{name}: {key}" for key in sorted(here.keys() | there.keys()) if not _equal(here.get(key), there.get(key))
        ]
    return differences, count


def _equal(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    """Equal in type, shape and every bit (a NaN equals the same NaN)."""
    if a is None or b is None or a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))
