"""Colour as a managed viewer shows it: littlecms converts pictures that carry a profile to sRGB, in the confined decoder.

A profile is an ICC profile, or what PNG and AVIF say in numbers (primaries, white point and gamma), from which one is made.
One that leaves every colour where it is costs nothing; one that cannot be used is told and ignored.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

LARGEST = 16 << 20
_CHUNK = 4_000_000  # pixels converted at a time
_SAME = 2  # levels by which a profile's colours may differ from sRGB's before it counts as another
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "LAB": "LAB"}
_LAB = "LAB"

#: ITU-T H.273: primaries as x, y of red, green, blue and white
_D65 = (0.3127, 0.329)
_PRIMARIES = {
    1: (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, *_D65), 4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.31, 0.316),
    5: (0.64, 0.33, 0.29, 0.6, 0.15, 0.06, *_D65), 6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65),
    7: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65), 9: (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, *_D65),
    11: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351), 12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *_D65),
}  # fmt: skip
_NAMES = {1: "BT.709", 4: "NTSC", 5: "PAL", 6: "SMPTE 170M", 7: "SMPTE 240M", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_LIKE_SRGB, _HDR = (1, 2, 6, 13, 14, 15), {16: "PQ", 18: "HLG"}


class Unusable(Exception):
    """This profile cannot be used; the message says why."""


def to_srgb(picture: np.ndarray, profile: bytes) -> tuple[np.ndarray, str]:
    """A picture (H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK, uint8, as sRGB (H, W, 3), and the profile's name; "" where its
    colours are sRGB's already (and then the picture comes back as it was). Raises Unusable."""
    name, transform = _known(profile, _mode(picture))
    if transform is None:
        return picture, ""
    return _applied(picture, transform), name


def lab_to_srgb(image: Image.Image) -> np.ndarray:
    """A picture in CIE LAB as sRGB (H, W, 3)."""
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    return np.asarray(ImageCms.applyTransform(image, transform))


def _mode(picture: np.ndarray) -> str:
    return "L" if picture.ndim == 2 else {3: "RGB", 4: "CMYK"}[picture.shape[2]]


@lru_cache(16)
def _known(profile: bytes, mode: str) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The profile's name and its way to sRGB; None where that changes nothing."""
    if len(profile) > LARGEST:
        raise Unusable(f"it is larger than {LARGEST >> 20} MiB")
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = _SPACES.get(opened.profile.xcolor_space.strip(), "")
    except Exception as error:
        raise Unusable("it is damaged") from error
    if space != mode and (space, mode) != ("RGB", "L"):
        raise Unusable(f"it is meant for {opened.profile.xcolor_space.strip()} pictures")
    try:
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), space, "RGB")
        name = _plain(opened.profile.profile_description or "a profile without a name")
        return name, None if mode != "CMYK" and _leaves_colours(transform, space) else transform
    except Exception as error:
        raise Unusable("it is damaged") from error


def _plain(text: str) -> str:
    """A stranger's name for a profile, fit to be shown."""
    shown = "".join(c for c in text if c.isprintable()).strip()
    return shown[:60] or "a profile without a name"


def _leaves_colours(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    if space == "L":
        given = np.arange(256, dtype=np.uint8)[None]
        wanted = np.repeat(given[..., None], 3, axis=2)
    else:
        given = wanted = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3)
    return int(np.abs(_applied(given, transform).astype(int) - wanted).max()) <= _SAME


