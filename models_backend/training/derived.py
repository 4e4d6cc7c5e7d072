"""Data that are computed once before training (latents, reflow pairs, what a frozen text encoder says of captions), kept in
the run's folder."""

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
from models_backend.networks import frozen_text

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


# ------------------------------------------------------------------------------------------------ captions


def captions(nets: dict[str, Any], data: Any, device: torch.device, folder: Path, tell: Callable[[Progress], None]) -> None:
    """What the networks' frozen text encoder says of every caption of the data, and of none. Made once, then read from
    ``folder``: a step reads no text, and goes on with the very same numbers."""
    for encoder in frozen_text.frozen_in(nets)[:1]:
        path = folder / f"captions-{encoder.key.hex()[:16]}.npz"
        known = _unpacked(read_arrays(path)) if path.exists() else {}
        missing = sorted({"", *data.train.captions, *data.validation.captions} - set(known))
        for count, caption in enumerate(missing):
            known[caption] = encoder.reading.read(caption, device)
            if count % CHUNK == 0:
                tell(Progress(count, len(missing), "reading the captions"))
        if missing:
            storage.write_bytes(path, pack(_packed(known)))
        encoder.reading.learn(known)


def _packed(known: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    counts = np.array([len(one) for one in known.values()])
    return {"captions": np.array(list(known)), "counts": counts, "said": np.concatenate(list(known.values()))}


def _unpacked(kept: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rows = np.split(kept["said"], np.cumsum(kept["counts"])[:-1])
    return dict(zip(kept["captions"].tolist(), rows, strict=True))
