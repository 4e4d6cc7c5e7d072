"""A row of samples from fixed noise, drawn while the run goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models_backend.conditions.values import Conditions
from models_backend.contract.family import DataSpec, LoadedRun
from models_backend.contract.fields import build
from models_backend.contract.messages import Preview
from models_backend.contract.run_layout import RunLayout, RunRecord
from models_backend.contract.settings import TrainingSettings
from models_backend.contract.trace import Step
from models_backend.library import storage
from models_backend.library.samples import pack
from models_backend.media.wire import on_the_wire
from models_backend.networks import precision
from models_backend.samplers import seeding

from . import given, validation
from .looks import POINTS, looks

#: Items that are drawn at once.
LARGEST_BATCH = {"points": 1024, "image": 64}


def looked_at(spec: DataSpec, count: int) -> int:
    """So many items are drawn to be judged where ``count`` are shown."""
    return max(count, POINTS) if spec.modality == "points" else count


def look(loaded: LoadedRun, record: RunRecord, data: Any, check: Any = None) -> dict[str, float]:
    """What training's own look at a preview of the run finds (see ``looks``): the same items beside the same real ones."""
    settings, sampling = build(TrainingSettings, record.training), build(loaded.family.Sampling, record.sampling)
    count, asked = looked_at(data.spec, settings.preview_count), given.prompts(loaded.family, data)
    return looks(draw(loaded, sampling, count, settings.seed, check, asked), validation.shown(data))


def draw(loaded: LoadedRun, sampling: Any, count: int, seed: int, check: Any = None,
         conditions: dict[str, Any] | None = None) -> np.ndarray:  # fmt: skip
    """``count`` items of the run as it stands: uint8 (N, H, W, C), or float32 (N, D) for points. ``check`` is called at each
    step of the sampler and may raise Stopped; ``conditions`` are plain values, which go round."""
    given = Conditions(loaded.family, conditions or {})
    most = LARGEST_BATCH.get(loaded.spec.modality, 64)
    made = [_drawn(loaded, sampling, seed, start, min(most, count - start), check, given) for start in range(0, count, most)]
    return on_the_wire(torch.cat(made), loaded.spec)


@torch.no_grad()
def _drawn(loaded: LoadedRun, sampling: Any, seed: int, first: int, count: int, check: Any,
           conditions: Conditions) -> torch.Tensor:  # fmt: skip
    noise = seeding.noise(loaded.family.noise_shape(), seed, first, count).to(loaded.device)
    told = (lambda step: check()) if check else _untold
    generators = seeding.item_generators(seed, first, count) if loaded.family.trace == "denoise" else None
    given = conditions.batch(first, count, loaded.device)
    with precision.autocast(loaded.precision, loaded.device):
        return loaded.family.sample(loaded.nets, noise, given, sampling, told, generators).float().cpu()


def _untold(step: Step) -> None:
    """Nobody looks at the steps of a preview."""


def save(layout: RunLayout, step: int, items: np.ndarray) -> Preview:
    """Writes a preview into the run's folder; the event that tells of it."""
    path = layout.preview(step)
    storage.make_folder(path.parent)
    storage.write_bytes(path, pack({"items": items}))
    return Preview(step, str(path.relative_to(layout.root)), len(items))
