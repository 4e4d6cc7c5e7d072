"""What a file is, by its first bytes and its name: pictures that are read, pictures that are not, and everything else that lies
among people's pictures. Each kind has a name in plain words and a line that says what to do with it."""

from __future__ import annotations

#: format -> the extensions that tell the truth
EXTENSIONS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "png": (".png", ".apng"), "webp": (".webp",), "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"), "gif": (".gif",), "avif": (".avif", ".avifs"), "ppm": (".ppm", ".pgm", ".pbm", ".pnm"),
    "pam": (".pam", ".pnm"),
    "tga": (".tga", ".icb", ".vda", ".vst"), "ico": (".ico",),
}  # fmt: skip
PICTURE_EXTENSIONS = frozenset(e for extensions in EXTENSIONS.values() for e in extensions)

_RAW = ".raw .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .dng .orf .rw2 .raf .pef .srw .x3f .mrw .3fr .iiq .erf .mef .mos .kdc .dcr"
#: extensions of pictures that the studio does not read; a file with one of them is told, not passed over
FOREIGN_EXTENSIONS = frozenset(
    f"{_RAW} .heic .heif .hif .jxl .jp2 .j2k .jpx .jpf .psd .psb .svg .svgz .exr .hdr .dds .dcm .dicom .pdf .eps .xcf .pcx "
    ".qoi .icns .djvu .wmf .emf .fits .bpg .flif .kra .cur".split()
)

_CONVERT = "convert it to PNG or JPEG"
_RAW_ADVICE = "develop it with the camera's program or a raw converter and save it as JPEG or TIFF"
_FOREIGN = (
    (b"8BPS", "Photoshop"), (b"\0\0\0\x0cjP  ", "JPEG 2000"), (b"\xff\x4f\xff\x51", "JPEG 2000"), (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"), (b"v/1\x01", "OpenEXR"), (b"#?RADIANCE", "Radiance HDR"), (b"#?RGBE", "Radiance HDR"),
    (b"DDS ", "DDS"), (b"qoif", "QOI"), (b"gimp xcf", "GIMP"), (b"icns", "Apple icon"), (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"), (b"AT&TFORM", "DjVu"), (b"SIMPLE  =", "FITS"), (b"BPG\xfb", "BPG"), (b"FLIF", "FLIF"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile"), (b"\x0a\x05\x01\x08", "PCX"),
    (b"FUJIFILMCCD-RAW", "camera raw"), (b"IIRO", "camera raw"), (b"IIRS", "camera raw"), (b"MMOR", "camera raw"),
    (b"IIU\0", "camera raw"), (b"FOVb", "camera raw"), (b"\0MRM", "camera raw"), (b"II\x1a\0\0\0HEAPCCDR", "camera raw"),
)  # fmt: skip
_READ = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"), (b"BM", "bmp"),
    (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"), (b"\0\0\x01\0", "ico"),
)  # fmt: skip
_BRANDS = {
    b"avif": "avif", b"avis": "avif", b"heic": "foreign:HEIC", b"heix": "foreign:HEIC", b"hevc": "foreign:HEIC",
    b"heim": "foreign:HEIC", b"mif1": "foreign:HEIC", b"msf1": "foreign:HEIC", b"crx ": "foreign:camera raw",
}  # fmt: skip

_FILM, _SOUND = "take single pictures out of it first", "it has no place among pictures"
_UNPACK, _AGAIN = "unpack it, then import the folder", "download it again, as a picture"
_OTHERS = (
    (b"%PDF", "a PDF", "export its pages as PNG"), (b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK), (b"7z\xbc\xaf", "a 7z archive", _UNPACK), (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK), (b"\xfd7zXZ", "an xz archive", _UNPACK),
    (b"\x1aE\xdf\xa3", "a film (Matroska or WebM)", _FILM), (b"FLV", "a film (FLV)", _FILM),
    (b"\0\0\x01\xba", "a film (MPEG)", _FILM), (b"\0\0\x01\xb3", "a film (MPEG)", _FILM), (b"0&\xb2u", "a film (WMV)", _FILM),
    (b"OggS", "a sound or film (Ogg)", _FILM), (b"ID3", "a sound (MP3)", _SOUND), (b"\xff\xfb", "a sound (MP3)", _SOUND),
    (b"\xff\xf3", "a sound (MP3)", _SOUND), (b"fLaC", "a sound (FLAC)", _SOUND), (b"FORM", "a sound (AIFF)", _SOUND),
    (b"MThd", "a sound (MIDI)", _SOUND), (b"\x7fELF", "a program", ""), (b"MZ", "a program", ""),
    (b"\x93NUMPY", "a NumPy array", "save its pictures as PNG"), (b"\x89HDF", "an HDF5 file", "save its pictures as PNG"),
    (b"SQLite format 3", "a database", ""),
    (b"version https://git-lfs", "a pointer to Git LFS", "fetch the file with git lfs pull"),
    (b"-----BEGIN", "a key or certificate", ""),
)  # fmt: skip


def sniff(data: bytes) -> str:
    """The format of the first bytes (64 suffice), "foreign:<name>" for a picture that is not read, or ""."""
    if data[:4] in (b"II*\0", b"MM\0*") and data[8:10] == b"CR":
        return "foreign:camera raw"
    for magic, name in _READ:
        if data.startswith(magic):
            return name
    for magic, name in _FOREIGN:
        if data.startswith(magic):
            return f"foreign:{name}"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:1] == b"P" and data[1:2] in b"1234567" and data[2:3] in (b" ", b"\n", b"\r", b"\t", b"#"):
        return "ppm"
    if data[4:8] == b"ftyp":
        return _brand(data)
    if data[:4] == b"\0\0\x02\0" and any(data[4:6]):  # a Targa has zeros there
        return "foreign:cursor"
    if data[128:132] == b"DICM":
        return "foreign:DICOM"
    return "foreign:SVG" if _is_svg(data[:2048]) else ""


