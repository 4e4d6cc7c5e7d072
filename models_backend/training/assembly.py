"""From a run's record to what is trained: data, parts, family, and networks that depend on the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models_backend.contract.family import Family
from models_backend.contract.fields import build
from models_backend.contract.messages import Progress, TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import TrainingSettings
from models_backend.data.buckets import Buckets, open_buckets, shapes
from models_backend.data.reading import open_known
from models_backend.networks import weights

from . import stages


@dataclass
class Assembly:
    """A run in memory, before its first step."""

    record: RunRecord
    settings: TrainingSettings
    data: Any
    buckets: Buckets | None
    family: Family
    nets: dict[str, nn.Module]
    device: torch.device


def assemble(library: Any, record: RunRecord, families: Mapping[str, type[Family]], device: torch.device,
             tell: Callable[[Progress], None]) -> Assembly:  # fmt: skip
    """Raises TroubleError for data, parts or settings that do not go together, FieldError for values out of range."""
    settings = build(TrainingSettings, record.training)
    data = open_known(library, record, tell)
    refuse_changed(record, data)
    family = weights.make_family(record, families, weights.load_parts(library, record, families, device))
    problems = family.problems() + stages.problems(family, settings.grow_from)
    problems += stages.shape_problems(family, shapes(data.settings), settings.grow_from)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise TroubleError(problems[0] + more, record.title or record.id, advice="Then start a new run")
    buckets = open_buckets(data, tell)
    return Assembly(record, settings, data, buckets, family, seeded_networks(family, settings.seed, device), device)


def refuse_changed(record: RunRecord, data: Any) -> None:
    """TroubleError where the data, as the run knows them, are not those it was made for, or there are none to train on."""
    if record.spec.fingerprint and record.spec.fingerprint != data.spec.fingerprint:
        raise TroubleError("what the run knew of its data is not there any more", record.title or record.id,
                           "its checkpoints are kept", "Begin anew, with a new run of its settings",
                           command=f"`nexus-studio resume {record.id} --anew` begins a new run of its settings")  # fmt: skip
    if tuple(record.spec.shape) != tuple(data.spec.shape):
        raise TroubleError(f"the data have the shape {tuple(data.spec.shape)}, the run was made for {tuple(record.spec.shape)}",
                           record.title or record.id, advice="Make a new run")  # fmt: skip
    if not data.train.count:
        advice = "Bring items back that were left out, or import more"
        command = f"`nexus-studio edit {data.record.id} --bring-back-all` takes in again what was left out"
        raise TroubleError("there is no item to train on", data.record.title, advice=advice, command=command)


def seeded_networks(family: Family, seed: int, device: torch.device) -> dict[str, nn.Module]:
    """Fresh networks, made on the CPU so that every device starts from the same weights."""
    torch.manual_seed(seed)
    return {name: net.to(device).train() for name, net in family.networks().items()}
