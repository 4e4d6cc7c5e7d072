"""Data that a family computes once from its parts before training (latents, reflow pairs), kept in the run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models_backend.contract.family import Family
from models_backend.contract.messages import Progress
from models_backend.library import storage
from models_backend.library.samples import pack, read_arrays

from . import randomness

CHUNK = 256


def arrays(family: Family, nets: dict[str, Any], data: Any, seed: int, device: torch.device, path: Path,
           tell: Callable[[Progress], None]) -> dict[str, np.ndarray]:  # fmt: skip
    """Name -> array, rows aligned; {} for a family that trains on the data as they are. Made once, then read from ``path``."""
    if type(family).derive is Family.derive:
        return {}
    if path.exists():
        return read_arrays(path)
    parts, count = [], data.train.count
    for start in range(0, count, CHUNK):
        made = _chunk(family, nets, data, seed, device, start)
        if not made:
            return {}
        parts.append(made)
        tell(Progress(min(start + CHUNK, count), count, "preparing data from the parts"))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    storage.write_bytes(path, pack(joined))
    return joined


def first_chunk(family: Family, nets: dict[str, Any], data: Any, seed: int, device: torch.device) -> dict[str, np.ndarray]:
    """The derived data of a few items, enough to try a step on; {} for a family without any."""
    if type(family).derive is Family.derive:
        return {}
    made = _chunk(family, nets, data, seed, device, 0)
    return made | ({"x": data.train.take(np.arange(min(CHUNK, data.train.count)))} if made and "x" not in made else {})


def _chunk(
    family: Family, nets: dict[str, Any], data: Any, seed: int, device: torch.device, start: int
) -> dict[str, np.ndarray]:
    x = torch.from_numpy(data.train.take(np.arange(start, min(start + CHUNK, data.train.count)))).to(device)
    generator = randomness.reseed(torch.Generator(device), seed, start, 0, randomness.DERIVED)
    with torch.no_grad():
        made = family.derive(nets, x, generator)
    return {name: torch.as_tensor(value).cpu().numpy() for name, value in (made or {}).items()}
