"""Built-in data sets, made deterministically: the same name gives the same data set with the same id.

``make(library, name)`` with a name such as "digits", "digits:resolution=16", "shapes:size=32,count=4000,seed=0" or
"points:density=8gaussians,count=20000".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from models_backend.contract.fields import Field, FieldError, build
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Item, LibraryLayout
from models_backend.library import storage
from models_backend.library.datasets import fingerprint

from . import densities, folder, geometry, scenes, shapes
from .densities import reference_sampler

#: Pictures of at most so many different values are told to models by them: what is made holds no others.
FEW_LEVELS = 64

__all__ = ["BUILTIN", "canonical", "make", "parse", "reference_sampler"]


class Digits(msgspec.Struct, frozen=True):
    """Real handwritten digits (UCI optical recognition, as shipped with scikit-learn): 1,797 of 8 x 8 pixels, 17 greys."""

    resolution: Annotated[int, Field("Side; above 8 the digits are enlarged smoothly", low=8, high=64, unit="px")] = 8


class Shapes(msgspec.Struct, frozen=True):
    """Captioned coloured shapes with known factors."""

    size: Annotated[int, Field("Side of a picture", low=16, high=256, unit="px")] = 32
    count: Annotated[int, Field("Pictures", low=2, high=200_000)] = 4000
    seed: Annotated[int, Field("Seed of all factors", low=0, high=2**31 - 1)] = 0
    style: Annotated[Literal["filled", "filled_outlined"],
                     Field("filled_outlined: two classes, filled and hollow shapes, for translation")] = "filled"  # fmt: skip


class Scenes(msgspec.Struct, frozen=True):
    """Captioned scenes for models that follow words: six shapes, eight colours, three sizes, nine places."""

    size: Annotated[int, Field("Side of a picture", low=16, high=256, unit="px")] = 32
    count: Annotated[int, Field("Pictures", low=2, high=200_000)] = 12_000
    objects: Annotated[int, Field("Objects in a picture; of two, the words tell which is where", low=1, high=2)] = 1
    leave_out: Annotated[int, Field("1: an eighth of the pairs of shape and colour is never shown", low=0, high=1)] = 0
    seed: Annotated[int, Field("Seed of all factors", low=0, high=2**31 - 1)] = 0


class Points(msgspec.Struct, frozen=True):
    """Points of a two-dimensional density."""

    density: Annotated[str, Field("One of " + ", ".join(densities.DENSITIES))] = "8gaussians"
    count: Annotated[int, Field("Points", low=2, high=2_000_000)] = 20_000
    seed: Annotated[int, Field("Seed", low=0, high=2**31 - 1)] = 0


@dataclass
class Made:
    """A data set before it is written. ``content`` (N, ...) is what the items are and is hashed row by row."""

    title: str
    modality: str
    content: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    captions: list[str] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    options: dict = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------ the four sets


def _digits(options: Digits) -> Made:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    pictures = np.round(bundle.images * (255 / 16)).astype(np.uint8)
    side = options.resolution
    title = f"Handwritten digits {side} × {side}"
    pictures = enlarged(pictures, side)[..., None] if side > 8 else pictures[..., None]
    names = tuple(str(n) for n in range(10))
    return Made(title, "image", pictures, bundle.target.astype(np.int64), names, options={"resolution": side})


def enlarged(pictures: np.ndarray, side: int) -> np.ndarray:
    """Grey pictures (N, h, w) enlarged to ``side`` with the Lanczos kernel (8 taps), which keeps strokes crisp and smooth."""
    import cv2

    return np.stack([cv2.resize(p, (side, side), interpolation=cv2.INTER_LANCZOS4) for p in pictures])


def _shapes(options: Shapes) -> Made:
    if options.style == "filled_outlined":
        pictures, labels, factors = shapes.make_styles(options.size, options.count, options.seed)
        stored = {"factors": list(shapes.FACTORS), "generative": [], "resolution": options.size, "style": options.style}
        title = f"Filled and outlined {options.size} × {options.size}"
        return Made(title, "image", pictures, labels, shapes.STYLES, [], {"factors": factors}, stored)
    pictures, labels, factors, captions = shapes.make_shapes(options.size, options.count, options.seed)
    stored = {"factors": list(shapes.FACTORS), "generative": list(shapes.GENERATIVE), "resolution": options.size}
    title = f"Shapes {options.size} × {options.size}"
    return Made(title, "image", pictures, labels, shapes.CLASSES, captions, {"factors": factors}, stored)


def _scenes(options: Scenes) -> Made:
    made = scenes.make_scenes(options.size, options.count, options.seed, options.objects, bool(options.leave_out))
    names = scenes.ONE if options.objects == 1 else scenes.TWO
    stored = {"factors": list(names), "resolution": options.size, "scenes": options.objects, "leave_out": options.leave_out}
    title = f"Scenes {options.size} × {options.size}" + (", two objects" if options.objects == 2 else "")
    classes = scenes.CLASSES if options.objects == 1 else ()
    return Made(title, "image", made.pictures, made.labels, classes, made.captions, {"factors": made.factors}, stored)


def _points(options: Points) -> Made:
    points = reference_sampler(options.density)(options.count, options.seed)
    mean, std = points.mean(0, dtype=np.float64), float(points.std(dtype=np.float64, axis=0).mean())
    stored = {"density": options.density, "mean": [float(m) for m in mean], "std": [std] * points.shape[1]}
    return Made(f"Points: {options.density}", "points", points, options=stored)


BUILTIN: dict[str, tuple[type[msgspec.Struct], Callable[..., Made]]] = {
    "digits": (Digits, _digits), "shapes": (Shapes, _shapes), "scenes": (Scenes, _scenes), "points": (Points, _points),
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ names


def parse(name: str) -> tuple[str, msgspec.Struct]:
    """Kind and options of a name. Raises TroubleError for an unknown kind, option, or a value out of range."""
    kind, _, rest = name.strip().partition(":")
    if kind not in BUILTIN:
        raise TroubleError("there is no such built-in data set", name, advice="use one of " + ", ".join(BUILTIN))
    values = dict(part.split("=", 1) if "=" in part else (part, "") for part in rest.split(",") if part)
    settings = BUILTIN[kind][0]
    numbers = {f.name for f in msgspec.structs.fields(settings) if f.name not in ("density", "style")}
    try:
        options = build(settings, {k: _whole(v) if k in numbers else v for k, v in values.items()})
    except FieldError as error:
        raise TroubleError(str(error), name) from None
    if isinstance(options, Points):
        reference_sampler(options.density)  # raises for a name that is no density
    return kind, options


def _whole(text: str) -> int | str:
    return int(text) if text.strip().lstrip("-").isdigit() else text


def canonical(name: str) -> str:
    """The one spelling of a built-in name: options in their declared order, defaults left out."""
    kind, options = parse(name)
    default = BUILTIN[kind][0]()
    values = [(k, getattr(options, k)) for k in options.__struct_fields__]
    changed = [f"{k}={v}" for k, v in values if v != getattr(default, k) or k == "density"]
    return kind + (":" + ",".join(changed) if changed else "")


# ------------------------------------------------------------------------------------------------ making


def make(library: object, name: str) -> DatasetRecord:
    """The data set of that name in ``library`` (a Library, or the path of its root), made if it is not there.

    Raises TroubleError for a wrong name, a read-only library or a full disk."""
    root = Path(getattr(getattr(library, "layout", None), "root", None) or library)
    wanted = canonical(name)
    standing = _standing(root, wanted)
    if standing:
        return standing
    started = time.perf_counter()
    kind, options = parse(name)
    made = BUILTIN[kind][1](options)
    items = _items(made, wanted)
    report = _report(made, items, time.perf_counter() - started)
    arrays = _arrays(made)

    def write_caches(cache: Path) -> None:
        for key, array in arrays.items():
            folder.write_array(cache, key, array.dtype, array.shape, folder.pieces_of(array))

    return folder.write_dataset(root, _record(made, items, wanted), items, report, write_caches)


def _standing(root: Path, wanted: str) -> DatasetRecord | None:
    for path in sorted(LibraryLayout(root).datasets.glob("*/dataset.json")):
        try:
            record = storage.read_json(path, DatasetRecord)
        except TroubleError:
            continue  # a damaged neighbour is fsck's to report; it must not stop this data set
        if record.builtin == wanted:
            return record
    return None


def _items(made: Made, wanted: str) -> list[Item]:
    labels = made.labels if made.labels is not None else np.full(len(made.content), -1)
    captions = made.captions or [""] * len(made.content)
    side = made.content.shape[1:3] if made.modality == "image" else (0, 0)
    items = [
        Item(f"{wanted}#{i}", folder.content_hash(row.tobytes()), int(labels[i]), captions[i], side[1], side[0])
        for i, row in enumerate(made.content)
    ]
    folder.mark_exact_duplicates(items)
    folder.assign_splits(items)
    return items


def _record(made: Made, items: list[Item], wanted: str) -> DatasetRecord:
    mark = fingerprint(items)
    picture = made.modality == "image"
    values = np.unique(made.content) if picture else ()
    options = made.options | ({"levels": [int(v) for v in values]} if 0 < len(values) <= FEW_LEVELS else {})
    shape = (made.content.shape[3], *made.content.shape[1:3]) if picture else made.content.shape[1:]
    return DatasetRecord(
        mark[:16], made.title, made.modality, mark, len(items), made.classes, bool(made.captions),
        shape[0] if picture else 0, wanted, options, (), time.time(), tuple(shape),
    )  # fmt: skip


def _report(made: Made, items: list[Item], took_s: float) -> DoctorReport:
    labels: dict[str, int] = {}
    for item in items:
        if item.label >= 0:
            labels[made.classes[item.label]] = labels.get(made.classes[item.label], 0) + 1
    held_out = sum(item.split == "validation" for item in items)
    sizes = {f"{items[0].width} × {items[0].height}": len(items)} if made.modality == "image" else {}
    grey = len(items) if made.modality == "image" and made.content.shape[3] == 1 else 0
    return DoctorReport(
        len(items), len(items), exact_duplicates=sum(item.exact for item in items), sizes=sizes, labels=labels,
        captioned=sum(bool(item.caption) for item in items), train=len(items) - held_out, validation=held_out,
        grey=grey, notes=("built in: made by the studio, no file was read",), took_s=took_s,
    )  # fmt: skip


def _arrays(made: Made) -> dict[str, np.ndarray]:
    if made.modality == "points":
        return {"points": made.content, **made.arrays}
    return {"native": made.content, "thumbs": geometry.fitted(made.content, (folder.THUMB, folder.THUMB)), **made.arrays}
