"""Pictures that are decoded as a whole, of every format but plain JPEG: to RGB bytes, with what was done to their values.

Pillow reads them; OpenCV those of deep colour, of which Pillow keeps the high byte or nothing.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from . import colour, depth, portable, tiff
from .formats import BadPicture, Header, check_size

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked on every header, with our own words
Notes = list[tuple[str, str]]
_DEEP = ("I", "F")
_SEVERAL = ("gif", "webp", "png", "avif", "tiff")


def whole(data: bytes, header: Header) -> tuple[np.ndarray, bool, Notes]:
    """The full picture (H, W, 3) in sRGB, whether it was transparent somewhere, and what was done to its values."""
    picture, share, notes = layers(data, header)
    if share is None:
        return picture, False, notes
    return _on_white(picture, share[..., None]), bool((share < 255).any()), notes


def layers(data: bytes, header: Header) -> tuple[np.ndarray, np.ndarray | None, Notes]:
    """RGB (H, W, 3) in sRGB, and its share (H, W) where it can be transparent."""
    found, notes = portable.read(data) if header.format == "pam" else _layers(data, header)
    return found[..., :3], (found[..., 3] if found.shape[2] == 4 else None), [*_others(data, header), *notes]


def managed(picture: np.ndarray, profile: tuple[str, bytes], grey: bool = False) -> tuple[np.ndarray, Notes]:
    """A picture (H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK as sRGB (H, W, 3) by what it says of its colours; CMYK stays as it
    is where that cannot be used. ``grey``: the three channels are one."""
    kind, content = profile
    picture = picture[..., 0] if kind and grey and picture.ndim == 3 else picture
    try:
        if kind == "broken":
            raise colour.Unusable("it is damaged")
        made = colour.from_gamma(content[:4], content[4:]) if kind == "gamma" else content
        made = colour.from_codes(*content[:2]) if kind == "cicp" and len(content) >= 2 else made
        picture, name = colour.to_srgb(picture, made) if made else (picture, "")
        return _three(picture), [("profile", name)] if name else []
    except colour.Unusable as unusable:
        return _three(picture), [("no-profile", str(unusable))]


def _others(data: bytes, header: Header) -> Notes:
    """What is said of a file that holds more pictures than the first."""
    if header.format not in _SEVERAL or header.plain:
        return []
    try:
        with Image.open(io.BytesIO(data), formats=[header.format.upper()]) as image:
            if not getattr(image, "is_animated", False):
                return []
            if header.format != "tiff":
                return [("film", header.format.upper())]
            image.seek(1)
            smaller = image.tag_v2.get(tiff.SUBFILE, 0) & 1  # the first one again, for a quick look
            return [] if smaller else [("pages", "TIFF")]
    except Exception:  # as for the first one, whatever a decoder does on hostile bytes: there is no other to be had
        return []


# ------------------------------------------------------------------------------------------------ decoders


def _layers(data: bytes, header: Header) -> tuple[np.ndarray, Notes]:
    """RGB or RGBA (H, W, 3 or 4)."""
    if header.deep or (header.format == "png" and header.plain):
        return _through_cv2(data, header)
    try:
        image = Image.open(io.BytesIO(data), formats=[header.format.upper()])
    except UnidentifiedImageError as error:
        raise _unknown_kind(header) from error
    with image:
        check_size(*image.size)
        try:
            image.load()
        except (OSError, KeyError) as error:
            if header.tags and "decoder" in str(error):
                raise _unknown_kind(header) from error
            raise
        profile = header.profile
        if profile[0] in ("", "cicp") and image.info.get("icc_profile"):
            profile = ("icc", image.info["icc_profile"])
        return _by_mode(ImageOps.exif_transpose(image), header, profile)


def _unknown_kind(header: Header) -> BadPicture:
    what = f" ({tiff.described(header.tags)})" if header.tags else ""
    return BadPicture("unsupported", f"this kind of {header.format.upper()}{what} is not read; save it as PNG")


def _by_mode(image: Image.Image, header: Header, profile: tuple[str, bytes]) -> tuple[np.ndarray, Notes]:
    if image.mode.startswith(_DEEP):
        return _deep(np.asarray(image), header, profile)
    if image.mode == "LAB":
        return colour.lab_to_srgb(image), [("space", "LAB")]
    if image.mode == "CMYK":
        picture, notes = managed(np.asarray(image), profile)
        if picture.shape[2] == 3:
            return picture, notes  # by its profile, which is told
        return np.asarray(image.convert("RGB")), [*notes, ("space", "CMYK")]
    if image.has_transparency_data:
        layers = np.asarray(image.convert("RGBA"))
        picture, notes = managed(layers[..., :3], profile, image.mode in ("L", "LA", "La"))
        return np.concatenate([picture, layers[..., 3:]], axis=2), notes
    plain = image.convert("L" if image.mode in ("1", "L") else "RGB")
    return managed(np.asarray(plain), profile)


def _deep(grey: np.ndarray, header: Header, profile: tuple[str, bytes]) -> tuple[np.ndarray, Notes]:
    """Grey values of more than 8 bits (H, W)."""
    tags = header.tags or {}
    picture, words = depth.to_bytes(grey, tiff.whitest(tags))
    if tags.get(tiff.PHOTOMETRIC) == (0,):
        picture = 255 - picture
    picture, notes = managed(picture, profile)
    return picture, [*notes, ("depth", words)]


def _through_cv2(data: bytes, header: Header) -> tuple[np.ndarray, Notes]:
    """8-bit colour, and colours of more bits with or without transparency."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if header.deep else cv2.IMREAD_COLOR)
    if picture is None:
        if header.tags:
            raise _unknown_kind(header)
        raise BadPicture("damaged", f"the {header.format.upper()} data cannot be decoded")
    notes: Notes = []
    share = picture[..., 3:] if picture.ndim == 3 and picture.shape[2] == 4 else None
    picture = _three(picture)[..., 2::-1]
    if picture.dtype != np.uint8:
        picture, words = depth.to_bytes(picture, tiff.whitest(header.tags or {}))
        notes.append(("depth", words))
        share = None if share is None else depth.to_bytes(share, 1 if share.dtype.kind == "f" else 65535)[0]
    picture, managing = managed(np.ascontiguousarray(picture), header.profile, header.grey)
    layers = picture if share is None else np.concatenate([picture, share], axis=2)
    return layers, managing + notes


# ------------------------------------------------------------------------------------------------ layers


def _three(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture


def _on_white(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
    share = share.astype(np.uint16)
    mixed = picture * share + 255 * (255 - share)
    return ((mixed + 127) // 255).astype(np.uint8)
