"""Export: a sample, its trace, its path, or a run's weights to files that people use elsewhere.

Every file but one of numbers carries the sample's record (``library.provenance``), so that dropping it on the window brings
its state back; ``strip`` leaves it out. Files appear whole or not at all; what a killed export left behind goes with the next
one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models_backend.contract.exports import FILMS, FORMATS, HOLD_S, NUMBERS, STILLS, WEIGHTS, file_name, plain
from models_backend.contract.messages import Export, Progress, Trouble, TroubleError
from models_backend.contract.run_layout import SampleRecord
from models_backend.library import provenance, storage
from models_backend.library.trouble import explained

from . import films, stills, timing, weights
from .grid_sheet import grid_sheet
from .pictures import bounds_of, contact_sheet, enlarged, fitting_scale, points_picture, rgb, to_uint8

POINTS_SIDE = 640
CELL_SIDE = 240  # of points
STRIP_STEPS = 10


Tell = Callable[[Progress], None]


def export(library: Any, request: Export, tell: Tell = lambda told: None) -> list[Path]:
    """Writes what ``request`` asks for; returns the files. ``library``: an open Library. What ``tell`` raises ends it.

    Raises TroubleError for a format that does not fit, a sample without a trace, a full disk, a folder without access or
    one that is not there: of the folders above what is written only that of several files is made."""
    format = plain(request.format)
    if format not in FORMATS:
        raise TroubleError("there is no such format", request.format, advice="use one of " + ", ".join(FORMATS))
    target = Path(request.path).expanduser().absolute()
    with explained("the file cannot be written", str(target), "the sample is untouched; a half-written file was removed"):
        if format in WEIGHTS:
            written = _export_weights(library, request, target, tell)
        else:
            written = _export_media(library, request, format, target, tell)
        for path in written:
            storage.share(path)
        for folder in {path.parent for path in written}:
            storage.sweep_among_others(folder)
    return written


def _export_weights(library: Any, request: Export, target: Path, tell: Tell) -> list[Path]:
    run = library.run(request.source)
    kept, note = run.usable()
    if note:
        tell(Trouble(note, run.record().title))
    target = _file(target, f"{request.source}.safetensors", "safetensors")
    return [weights.write_weights(target, kept, run.record(), request.strip)]


def _export_media(library: Any, request: Export, format: str, target: Path, tell: Tell) -> list[Path]:
    if request.what == "weights":
        raise TroubleError("weights are written as safetensors", format, advice="choose the format safetensors")
    sample = library.sample(request.source)
    record = sample.record()
    marker = "" if request.strip else provenance.marker(record)
    if format in NUMBERS:
        return [_numbers(sample, record, request, format, target)]
    if request.what == "items":
        return _items(sample, record, request, format, target, marker, tell)
    if request.what == "grid":
        return [_grid(library, record, request, format, target, tell)]
    frames = _frames(sample, record, request, format, tell)
    target = _file(target, f"{request.source}-{request.what}.{format}", format)
    if len(frames) == 1 and format not in (*FILMS, "apng"):
        storage.write_bytes(target, stills.encode(frames[0], format, marker))
        return [target]
    if format == "png":
        storage.write_bytes(target, stills.encode(_strip_of(frames), format, marker))
        return [target]
    return [_write_moving(target, frames, request, format, marker, tell)]


def _file(target: Path, name: str, format: str) -> Path:
    """The file to write: ``name`` inside a folder that stands, else the target with the format's suffix."""
    if target.is_dir():
        return target / name
    storage.require_parent(target)
    suffixes = {"apng": (".png", ".apng")}.get(format, (f".{format}",))
    return target if target.suffix.lower() in suffixes else target.with_name(target.name + suffixes[0])


# ------------------------------------------------------------------------------------------------ items


def _numbers(sample: Any, record: SampleRecord, request: Export, format: str, target: Path) -> Path:
    """Points (N, D) as numbers: lines below the header x,y, or a float32 array. Neither has a place for the record."""
    if record.modality != "points":
        raise TroubleError("pictures are not written as numbers", format, advice="choose PNG, WebP or GIF")
    if request.what not in ("items", "sheet"):
        raise TroubleError("only the points themselves are written as numbers", request.what, advice="export the items")
    points = sample.items()
    points = points[_chosen(request.items, len(points))].astype(np.float32)
    written = io.BytesIO()
    if format == "npy":
        np.save(written, points, allow_pickle=False)
    else:
        names = "xyz" if points.shape[1] <= 3 else [f"x{number + 1}" for number in range(points.shape[1])]
        header = ",".join(names[: points.shape[1]])
        np.savetxt(written, points, "%.9g", ",", header=header, comments="", encoding="utf-8")
    target = _file(target, f"{request.source}.{format}", format)
    storage.write_bytes(target, written.getvalue())
    return target


def _items(sample: Any, record: SampleRecord, request: Export, format: str, target: Path, marker: str,
           tell: Tell) -> list[Path]:  # fmt: skip
    """One file an item: ``<number>.<format>`` in a folder, or the target itself where there is one item."""
    if format not in STILLS:
        raise TroubleError("single items are pictures", format, advice="use PNG, WebP or GIF, or export the path as a film")
    pictures = _pictures(sample.items(), record, None)
    chosen = _chosen(request.items, len(pictures))
    if len(chosen) == 1 and target.suffix:
        paths = [_file(target, f"{request.source}.{format}", format)]
    else:
        storage.make_last_folder(target)
        name = file_name(request.name) or request.source
        paths = [target / f"{name}-{number:04d}.{format}" for number in chosen]
    for path, number in _told(list(zip(paths, chosen)), tell, "writing items"):
        storage.write_bytes(path, stills.encode(enlarged(pictures[number], request.scale or 1), format, marker))
    return paths


