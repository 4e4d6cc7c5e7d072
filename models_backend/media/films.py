"""Frames to MP4 and WebM. H.264 and VP9 through PyAV; without it VP9 WebM through OpenCV, which cannot write H.264.

Players that are not told guess the colours of a film by its size. So it is said in the stream: BT.709 through PyAV, the BT.601
that OpenCV writes in the header of each key frame.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from models_backend.contract.messages import TroubleError
from models_backend.library import storage

log = logging.getLogger(__name__)

_BT709, _LIMITED = 1, 1  # ITU-T H.273: primaries, transfer and matrix of BT.709 have one number; 16 to 235 of 255

_CODECS = {"mp4": ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf"), "webm": ("libvpx-vp9", "libvpx")}
_OPTIONS = {
    "libx264": {"crf": "14", "preset": "medium"},
    "libvpx-vp9": {"crf": "18", "b:v": "0", "deadline": "good", "cpu-used": "4"},
}


def write_film(path: Path, frames: Iterable[np.ndarray], fps: int, marker: str = "") -> Path:
    """Writes frames uint8 (H, W, 3) at ``path`` (.mp4 or .webm). Returns the path: where H.264 cannot be written here, a WebM
    of the same name (and the log says so)."""
    kind = path.suffix[1:].lower()
    codec = _codec(kind)
    if codec:
        with storage.new_file(path) as temp:
            _through_av(temp, kind, codec, frames, fps, marker)
        return path
    other = path.with_suffix(".webm")
    if other != path:
        log.warning("H.264 cannot be written here (PyAV is not installed); %s is a VP9 WebM instead of an MP4", other.name)
    with storage.new_file(other) as temp:
        _through_cv2(temp, frames, fps, marker)
    return other


def even(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) with even sides, as the codecs want them: the last row and column repeated."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


# ------------------------------------------------------------------------------------------------ PyAV


def _codec(kind: str) -> str | None:
    """The first encoder for that kind of file that this machine has, or None."""
    if importlib.util.find_spec("av") is None:
        return None
    import av

    return next((name for name in _CODECS[kind] if name in av.codec.codecs_available), None)


def _through_av(temp: Path, kind: str, codec: str, frames: Iterable[np.ndarray], fps: int, marker: str) -> None:
    import av

    options = {"movflags": "+faststart+use_metadata_tags"} if kind == "mp4" else {}
    with av.open(str(temp), "w", format=kind, options=options) as container:
        if marker:
            container.metadata["comment"] = marker
        stream = None
        for frame in frames:
            frame = np.ascontiguousarray(even(frame))
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps), options=_OPTIONS.get(codec, {}))
                stream.height, stream.width, stream.pix_fmt = frame.shape[0], frame.shape[1], "yuv420p"
                _told_bt709(stream.codec_context)
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED)
            container.mux(stream.encode(_told_bt709(picture)))
        if stream is None:
            raise TroubleError("a film needs at least one frame", temp.name)
        container.mux(stream.encode())


def _told_bt709(owner: Any) -> Any:
    """A codec context or frame that says how its numbers are meant."""
    owner.color_primaries = owner.color_trc = owner.colorspace = _BT709
    owner.color_range = _LIMITED
    return owner


# ------------------------------------------------------------------------------------------------ OpenCV


def _through_cv2(temp: Path, frames: Iterable[np.ndarray], fps: int, marker: str) -> None:
    import cv2

    writer = None
    for frame in frames:
        frame = even(frame)
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            writer = cv2.VideoWriter(str(temp), cv2.VideoWriter_fourcc(*"VP90"), float(fps), size)
            if not writer.isOpened():
                raise TroubleError(
                    "this machine can write neither H.264 nor VP9", temp.name, advice="export GIF or APNG instead"
                )
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    if writer is None:
        raise TroubleError("a film needs at least one frame", temp.name)
    writer.release()
    _tell_bt601(temp, size)
    if marker:
        with temp.open("ab") as file:
            file.write(void_element(marker.encode()))


def _tell_bt601(path: Path, size: tuple[int, int]) -> None:
    """Writes into the key frames of a VP9 film of ``size`` (width, height) which matrix their colours went through: three bits
    behind the sync code that stand at "unknown" (VP9 bitstream specification, 7.2.2)."""
    data = bytearray(path.read_bytes())
    stated = (size[0] - 1) << 16 | size[1] - 1
    at = data.find(_SYNC)
    while at > 0:
        after = int.from_bytes(data[at + 3 : at + 8], "big")
        if data[at - 1] & 0xC4 == 0x80 and after >> 37 == 0 and after >> 4 & 0xFFFFFFFF == stated:
            data[at + 3] |= _CS_BT_601 << 5
        at = data.find(_SYNC, at + 1)
    path.write_bytes(data)


_SYNC, _CS_BT_601 = b"\x49\x83\x42", 1


def void_element(content: bytes) -> bytes:
    """An EBML Void element (RFC 8794, 11.3.2): players skip it, wherever it stands."""
    return b"\xec" + (len(content) | 1 << 56).to_bytes(8, "big") + content
