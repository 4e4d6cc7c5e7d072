"""From the bytes of one picture file to small uint8 arrays. Runs in the confined decoder child; opens no file.

What people expect, decided here: EXIF rotation is applied; transparency is laid on white; colours are converted to sRGB from
whatever profile a picture carries (``colour``); values of more than 8 bits are scaled by what they hold (``depth``); palettes,
CMYK, LAB and grey become RGB; an animation gives its first frame. Every array is a function of (bytes, target) alone, so that a
cache that is built again is the same.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable

import cv2
import numpy as np
from PIL import UnidentifiedImageError

from . import geometry, masks
from .decoded import Decoded, Target
from .formats import BadPicture, Header, inspect, sniff
from .whole_pictures import layers, managed, whole

HASH_SIDE, SIGNATURE_SIDE = 32, 12

warnings.filterwarnings("ignore", module="PIL")


#: whether the decoder library has complained since the last call, and in which words
Complaints = Callable[[], str]


def decode(
    data: bytes, targets: list[Target], complaints: Complaints = lambda: "", looks: bool = True, mask: bool = False
) -> Decoded:  # fmt: skip
    """Decodes one picture; never raises for bad bytes. ``looks``: also find what duplicates are found by. ``mask``: the arrays
    show what it says as a mask."""
    try:
        header = inspect(data)
        if mask:
            return _mask(data, header, targets)
        return _decode(data, header, targets, complaints, looks)
    except BadPicture as bad:
        again = f"; {_AGAIN}" if bad.code in ("empty", "truncated", "damaged") else ""
        return Decoded(bad.code, bad.reason + again)
    except MemoryError:
        return Decoded("too-large", "decoding it needs more memory than a picture may use")
    except Exception as error:  # whatever a decoder does on hostile bytes is this picture's fault only
        return _undecodable(error, sniff(data))


_SENTENCES = re.compile(r"[A-Za-z][\w ,.:()'-]*")
_AGAIN = "copy or download it again"


def _undecodable(error: Exception, kind: str) -> Decoded:
    """A decoder's complaint, without anything that only a programmer understands: paths, addresses, names of functions."""
    words = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, UnidentifiedImageError) or not _SENTENCES.fullmatch(words) or "object" in words:
        words = f"its {kind.upper()} data make no sense" if kind else "its data make no sense"
    code = "truncated" if "truncated" in words.lower() else "damaged"
    return Decoded(code, f"it cannot be decoded: {words[:200]}; {_AGAIN}")


def _decode(data: bytes, header: Header, targets: list[Target], complaints: Complaints, looks: bool) -> Decoded:
    complaints()
    seen: dict[int, np.ndarray] = {}
    reduces = header.format == "jpeg" and not header.inks
    found = Decoded("", "", header.format, header.width, header.height)
    if not reduces:
        picture, found.alpha, found.notes = whole(data, header)
        seen[1] = picture
        found.width, found.height = picture.shape[1], picture.shape[0]
    factors = [_factor(header, target) if reduces else 1 for target in targets]
    for factor in factors or [8 if reduces else 1]:
        if factor not in seen:
            picture = _jpeg(data, factor)
            _judge(complaints(), data)
            seen[factor], found.notes = managed(picture, header.profile, header.grey)
    first = seen[factors[0] if factors else next(iter(seen))]
    if reduces and not header.plain:
        found.width, found.height = _turned((header.width, header.height), first)
    arrays = [geometry.fit(seen[f], t.size, t.crop) for f, t in zip(factors, targets)]
    found.arrays = [np.ascontiguousarray(a).tobytes() for a in arrays]
    if looks:
        _describe(found, first, header)
    return found


def _mask(data: bytes, header: Header, targets: list[Target]) -> Decoded:
    picture, share, notes = layers(data, header)
    grey = masks.of_layers(picture, share)
    found = Decoded("", "", header.format, grey.shape[1], grey.shape[0], True, share is not None, notes=notes)
    arrays = [geometry.fit(grey, target.size, target.crop) for target in targets]
    found.arrays = [np.repeat(array[..., None], 3, axis=2).tobytes() for array in arrays]
    return found


_LOST = ("premature end of data", "huffman", "bad data", "unsupported marker", "invalid", "corrupt jpeg data: found marker")
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


def _judge(words: str, data: bytes) -> None:
    """A complaint of libjpeg that means lost pixels is an error. Bytes left over at the end are harmless where they are
    padding or few; many of them are lines that were not understood."""
    lowered = words.lower()
    if "premature end of jpeg file" in lowered:
        raise BadPicture("truncated", "the JPEG ends before its last line")
    left_over = _LEFT_OVER.search(lowered)
    lost = left_over and int(left_over[1]) > 64 and not _padding(data, int(left_over[1]))
    if lost or any(sign in lowered for sign in _LOST):
        words = words.strip().splitlines()[0][:160]
        raise BadPicture("damaged", f"the JPEG data are damaged: {words}")


def _padding(data: bytes, count: int) -> bool:
    """Whether the ``count`` bytes before the end mark are all the same."""
    end = data.rfind(b"\xff\xd9")
    return len(set(data[end - count + 1 : end])) <= 1


# ------------------------------------------------------------------------------------------------ decoders

_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


def _factor(header: Header, target: Target) -> int:
    """The largest reduction that libjpeg can do while decoding which still leaves the target's size."""
    sides, wanted = (header.width, header.height), target.size
    if not header.plain:
        wanted = (max(wanted), max(wanted))  # it may yet be turned
    enough = any if target.crop == "pad" else all
    return next((f for f in (8, 4, 2) if enough(s // f >= w for s, w in zip(sides, wanted)) and min(sides) >= f), 1)


def _jpeg(data: bytes, factor: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor])
    if picture is None:
        raise BadPicture("damaged", "the JPEG data cannot be decoded")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _turned(full: tuple[int, int], picture: np.ndarray) -> tuple[int, int]:
    """Width and height after rotation: those of the stored frame, swapped where the decoded picture lies the other way."""
    lies_wide, was_wide = picture.shape[1] >= picture.shape[0], full[0] >= full[1]
    return full if lies_wide == was_wide else (full[1], full[0])


# ------------------------------------------------------------------------------------------------ looks


def _describe(found: Decoded, picture: np.ndarray, header: Header) -> None:
    """Fills in what duplicates are found by."""
    small = cv2.resize(picture, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA)
    found.grey = header.grey or _colourless(small)
    found.look = perceptual_hash(small)
    found.signature = cv2.resize(small, (SIGNATURE_SIDE, SIGNATURE_SIDE), interpolation=cv2.INTER_AREA).tobytes()
    digest = hashlib.blake2b(f"{found.width} {found.height} {picture.shape} ".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(picture))
    found.pixels = digest.digest()


def _colourless(small: np.ndarray) -> bool:
    """Whether the channels of a (32, 32, 3) picture differ by no more than compression makes them."""
    red, green, blue = cv2.split(small)
    apart = (cv2.absdiff(red, green).max(), cv2.absdiff(green, blue).max(), cv2.absdiff(red, blue).max())
    return bool(max(apart) <= 6)


def perceptual_hash(small: np.ndarray) -> int:
    """64 signs of the low frequencies of the luma of a (32, 32, 3) picture against their median (pHash)."""
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    low = cv2.dct(luma)[:8, :8].ravel()
    low[0] = 0.0
    bits = low > np.partition(low, 31)[31]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
