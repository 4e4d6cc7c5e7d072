"""Maps of a run's latents: every item a place, every place an item. Kept in the run's folder, made once a checkpoint.

A map file holds "z" (N, L), "xy" (N, 2), "index" (N,) positions in the data set, "label" (N,), the plane ("mean", "axes",
"explained") and "kl" (L,) where the family tells it. A family without an encoder is mapped by what it makes: latents are
drawn, the plane is that of the made items, and "items" holds them as thumbnails.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from models_backend.contract.family import Family, LoadedRun
from models_backend.contract.fields import build, merged, plain
from models_backend.contract.messages import Arrays, Decode, LatentMap, Progress, TroubleError, VectorField
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.words import counted
from models_backend.library import storage
from models_backend.library.samples import SampleFolder, pack, read_arrays
from models_backend.media.wire import as_array, on_the_wire
from models_backend.networks import averaging, precision
from models_backend.samplers import seeding

from . import paths
from .projection import Plane, principal_plane

CHUNK = 128
ENCODED = 32  # items of a map at once: so few that what is left is soon known
NEIGHBOURS = 6
SAMPLED = 16  # places at which a line is looked at for each of its frames
MADE = 1000  # items of a map of a family without an encoder
TOLD = ("xy", "index", "label", "explained", "kl", "items")
MAP_SEED = 0


Tell = Callable[[Progress], None]


def make_map(library: Any, loaded: LoadedRun, data: Any, request: LatentMap, tell: Tell = lambda told: None) -> Arrays:
    """The answer to a LatentMap request. Raises TroubleError for a family without latents."""
    stored = _stored(library, loaded, data, request, tell)
    note = "" if "items" not in stored else "this family has no encoder: the map shows items that it made"
    arrays = {name: as_array(stored[name]) for name in TOLD if name in stored}
    return Arrays(arrays, note, averaging.named(request.checkpoint, loaded.step))


def decode_places(library: Any, loaded: LoadedRun, data: Any, request: Decode, tell: Tell = lambda told: None) -> Arrays:
    """The answer to a Decode request: items, and for each its place, the nearest mapped item and the distance to that in the
    latent space."""
    asked = LatentMap(request.run, limit=request.limit, checkpoint=request.checkpoint)
    stored = _stored(library, loaded, data, asked, tell)
    xy, z = _latents(stored, request)
    record = library.run(request.run).record()
    sampling = build(loaded.family.Sampling, merged(record.sampling, request.sampling))
    items = on_the_wire(_decoded(loaded, z, sampling, tell), loaded.spec)
    place, distance = nearest(stored["z"], z)
    arrays = {"items": items, "nearest": stored["index"][place], "distance": distance.astype(np.float32)}
    if len(xy):
        arrays["xy"] = xy
    note = _save(library, loaded, record, request, items, xy, z, sampling).id if request.save else ""
    return Arrays({name: as_array(value) for name, value in arrays.items()}, note)


def vector_field(loaded: LoadedRun, request: VectorField) -> Arrays:
    """The answer to a VectorField request: "field" (T, n, n, 2); row i of the grid is y, column j is x."""
    if loaded.spec.modality != "points" or loaded.spec.shape != (2,):
        raise TroubleError("a vector field can be drawn for points in the plane only", request.run)
    if type(loaded.family).vector_field is Family.vector_field:
        raise TroubleError(f"{loaded.family.title} has no vector field", request.run, advice="look at its path trace instead")
    sampling = build(loaded.family.Sampling, request.sampling)
    side = torch.linspace(request.low, request.high, request.n)
    y, x = torch.meshgrid(side, side, indexing="ij")
    places = torch.stack([x, y], -1).reshape(-1, 2).to(loaded.device)
    with torch.no_grad():
        fields = [loaded.family.vector_field(loaded.nets, places, t, sampling).float().cpu() for t in request.times]
    shape = (len(fields), request.n, request.n, 2)
    return Arrays({"field": as_array(torch.stack(fields).reshape(shape).numpy() if fields else np.zeros(shape, np.float32))})


# ----------------------------------------------------------------------------------------------- the map


def _stored(library: Any, loaded: LoadedRun, data: Any, request: LatentMap, tell: Tell) -> dict[str, np.ndarray]:
    """The map of this checkpoint, from the run's folder or made now."""
    path = library.run(request.run).layout.derived / f"map-{_key(loaded, data, request)}.npz"
    if path.exists():
        return read_arrays(path)
    made = _mapped(loaded, data, request.limit, tell)
    storage.make_folder(path.parent)
    storage.write_bytes(path, pack(made))
    return made


