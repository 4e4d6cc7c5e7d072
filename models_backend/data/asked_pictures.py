"""Pictures that somebody asks a model to work on: files of theirs, read and never changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models_backend.contract.family import DataSpec
from models_backend.contract.messages import TroubleError
from models_backend.contract.words import counted

from . import geometry
from .decoded import Decoded, Target
from .pool import Pool
from .reading import pictures_to_float

#: Bytes of one file, and files at a time.
LARGEST, MOST = 256 << 20, 1000


def given(asked: dict[str, Any], spec: DataSpec) -> dict[str, Any]:
    """Conditions with the pictures and masks among them opened (see ``opened``). A mask covers its picture: it is as large, of
    the same proportions, or of the model's, which sees the middle of the picture. TroubleError for one of another shape."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    found = {kind: opened(asked[kind], spec, kind == "mask", sizes.setdefault(kind, [])) for kind in _OPENED if kind in asked}
    pictures, masks = sizes.get("image", []), sizes.get("mask", [])
    for i in range(max(len(pictures), len(masks)) if pictures and masks else 0):
        picture, mask = pictures[i % len(pictures)], masks[i % len(masks)]
        if not (_alike(picture, mask) or _alike(mask, (spec.shape[2], spec.shape[1]))):
            what = f"the mask has {mask[0]} × {mask[1]} pixels and its picture {picture[0]} × {picture[1]}"
            name = str((_paths(asked["mask"]) or [""])[i % len(masks)])
            raise TroubleError(what, name, advice="Make the mask on the picture, as large as it is")
    return asked | found


_OPENED = ("image", "mask")


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, but for a pixel of rounding."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(one) + max(other)


def _paths(value: Any) -> list[Any] | None:
    """The paths that were asked for; None where it is something else."""
    paths = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(paths, (list, tuple)) or not all(isinstance(p, (str, Path)) for p in paths):
        return None
    return [p for p in paths if str(p).strip()]


def opened(value: Any, spec: DataSpec, mask: bool = False, sizes: list[tuple[int, int]] | None = None) -> Any:
    """A path or several as float32 (N, C, H, W) in [-1, 1] of the model's size, decoded by a confined child; what is no path
    (None, arrays) stays as it is. ``sizes`` takes the width and height of each. Raises TroubleError that names the first file
    which cannot be used."""
    paths = _paths(value)
    if paths is None:
        return value
    if not paths:
        return None
    if spec.modality != "image":
        raise TroubleError("this model makes no pictures, so it takes none", str(paths[0]))
    if len(paths) > MOST:
        raise TroubleError(
            f"{counted(len(paths), 'picture')} are too many at once", str(paths[0]), advice=f"give {MOST:,} at most"
        )
    target = Target(spec.shape[2], height=spec.shape[1])
    with Pool(1) as pool:
        answers = [pool.decode([_bytes(path)], [target], False, mask)[0] for path in paths]
    found = [_one(path, answer, target) for path, answer in zip(paths, answers)]
    if sizes is not None:
        sizes += [(answer.width, answer.height) for answer in answers]
    return pictures_to_float(geometry.recoloured(np.stack(found), spec.shape[0]))


def _bytes(path: str | Path) -> bytes:
    """The bytes of a regular file of bearable size: pipes and devices, which might never end, are not opened."""
    try:
        if not Path(path).is_file():
            raise TroubleError("there is no such file", str(path), advice="choose a picture")
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise TroubleError("the file is too large", str(path), advice=f"choose one below {LARGEST >> 20} MiB")
            return file.read(LARGEST)
    except (OSError, ValueError) as error:
        raise TroubleError("the file cannot be read", str(path), advice="choose another picture", detail=repr(error)) from error


def _one(path: str | Path, answer: Decoded, target: Target) -> np.ndarray:
    if answer.code:
        raise TroubleError(answer.reason, str(path), advice="choose another picture")
    width, height = target.size
    return np.frombuffer(answer.arrays[0], np.uint8).reshape(height, width, 3)


def held_out(data: Any, most: int) -> np.ndarray:
    """The places (N,) in the validation split (the training split where none is) of pictures of every class in turn."""
    split = data.validation if data.validation.count else data.train
    by_class: Sequence[np.ndarray] = [np.flatnonzero(split.labels == k) for k in range(len(data.spec.classes))]
    by_class = [places for places in by_class if len(places)] or [np.arange(split.count)]
    each = min(most // len(by_class), *(len(places) for places in by_class)) if len(by_class) > 1 else most
    return np.stack([places[:each] for places in by_class], 1).ravel()


def translations(data: Any, most: int) -> dict[str, Any]:
    """Plain conditions of a family that takes pictures: held-out ones of every class in turn, each to become the next class."""
    split, places = data.validation if data.validation.count else data.train, held_out(data, most)
    given: dict[str, Any] = {"image": split.take(places)}
    if len(data.spec.classes) > 1 and (split.labels[places] >= 0).all():
        given["class"] = [int(label + 1) % len(data.spec.classes) for label in split.labels[places]]
    return given
