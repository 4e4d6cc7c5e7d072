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
    parts = _computed(family, nets, data, seed, device, tell)
    if not parts:
        return {}
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    storage.write_bytes(path, pack(joined))
    return joined


def _computed(family: Family, nets: dict[str, Any], data: Any, seed: int, device: torch.device,
              tell: Callable[[Progress], None]) -> list[dict[str, np.ndarray]]:  # fmt: skip
    count, parts = data.train.count, []
    for start in range(0, count, CHUNK):
        x = torch.from_numpy(data.train.take(np.arange(start, min(start + CHUNK, count)))).to(device)
        generator = randomness.reseed(torch.Generator(device), seed, start, 0, randomness.DERIVED)
        with torch.no_grad():
            made = family.derive(nets, x, generator)
        if made is None:
            return []
        parts.append({name: torch.as_tensor(value).cpu().numpy() for name, value in made.items()})
        tell(Progress(min(start + CHUNK, count), count, "preparing data from the parts"))
    return parts