def _applied(picture: np.ndarray, transform: ImageCms.ImageCmsTransform) -> np.ndarray:
    """In strips, so that no more than the picture itself is held twice."""
    mode = transform.input_mode
    if picture.ndim == 2 and mode == "RGB":
        picture = np.repeat(picture[..., None], 3, axis=2)
    out = np.empty((*picture.shape[:2], 3), np.uint8)
    rows = max(1, _CHUNK // max(1, picture.shape[1]))
    for top in range(0, len(picture), rows):
        strip = Image.fromarray(np.ascontiguousarray(picture[top : top + rows]), mode)
        out[top : top + rows] = np.asarray(ImageCms.applyTransform(strip, transform))
    return out


# ------------------------------------------------------------------------------------------------ profiles from numbers


def from_codes(primaries: int, transfer: int) -> bytes:
    """A profile of what PNG's cICP and AVIF's nclx say (ITU-T H.273); b"" for sRGB's and for what is not stated. Raises
    Unusable."""
    if transfer in _HDR:
        raise Unusable(f"its high dynamic range ({_HDR[transfer]}) has no place in sRGB")
    if primaries in (1, 2) and transfer in _LIKE_SRGB:
        return b""
    if (primaries != 2 and primaries not in _PRIMARIES) or (transfer not in _LIKE_SRGB and transfer not in _GAMMAS):
        raise Unusable(f"its colours have the unknown numbers {primaries} and {transfer}")
    return _made(_PRIMARIES[1 if primaries == 2 else primaries], _GAMMAS.get(transfer, 0.0), _NAMES.get(primaries, "BT.709"))


def from_gamma(gamma: bytes, chromaticities: bytes) -> bytes:
    """A profile of PNG's chunks gAMA (4 bytes) and cHRM (32 bytes), each b"" where it is not there. Raises Unusable."""
    exponent = 0.0
    if len(gamma) == 4 and (stored := int.from_bytes(gamma, "big")):
        exponent = 100_000 / stored
        exponent = 0.0 if abs(exponent - 2.2) < 0.11 else exponent  # such files mean sRGB's curve (PNG specification, 13.13)
    points = _PRIMARIES[1]
    if len(chromaticities) == 32:
        white_x, white_y, *rest = (value / 100_000 for value in struct.unpack(">8I", chromaticities))
        points = (*rest, white_x, white_y)
    if not exponent and np.allclose(points, _PRIMARIES[1], atol=0.002):
        return b""
    return _made(points, exponent, f"gamma {exponent:.3g}" if exponent else "primaries in the file")


def _made(points: tuple[float, ...], exponent: float, name: str) -> bytes:
    """An ICC profile (version 4) of primaries and white as x, y; ``exponent`` 0 is sRGB's curve."""
    if not 0 <= exponent <= 10:
        raise Unusable(f"its gamma of {exponent:.3g} cannot be meant")
    matrix = _to_d50(points)
    curve = [exponent] if exponent else [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]
    para = b"para\0\0\0\0" + struct.pack(">HH", 0 if exponent else 3, 0) + b"".join(map(_s15, curve))
    tags = [(b"desc", _mluc(name)), (b"cprt", _mluc("none")), (b"wtpt", _xyz(_D50))]
    tags += [(tag, _xyz(matrix[:, i])) for i, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(tag, para) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    return _file(tags)


_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def _to_d50(points: tuple[float, ...]) -> np.ndarray:
    """XYZ (3, 3) of the primaries, in columns, adapted to D50 as ICC profiles want it (Bradford)."""
    pairs = np.array(points, float).reshape(4, 2)
    if not (pairs[:, 1] > 0.001).all():
        raise Unusable("its primaries cannot be meant")
    columns = np.stack([pairs[:, 0] / pairs[:, 1], np.ones(4), (1 - pairs.sum(1)) / pairs[:, 1]])
    primaries, white = columns[:, :3], columns[:, 3]
    if abs(np.linalg.det(primaries)) < 1e-6:
        raise Unusable("its primaries cannot be meant")
    matrix = primaries * np.linalg.solve(primaries, white)
    scale = np.diag((_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white))
    matrix = np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix
    if not (np.isfinite(matrix).all() and abs(matrix).max() < 4):
        raise Unusable("its primaries cannot be meant")
    return matrix


def _s15(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: np.ndarray | tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_s15(float(v)) for v in values)


def _mluc(text: str) -> bytes:
    words = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(words), 28) + words


def _file(tags: list[tuple[bytes, bytes]]) -> bytes:
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, value in tags:
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s12x4s28x", start + len(body), b"lcms", 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head + b"".join(map(_s15, _D50))).ljust(128, b"\0") + table + body
