"""Pictures that somebody asks a model to work on: files of theirs, read and never changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models_backend.contract.family import DataSpec
from models_backend.contract.messages import TroubleError

from . import geometry
from .decoded import Decoded, Target
from .pool import Pool
from .reading import pictures_to_float

#: Bytes of one file, and files at a time.
LARGEST, MOST = 256 << 20, 1000


def opened(value: Any, spec: DataSpec) -> Any:
    """A path or several as float32 (N, C, H, W) in [-1, 1] of the model's size, decoded by a confined child; what is no path
    (None, arrays) stays as it is. Raises TroubleError that names the first file which cannot be used."""
    paths = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(paths, (list, tuple)) or not all(isinstance(p, (str, Path)) for p in paths):
        return value
    paths = [p for p in paths if str(p).strip()]
    if not paths:
        return None
    if spec.modality != "image":
        raise TroubleError("this model makes no pictures, so it takes none", str(paths[0]))
    if len(paths) > MOST:
        raise TroubleError(f"{len(paths):,} pictures are too many at once", str(paths[0]), advice=f"give {MOST:,} at most")
    side = max(spec.shape[1:])
    with Pool(1) as pool:
        found = [_one(path, pool.decode([_bytes(path)], [Target(side)], looks=False)[0], side) for path in paths]
    return pictures_to_float(_fitting(np.stack(found), spec))


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


def _one(path: str | Path, answer: Decoded, side: int) -> np.ndarray:
    if answer.code:
        raise TroubleError(answer.reason, str(path), advice="choose another picture")
    return np.frombuffer(answer.arrays[0], np.uint8).reshape(side, side, 3)


def _fitting(pictures: np.ndarray, spec: DataSpec) -> np.ndarray:
    """The middle (N, H, W, C) of square pictures, in the model's channels."""
    channels, height, width = spec.shape
    top, left = (pictures.shape[1] - height) // 2, (pictures.shape[2] - width) // 2
    return geometry.recoloured(pictures[:, top : top + height, left : left + width], channels)


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
