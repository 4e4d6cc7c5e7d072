"""Every kind of file that lies among people's pictures, as small as it can be, and colour profiles made by hand."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import ImageCms

ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))


def _s15(value):
    return struct.pack(">i", round(value * 65536))


def _xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(map(_s15, values))


def icc(columns=ADOBE, gamma=563 / 256, space=b"RGB ", name=b"Adobe-like"):
    """A version 2 profile of matrix columns (or of a grey curve) and a gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" + bytes(78)
    tags = [
        (b"desc", desc + bytes(-len(desc) % 4)),
        (b"cprt", b"text\0\0\0\0none\0\0\0\0"),
        (b"wtpt", _xyz((0.9642, 1, 0.8249))),
    ]
    if space == b"RGB ":
        tags += [(tag, _xyz(column)) for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns)]
        tags += [(tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    else:
        tags += [(b"kTRC", curve)]
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, value in tags:
        table += tag + struct.pack(">II", at + len(body), len(value))
        body += value
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s6H", size, b"lcms", 0x02100000, b"mntr", space, b"XYZ ", 2024, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(28) + _xyz((0.9642, 1, 0.8249))[8:]
    return head.ljust(128, b"\0") + table + body


def srgb():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def tiff(pixels, photometric, **more):
    """An uncompressed little-endian TIFF of any number type. ``more``: further tags of one short."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    body, start = pixels.tobytes(), 1024
    tags = {254: (4, more.pop("subfile", 0)), 256: (3, width), 257: (3, height), 259: (3, 1), 262: (3, photometric),
            273: (4, start), 277: (3, samples), 278: (3, height), 279: (4, len(body))}  # fmt: skip
    tags |= {int(name.removeprefix("tag")): (3, value) for name, value in more.items()}
    shorts = {258: [8 * pixels.dtype.itemsize] * samples, 339: [kind] * samples}
    listing, far, at = [], b"", 8 + 2 + 12 * (len(tags) + 2) + 4
    for tag in sorted({*tags, *shorts}):
        if tag in tags:
            listing.append(struct.pack("<HHII", tag, tags[tag][0], 1, tags[tag][1]))
        elif samples <= 2:
            listing.append(struct.pack("<HHI4s", tag, 3, samples, struct.pack(f"<{samples}H", *shorts[tag])))
        else:
            listing.append(struct.pack("<HHII", tag, 3, samples, at + len(far)))
            far += struct.pack(f"<{samples}H", *shorts[tag])
    head = b"II*\0" + struct.pack("<IH", 8, len(listing)) + b"".join(listing) + bytes(4) + far
    return head.ljust(start, b"\0") + body


def raw_pictures():
    """Bytes that begin as cameras' raw files and other foreign pictures do: name -> (bytes, the kind that must be named)."""
    small = np.zeros((8, 8, 3), np.uint8)
    return {
        "a.dng": (tiff(small, 2, tag50706=1), "camera raw"), "a.nef": (tiff(small, 2, subfile=1, tag330=99), "camera raw"),
        "a.cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(64), "camera raw"), "a.raf": (b"FUJIFILMCCD-RAW 0201", "camera raw"),
        "a.cr3": (struct.pack(">I", 24) + b"ftypcrx \0\0\0\1crx isom", "camera raw"),
        "a.orf": (b"IIRO" + bytes(40), "camera raw"),
        "a.psd": (b"8BPS\0\1" + bytes(40), "Photoshop"), "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        "a.jxl": (b"\xff\x0a" + bytes(40), "JPEG XL"), "a.exr": (b"v/1\x01" + bytes(40), "OpenEXR"),
        "a.hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "Radiance HDR"), "a.dds": (b"DDS |" + bytes(124), "DDS"),
        "a.dcm": (bytes(128) + b"DICM" + bytes(40), "DICOM"),
        "a.heif": (struct.pack(">I", 24) + b"ftypmif1\0\0\0\0mif1heic", "HEIC"),
        "a.svg": (b'<?xml version="1.0"?>\n<!-- made -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"), "a.xcf": (b"gimp xcf v011" + bytes(40), "GIMP"),
    }  # fmt: skip


def other_files():
    """Files that are no pictures, named as such: name -> (bytes, words that must be said)."""
    ftyp = struct.pack(">I", 24) + b"ftyp"
    return {
        "film.jpg": (ftyp + b"isom\0\0\2\0isomiso2", "film"), "clip.png": (ftyp + b"qt  \0\0\0\0qt  ", "film"),
        "web.webp": (b"\x1aE\xdf\xa3" + bytes(40), "film"), "old.jpg": (b"RIFF\0\0\0\0AVI LIST", "film"),
        "song.jpg": (b"ID3\4" + bytes(40), "sound"), "take.png": (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
        "page.jpg": (b"<!DOCTYPE html><html>404</html>", "web page"), "scan.jpg": (b"%PDF-1.7\n", "PDF"),
        "more.png": (b"PK\x03\x04" + bytes(40), "ZIP"), "array.png": (b"\x93NUMPY\1\0" + bytes(40), "NumPy"),
        "lfs.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        "zeros.jpg": (bytes(500), "zeros"),
    }  # fmt: skip
