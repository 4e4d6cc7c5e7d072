"""Every kind of file is read, or refused with its kind named and what to do; no path or address of the program is told."""

import io
import struct

import cv2
import numpy as np
import pytest
from bad_files import cut, encoded
from kinds_of_files import other_files, raw_pictures, saved, tiff
from PIL import Image, ImageCms

from models_backend.data import noted
from models_backend.data.decoding import Target, decode
from models_backend.data.importing import import_paths
from models_backend.data.sources import find

RAMP = np.linspace(0, 1, 64)[None].repeat(64, 0)
COLOUR = Image.new("RGB", (32, 32), (200, 90, 40))


def middle_row(data, side=64):
    answer = decode(data, [Target(side)])
    assert not answer.code, answer.reason
    return np.frombuffer(answer.arrays[0], np.uint8).reshape(side, side, 3)[side // 2, :, 1].astype(int), answer.notes


def png16(values):
    return saved(Image.fromarray(values.astype(np.uint16)), "PNG")


def pgm(values, white):
    body = values.astype(">u2" if white > 255 else np.uint8).tobytes()
    return b"P5\n# made by hand\n%d %d\n%d\n" % (values.shape[1], values.shape[0], white) + body


def tiff16(values):
    return tiff(values.astype(np.uint16), 1)


# --------------------------------------------------------------------------------------------------- deep values


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("write", [png16, tiff16])
def test_deep_grey_is_scaled_by_the_bits_that_it_holds(write, white):
    row, notes = middle_row(write(np.round(RAMP * white)))
    assert abs(row - np.round(RAMP[0] * 255)).max() <= 1
    assert notes == [("depth", f"{white.bit_length()}-bit values in 16 bits")]


@pytest.mark.parametrize("white", [100, 255, 1000, 4095, 65535])
def test_a_pgm_says_itself_what_white_is(white):
    row, _ = middle_row(pgm(np.round(RAMP * white * 0.5), white))
    assert abs(row - np.round(RAMP[0] * 127.5)).max() <= 2


def test_deep_colours_keep_their_transparency_and_their_range():
    layers = np.zeros((64, 64, 4), np.uint16)
    layers[..., 1], layers[..., 3] = np.round(RAMP * 4095), 65535
    row, notes = middle_row(png_rgba16(layers))
    assert abs(row - np.round(RAMP[0] * 255)).max() <= 1 and notes == [("depth", "12-bit values in 16 bits")]
    layers[:, :32, 3] = 0
    row, _ = middle_row(png_rgba16(layers))
    assert (row[:31] == 255).all() and abs(row[33:] - np.round(RAMP[0, 33:] * 255)).max() <= 1


def png_rgba16(layers):
    return cv2.imencode(".png", np.ascontiguousarray(layers[..., [2, 1, 0, 3]]))[1].tobytes()


def test_medical_ranges_and_floats_and_inverted_grey():
    signed, notes = middle_row(tiff(np.round(RAMP * 4095 - 1024).astype(np.int16), 1))
    assert abs(signed - np.round(RAMP[0] * 255)).max() <= 1 and "stretched" in notes[0][1]
    inverted, _ = middle_row(tiff(np.round(RAMP * 4095).astype(np.uint16), 0))
    assert abs(inverted - np.round((1 - RAMP[0]) * 255)).max() <= 1
    for values, factor in ((RAMP, 1.0), (RAMP * 255, 1.0), (RAMP * 4095, 1.0), (RAMP * 4, 1.0), (RAMP * 2 - 1, 1.0)):
        row, _ = middle_row(tiff(values.astype(np.float32), 1))
        assert abs(row - np.round(RAMP[0] * 255 * factor)).max() <= 1
    holes = RAMP.astype(np.float32).copy()
    holes[0, 0], holes[1, 1] = np.nan, np.inf
    assert abs(middle_row(tiff(holes, 1))[0] - np.round(RAMP[0] * 255)).max() <= 1
    wide, notes = middle_row(tiff(np.round(RAMP * 1e6).astype(np.uint32), 1))
    assert abs(wide - np.round(RAMP[0] * 255)).max() <= 1 and "stretched" in notes[0][1]


# --------------------------------------------------------------------------------------------------- kinds that are read


def pam(values, kind, white=255):
    height, width, depth = values.shape
    head = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n" % (width, height, depth, white, kind)
    return head + values.astype(">u2" if white > 255 else np.uint8).tobytes()


def test_portable_maps_of_every_kind_are_read():
    red = np.broadcast_to(np.array((200, 90, 40)), (8, 8, 3))
    ascii_ppm = b"P3\n8 8\n255\n" + b"200 90 40\n" * 64
    deep = b"P6\n8 8\n65535\n" + (red * 257).astype(">u2").tobytes()
    for data in (saved(COLOUR, "PPM"), ascii_ppm, deep, pam(red, b"RGB"), pam(red * 257, b"RGB", 65535)):
        answer = decode(data, [Target(8)])
        assert (answer.code, answer.format in ("ppm", "pam")) == ("", True), answer.reason
        assert abs(np.frombuffer(answer.arrays[0], np.uint8)[:3].astype(int) - (200, 90, 40)).max() <= 1
    half = np.concatenate([red, np.full((8, 8, 1), 128)], 2)
    answer = decode(pam(half, b"RGB_ALPHA"), [Target(8)])
    assert answer.alpha and abs(np.frombuffer(answer.arrays[0], np.uint8)[:3].astype(int) - (227, 172, 147)).max() <= 1
    bits = decode(b"P1\n4 4\n" + b"1 0 1 0\n" * 4, [Target(4)])
    assert np.frombuffer(bits.arrays[0], np.uint8)[:6].tolist() == [0, 0, 0, 255, 255, 255]
    for broken in (
        b"P7\nWIDTH 4\nENDHDR\n",
        pam(red, b"RGB")[:-9],
        b"P6\n8 8\n255\n" + bytes(20),
        b"P5\n99999999 99999999\n255\n",
    ):
        assert decode(broken, [Target(8)]).code in ("damaged", "truncated", "too-large")


@pytest.mark.parametrize("name", ["model.safetensors", "model.ckpt", "model.pt", "model.pth"])
def test_weights_among_pictures_are_named_with_what_can_be_done(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(60))
    (one,) = find([tmp_path]).ignored
    assert one.reason.startswith("it holds weights of a model, no picture; ") and "train a model" in one.reason


def test_every_kind_that_is_read_can_be_imported(library_root, tmp_path):
    (tmp_path / "set").mkdir()
    kinds = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM", "TGA", "ICO")
    for i, kind in enumerate(kinds):
        (tmp_path / "set" / f"{i}.{kind.lower()}").write_bytes(saved(Image.new("RGB", (32, 32), (20 * i, 90, 40)), kind))
    red = np.broadcast_to(np.array((200, 90, 40)), (8, 8, 3))
    (tmp_path / "set" / "map.pam").write_bytes(pam(red, b"RGB"))
    (tmp_path / "set" / "map.jpg").write_bytes(pam(red[:, :4], b"RGB"))
    record, report = import_paths(library_root, [tmp_path / "set"])
    assert (record.count, report.unreadable) == (len(kinds) + 2, ())
    assert [note for note in report.notes if "is in truth" in note] == [
        f"{tmp_path}/set/map.jpg is in truth a PAM picture and was read as one"
    ]


def test_targa_and_icons_are_read():
    for data, format in ((saved(COLOUR, "TGA"), "tga"), (saved(COLOUR, "TGA")[:-26], "tga"), (saved(COLOUR, "ICO"), "ico")):
        answer = decode(data, [Target(16)])
        assert (answer.code, answer.format) == ("", format), answer.reason
        assert abs(np.frombuffer(answer.arrays[0], np.uint8)[-3:].astype(int) - (200, 90, 40)).max() <= 2


# --------------------------------------------------------------------------------------------------- kinds that are not


@pytest.mark.parametrize(("name", "data", "kind"), [(name, *made) for name, made in raw_pictures().items()])
def test_pictures_that_are_not_read_are_named_with_what_to_do(name, data, kind):
    answer = decode(data, [Target(16)])
    assert answer.code == "unsupported" and answer.reason.startswith(f"{kind} pictures are not read; ")


@pytest.mark.parametrize(("name", "data", "words"), [(name, *made) for name, made in other_files().items()])
def test_what_is_no_picture_is_named_with_what_to_do(name, data, words):
    answer = decode(data, [Target(16)])
    assert answer.code == "not-a-picture" and words in answer.reason and ";" in answer.reason


def test_odd_tiffs_name_their_kind():
    for values, photometric, words in ((np.zeros((8, 8, 5), np.float32), 2, "32-bit floating point"),
                                       (np.zeros((8, 8, 3), np.float32), 8, "LAB")):  # fmt: skip
        answer = decode(tiff(values, photometric), [Target(8)])
        assert answer.code == "unsupported" and words in answer.reason and "save it as PNG" in answer.reason


def test_no_reason_tells_of_the_program():
    rng, seen = np.random.default_rng(0), set()
    for format in ("PNG", "JPEG", "TIFF", "WEBP", "AVIF", "GIF", "BMP", "TGA", "ICO", "PPM"):
        sound = encoded(format)
        for share in (0.1, 0.5, 0.9):
            seen.add(decode(cut(sound, share), [Target(8)]).reason)
        for _ in range(30):
            changed = bytearray(sound)
            for at in rng.integers(2, len(sound), 4):
                changed[at] = rng.integers(256)
            seen.add(decode(bytes(changed), [Target(8)]).reason)
    assert len(seen) > 8
    for reason in seen:
        assert not any(sign in reason for sign in ("0x", "<", "object", "/", "OpenCV", "Error", ".py", "_io")), reason


def test_films_and_sounds_beside_pictures_are_told_and_so_are_the_kinds(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.png").write_bytes(saved(COLOUR, "PNG"))
    (folder / "deep.png").write_bytes(png16(RAMP * 4095))
    (folder / "film.mp4").write_bytes(struct.pack(">I", 24) + b"ftypisom\0\0\2\0isomiso2")
    (folder / "song.mp3").write_bytes(b"ID3\4" + bytes(40))
    (folder / "design.ai").write_bytes(b"%PDF-1.7\n")
    (folder / "layers.psd").write_bytes(b"8BPS\0\1" + bytes(40))
    (folder / "paper.pdf").write_bytes(b"%PDF-1.7\n")
    way = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    ImageCms.applyTransform(COLOUR, way).save(folder / "lab.tif")
    COLOUR.save(folder / "a.tga")
    _, report = import_paths(tmp_path / "library", [folder])
    assert report.imported == 4
    told = {line.source.rsplit("/", 1)[1]: line.reason for line in (*report.unreadable, *report.ignored)}
    assert "film" in told["film.mp4"] and "sound" in told["song.mp3"] and "PDF" in told["paper.pdf"] + told["design.ai"]
    assert "Photoshop" in told["layers.psd"]
    assert any("more than 8 bits: 12-bit values in 16 bits" in note for note in report.notes)


def test_notes_of_many_pictures_are_one_line():
    pictures = [(f"{i}.png", [("profile", "Display P3" if i % 3 else "Adobe RGB")]) for i in range(9)]
    assert noted.lines(pictures) == [
        "9 pictures carry a colour profile (Display P3: 6, Adobe RGB: 3) and were converted to sRGB"
    ]
    assert noted.lines([("a.png", [])]) == []


def test_a_multi_page_tiff_gives_its_first_page():
    stream = io.BytesIO()
    COLOUR.save(stream, "TIFF", save_all=True, append_images=[Image.new("RGB", (32, 32))])
    assert np.frombuffer(decode(stream.getvalue(), [Target(8)]).arrays[0], np.uint8)[:3].tolist() == [200, 90, 40]