def _chosen(items: list[int], count: int) -> list[int]:
    wrong = [i for i in items if not 0 <= i < count]
    if wrong:
        raise TroubleError(f"there is no item {wrong[0] + 1}; there are {count}", advice=f"choose from 1 to {count}")
    return list(items) or list(range(count))


def _pictures(items: np.ndarray, record: SampleRecord, bounds: tuple | None) -> np.ndarray:
    """Stored items as pictures: uint8 (N, H, W, C). Points: the whole set as one."""
    if record.modality == "points":
        return points_picture(items, POINTS_SIDE, bounds)[None]
    return to_uint8(items)


def _scaled(picture: np.ndarray, scale: int, format: str) -> np.ndarray:
    """Enlarged by ``scale``, or to a size that fits: by an even number in a film, which keeps colours at half the size."""
    fitting = fitting_scale(picture.shape[1], picture.shape[0])
    if format in FILMS and fitting > 1:
        fitting -= fitting % 2
    return enlarged(picture, scale or fitting)


# ------------------------------------------------------------------------------------------------ sheets and films


def _frames(sample: Any, record: SampleRecord, request: Export, format: str, tell: Tell) -> list[np.ndarray]:
    """The frames of what was asked for: one for a sheet."""
    moving = request.what
    if moving == "sheet" and format in (*FILMS, "apng"):
        moving = "trace" if sample.has_trace() else "path"
    states = _trace(sample) if moving == "trace" else None
    if states is not None:
        bounds = bounds_of(states[-1]) if record.modality == "points" else None
        chosen = _chosen(request.items, states.shape[1])
        return [_sheet(state[chosen], record, request.scale, format, bounds) for state in _told(states, tell, "drawing frames")]
    items = sample.items()
    if record.modality == "points" or moving == "sheet":
        whole = record.modality == "points"
        chosen = items if whole else items[_chosen(request.items, len(items))]
        return [_sheet(chosen, record, request.scale, format, None)]
    return [rgb(_scaled(items[i], request.scale, format)) for i in _chosen(request.items, len(items))]


def _grid(library: Any, record: SampleRecord, request: Export, format: str, target: Path, tell: Tell) -> Path:
    """The whole grid that a sample is a cell of, with its headings; it carries the record of the first cell."""
    if record.grid is None:
        raise TroubleError(
            "it is no cell of a grid",
            record.title,
            advice="Export it as a contact sheet; grids are made in Sample: Grid over two fields",
            command="`--what sheet` writes a contact sheet; grids are made in the window, in Sample: Grid over two fields",
        )
    if format not in STILLS:
        raise TroubleError("a grid is written as one picture", format, advice="use PNG, WebP or GIF")
    cells = library.cells(record)
    items = {cell.grid.place: library.sample(cell.id).items() for cell in _told(cells, tell, "reading cells")}
    if record.modality == "points":
        bounds = bounds_of(np.concatenate(list(items.values())))
        pictures = {place: points_picture(points, CELL_SIDE, bounds) for place, points in items.items()}
    else:
        stacks = {place: to_uint8(some) for place, some in items.items()}
        pictures = {place: contact_sheet(some) if len(some) > 1 else some[0] for place, some in stacks.items()}
        high, wide = next(iter(pictures.values())).shape[:2]
        scale = request.scale or fitting_scale(wide * record.grid.columns, high * record.grid.rows)
        pictures = {place: enlarged(picture, scale) for place, picture in pictures.items()}
    marker = "" if request.strip else provenance.marker(cells[0])
    target = _file(target, f"{record.grid.id}.{format}", format)
    storage.write_bytes(target, stills.encode(grid_sheet(pictures, record.grid), format, marker))
    return target


def _trace(sample: Any) -> np.ndarray:
    """The recorded states (steps, B, *shape)."""
    trace = sample.trace()
    if "x" not in trace:
        raise TroubleError("its steps were not recorded", sample.id, advice="sample again with the trace switched on")
    return trace["x"].astype(np.float32)


def _sheet(items: np.ndarray, record: SampleRecord, scale: int, format: str, bounds: tuple | None) -> np.ndarray:
    pictures = _pictures(items, record, bounds)
    if record.modality == "points":
        return pictures[0]
    return _scaled(contact_sheet(pictures), scale, format)


def _strip_of(frames: list[np.ndarray]) -> np.ndarray:
    """A still of something that moves: up to ten of its frames side by side, the first and the last among them."""
    at = np.unique(np.linspace(0, len(frames) - 1, min(STRIP_STEPS, len(frames))).round().astype(int))
    return contact_sheet(np.stack([frames[i] for i in at]), columns=len(at), gap=4)


def _write_moving(target: Path, frames: list[np.ndarray], request: Export, format: str, marker: str, tell: Tell) -> Path:
    """Frames as a film of as many, or one that holds its last one where that is asked for."""
    fps = max(1, request.fps)
    last_s = HOLD_S if request.hold else 1 / fps
    if format in FILMS:
        whole = [*frames, *[frames[-1]] * (round(last_s * fps) - 1)]
        return films.write_film(target, _told(whole, tell, "writing the film"), fps, marker)
    tell(Progress(0, 0, "writing the film"))
    shown, durations_ms = timing.schedule(len(frames), fps, last_s, format)
    storage.write_bytes(target, stills.encode_animation([frames[i] for i in shown], durations_ms, format, marker))
    return target


def _told(things: Any, tell: Tell, what: str) -> Iterator[Any]:
    """Each thing, telling before it how far the work is."""
    for number, thing in enumerate(things):
        tell(Progress(number, len(things), what))
        yield thing