def _brand(data: bytes) -> str:
    size = min(int.from_bytes(data[:4], "big"), 64)
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, size, 4))]
    return next((_BRANDS[brand] for brand in sorted(brands, key=lambda b: b not in (b"avif", b"avis")) if brand in _BRANDS), "")


def _is_svg(head: bytes) -> bool:
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in head)


def advice_for(foreign: str) -> str:
    """What to do with a picture of a kind that is not read."""
    known = {"camera raw": _RAW_ADVICE, "DICOM": "export it as a 16-bit PNG or TIFF", "SVG": "export it as PNG"}
    return known.get(foreign, _CONVERT)


def looks_like_tga(data: bytes) -> bool:
    """TGA has no magic number: its footer, or a header in which every field makes sense."""
    if data[-18:].startswith(b"TRUEVISION-XFILE"):
        return True
    if len(data) < 18 or data[1] not in (0, 1) or data[2] not in (1, 2, 3, 9, 10, 11):
        return False
    width, height = int.from_bytes(data[12:14], "little"), int.from_bytes(data[14:16], "little")
    mapped = data[2] in (1, 9)
    return width > 0 < height and data[16] in (8, 15, 16, 24, 32) and data[17] & 0xC0 == 0 and mapped == bool(data[1])


def other(data: bytes) -> tuple[str, str]:
    """What is no picture at all, in words, and what to do with it; ("", "") for bytes that say nothing."""
    for magic, name, advice in _OTHERS:
        if data.startswith(magic):
            return name, advice
    if data[:4] == b"RIFF":
        return ("a sound (WAV)", _SOUND) if data[8:12] == b"WAVE" else ("a film (AVI)", _FILM)
    if data[4:8] == b"ftyp":
        return ("a sound (M4A)", _SOUND) if data[8:11] == b"M4A" else ("a film (MP4 or QuickTime)", _FILM)
    if data[4:8] in (b"moov", b"mdat", b"wide", b"free"):
        return "a film (QuickTime)", _FILM
    head = data[:256]
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return "a web page or XML", _AGAIN
    if head and not any(head):
        return "nothing but zeros", "copy or download it again"
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    return ("text", "") if printable > 0.95 * len(head) else ("", "")