def _key(loaded: LoadedRun, data: Any, request: LatentMap) -> str:
    told = f"{loaded.step}|{request.method}|{request.limit}|{data.spec.fingerprint}|{tuple(data.spec.shape)}|1"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _mapped(loaded: LoadedRun, data: Any, limit: int, tell: Tell) -> dict[str, np.ndarray]:
    if not loaded.family.latents:
        raise TroubleError(f"{loaded.family.title} has no latents to map", advice="choose a run of a family that has")
    rows = np.unique(np.linspace(0, data.train.count - 1, min(limit, data.train.count)).astype(np.int64))
    z = _encoded(loaded, data, rows, tell)
    if z is None:
        return _mapped_by_making(loaded, min(limit, MADE), tell)
    told = {"index": data.train.positions[rows].astype(np.int64), "label": data.train.labels[rows].astype(np.int64)}
    kl = _kl(loaded, data, rows)
    return _laid_out(z, z) | told | ({"kl": kl} if kl is not None else {})


def _laid_out(z: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Latents and their places on the main plane of ``seen`` (the latents themselves, or the items made of them)."""
    plane = principal_plane(seen)
    xy = plane.project(seen)
    arrays = {"z": z, "xy": xy, "mean": plane.mean, "axes": plane.axes, "explained": plane.explained}
    return {name: value.astype(np.float32) for name, value in arrays.items()}


def _encoded(loaded: LoadedRun, data: Any, rows: np.ndarray, tell: Tell) -> np.ndarray | None:
    """Latents (N, L) of training items; None where the family has no encoder."""
    parts = []
    for start in range(0, len(rows), ENCODED):
        tell(Progress(start, len(rows), "encoding the data"))
        x = torch.from_numpy(data.train.take(rows[start : start + ENCODED])).to(loaded.device)
        try:
            with torch.no_grad(), precision.autocast(loaded.precision, loaded.device):
                parts.append(loaded.family.encode(loaded.nets, x).float().cpu().numpy())
        except NotImplementedError:
            return None
    return np.concatenate(parts)


def _mapped_by_making(loaded: LoadedRun, count: int, tell: Tell) -> dict[str, np.ndarray]:
    z = seeding.noise(loaded.family.noise_shape(), MAP_SEED, 0, count).flatten(1).numpy()
    items = _decoded(loaded, z, loaded.family.Sampling(), tell)
    nothing = np.full(count, -1, np.int64)
    told = {"index": nothing, "label": nothing, "items": on_the_wire(items, loaded.spec)}
    return _laid_out(z, items.flatten(1).numpy()) | told


def _kl(loaded: LoadedRun, data: Any, rows: np.ndarray) -> np.ndarray | None:
    """KL of each latent dimension in nats, where the family's diagnostics tell it."""
    x = torch.from_numpy(data.train.take(rows[:256])).to(loaded.device)
    generator = torch.Generator(loaded.device).manual_seed(MAP_SEED)
    with torch.no_grad():
        told = loaded.family.diagnostics(loaded.nets, x, generator).get("kl_per_dimension")
    return None if told is None else np.asarray(told, np.float32)


# ----------------------------------------------------------------------------------------------- decoding


def _latents(stored: dict[str, np.ndarray], request: Decode) -> tuple[np.ndarray, np.ndarray]:
    """The places (N, 2), none where latents are named, and the latents (N, L) that a request asks for."""
    if request.z:
        z = np.asarray(request.z, np.float32)
        if z.ndim != 2 or z.shape[1] != stored["z"].shape[1]:
            raise TroubleError(f"a latent of this run has {counted(stored['z'].shape[1], 'number')}", "z")
        return np.empty((0, 2), np.float32), z
    xy = np.asarray(request.xy, np.float32)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise TroubleError("give at least one place, as pairs of numbers", "xy")
    if request.frames > 0:
        xy = _frames(stored, xy, request.frames)
    return xy, lifted(stored, xy)


def _frames(stored: dict[str, np.ndarray], line: np.ndarray, count: int) -> np.ndarray:
    """Places (count, 2) along a line (N, 2), evenly apart in the latent space."""
    fine = paths.at(line, paths.evenly(line, SAMPLED * count))
    return paths.at(fine, paths.evenly(lifted(stored, fine), count)).astype(np.float32)


def lifted(stored: dict[str, np.ndarray], xy: np.ndarray) -> np.ndarray:
    """Places (N, 2) -> latents (N, L): on the plane they lie where asked; the rest of the latent is a mean of the nearest
    items', so that an item's own place decodes to that item, and it changes without a jump from place to place."""
    known, z = _sites(stored["xy"].astype(np.float64), stored["z"].astype(np.float64))
    place, weight = _weights(known, xy.astype(np.float64))
    mixed = np.einsum("nk,nkl->nl", weight, z[place])
    if stored["axes"].shape[1] != z.shape[1]:
        return mixed.astype(np.float32)  # the plane is of items, not of latents
    plane = Plane(stored["mean"].astype(np.float64), stored["axes"].astype(np.float64), stored["explained"])
    there = np.einsum("nk,nkd->nd", weight, known[place])
    return (mixed + (xy - there) @ plane.axes).astype(np.float32)


def _sites(known: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (M, 2) that differ, and the mean latent (M, L) of the items at each: equal items would fill a neighbourhood."""
    cells = np.round(known / max(float(np.abs(known).max()), 1e-12), 6)
    _, of, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    both = np.zeros((len(count), known.shape[1] + z.shape[1]))
    np.add.at(both, of.ravel(), np.hstack([known, z]))
    both /= count[:, None]
    return both[:, : known.shape[1]], both[:, known.shape[1] :]


def _weights(known: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest known places (N, k) and their weights (N, k), summing to 1. A weight falls with the squared distance, to
    none at that of the next one after the nearest (Franke and Nielson 1980, Smooth interpolation of large sets of scattered
    data), so that none jumps where another place becomes one of the nearest."""
    away = np.hypot(xy[:, 0, None] - known[:, 0], xy[:, 1, None] - known[:, 1])
    count = min(NEIGHBOURS + 1, len(known))
    place = np.argpartition(away, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(away, place, 1)
    inverse = 1 / np.maximum(near, 1e-9 * max(float(known.std()), 1e-12))
    if count > NEIGHBOURS:
        inverse -= inverse.min(1, keepdims=True)
    weight = inverse**2
    weight[~weight.any(1)] = 1.0  # all are equally far
    return place, weight / weight.sum(1, keepdims=True)


def nearest(z: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each latent asked (N, L): the row of the nearest in z and its Euclidean distance."""
    squared = (asked**2).sum(1)[:, None] - 2 * asked @ z.T + (z**2).sum(1)[None]
    place = squared.argmin(1)
    return place, np.linalg.norm(asked - z[place], axis=1)


def _decoded(loaded: LoadedRun, z: np.ndarray, sampling: Any, tell: Tell) -> torch.Tensor:
    """Items (N, *shape) float32 of latents (N, L)."""
    parts = []
    with torch.no_grad(), precision.autocast(loaded.precision, loaded.device):
        for start in range(0, len(z), CHUNK):
            tell(Progress(start, len(z), "decoding"))
            some = torch.from_numpy(z[start : start + CHUNK]).to(loaded.device)
            parts.append(loaded.family.decode(loaded.nets, some, sampling).float().cpu())
    return torch.cat(parts)


def _save(library: Any, loaded: LoadedRun, run: Any, request: Decode, items: np.ndarray, xy: np.ndarray,
          z: np.ndarray, sampling: Any) -> SampleFolder:  # fmt: skip
    path = {"xy": xy.tolist(), "z": z.tolist(), "drawn": request.drawn}
    record = SampleRecord(
        library.new_id("path"), request.title or f"Path through {run.title or run.family}", run.id, run.family,
        averaging.named(request.checkpoint, loaded.step), loaded.spec.modality, len(items), MAP_SEED, plain(sampling), {},
        time.time(), kind="path", dataset=run.dataset, path=path, threads=torch.get_num_threads(),
    )  # fmt: skip
    return SampleFolder.create(library, record, items)
