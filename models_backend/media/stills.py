"""One picture to the bytes of a file, with the marker that brings its state back."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

KEY = "nexus-studio"


def image_of(picture: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1 or 3) as a Pillow image."""
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def metadata(format: str, marker: str) -> dict:
    """What Pillow's ``save`` takes to carry the marker; nothing for an empty one."""
    if not marker:
        return {}
    if format in ("png", "apng"):
        info = PngInfo()
        info.add_text(KEY, marker)
        return {"pnginfo": info}
    if format == "gif":
        return {"comment": marker.encode()}
    return {"xmp": xmp(marker)}


def xmp(marker: str) -> bytes:
    """The marker inside an XMP packet; XML's special characters are escaped as JSON does it."""
    for character in "<>&":
        marker = marker.replace(character, f"\\u{ord(character):04x}")
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>'
        f"{marker}</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def encode(picture: np.ndarray, format: str, marker: str = "") -> bytes:
    """A picture uint8 (H, W, C) as a PNG, WebP (both without loss) or GIF file."""
    image, stream = image_of(picture), io.BytesIO()
    extra = metadata(format, marker)
    if format == "webp":
        image.convert("RGB").save(stream, "WEBP", lossless=True, **extra)
    elif format == "gif":
        _indexed(image).save(stream, "GIF", **extra)
    else:
        image.save(stream, "PNG", optimize=False, **extra)
    return stream.getvalue()


def encode_animation(frames: list[np.ndarray], durations_ms: list[int], format: str, marker: str = "") -> bytes:
    """Frames uint8 (H, W, C) as an endless GIF, APNG or WebP."""
    stream, extra = io.BytesIO(), metadata(format, marker)
    images = [_indexed(image_of(f)) if format == "gif" else image_of(f).convert("RGB") for f in frames]
    common = {"save_all": True, "append_images": images[1:], "duration": durations_ms, "loop": 0, **extra}
    if format == "gif":
        images[0].save(stream, "GIF", disposal=1, **common)
    elif format == "apng":
        images[0].save(stream, "PNG", default_image=False, **common)
    else:
        images[0].save(stream, "WEBP", quality=92, method=4, **common)
    return stream.getvalue()


def _indexed(image: Image.Image) -> Image.Image:
    """256 colours chosen from the picture itself; grey pictures keep every shade."""
    return image if image.mode == "L" else image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
