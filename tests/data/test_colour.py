"""Colour is what a managed viewer shows, whatever a picture carries to say how its numbers are meant."""

import io
import struct
import time

import numpy as np
import pytest
from bad_files import chunk
from kinds_of_files import ADOBE, P3, icc, saved, srgb, tiff
from PIL import Image, ImageCms

from models_backend.data import noted
from models_backend.data.decoding import Target, decode
from models_backend.data.importing import import_paths
from models_backend.data.pool import Pool

GIVEN, SHOWN = (200, 80, 60), (230, 79, 56)  # Adobe RGB, and what a managed viewer shows of it
PLAIN = Image.new("RGB", (64, 48), GIVEN)


def seen(data, side=32):
    """The colour in the middle, and what was noted."""
    answer = decode(data, [Target(side)])
    assert not answer.code, answer.reason
    return np.frombuffer(answer.arrays[0], np.uint8).reshape(side, side, 3)[side // 2, side // 2].astype(int), answer.notes


def near(colour, wanted, within=4):
    return bool(abs(colour - np.array(wanted)).max() <= within)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_a_profile_is_applied_in_every_format(format):
    options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.get(format, {"quality": 98})
    colour, notes = seen(saved(PLAIN, format, icc_profile=icc(), **options))
    assert near(colour, SHOWN) and notes == [("profile", "Adobe-like")]
    colour, notes = seen(saved(PLAIN, format, **options))
    assert near(colour, GIVEN) and not notes
    colour, notes = seen(saved(PLAIN, format, icc_profile=srgb(), **options))
    assert near(colour, GIVEN) and not notes


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "L", "1"])
def test_transparent_indexed_and_grey_pictures_are_converted_too(mode):
    picture = PLAIN.quantize(16) if mode == "P" else PLAIN.convert(mode)
    colour, notes = seen(saved(picture, "PNG", icc_profile=icc()))
    assert notes == [("profile", "Adobe-like")]
    if mode in ("RGBA", "P"):
        assert near(colour, SHOWN)
    half = Image.new("RGBA", (64, 64), (*GIVEN, 128))
    assert near(seen(saved(half, "PNG", icc_profile=icc()))[0], [round((s * 128 + 255 * 127) / 255) for s in SHOWN])


def test_grey_profiles_change_the_tone_and_nothing_else():
    linear = icc(space=b"GRAY", gamma=1.0, name=b"linear")
    for data in (saved(Image.new("L", (32, 32), 55), "PNG", icc_profile=linear),
                 saved(Image.new("L", (32, 32), 55), "JPEG", icc_profile=linear, quality=98),
                 saved(Image.new("LA", (32, 32), (55, 255)), "PNG", icc_profile=linear)):  # fmt: skip
        colour, notes = seen(data)
        assert near(colour, (128, 128, 128), 2) and notes == [("profile", "linear")]
        assert np.ptp(colour) <= 1


def test_a_profile_in_many_segments_is_put_together_and_an_incomplete_one_is_told():
    whole = icc() + bytes(200_000)
    data = saved(PLAIN, "JPEG", icc_profile=whole, quality=98)
    assert data.count(b"ICC_PROFILE\0") == 4
    assert near(seen(data)[0], SHOWN)
    at = data.rfind(b"ICC_PROFILE\0") - 4
    length = struct.unpack_from(">H", data, at + 2)[0]
    colour, notes = seen(data[:at] + data[at + 2 + length :])
    assert near(colour, GIVEN) and notes == [("no-profile", "it is damaged")]


@pytest.mark.parametrize("profile", [b"nonsense" * 40, icc()[:200], icc(space=b"GRAY"), icc().replace(b"RGB XYZ", b"CMYKXYZ")])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_broken_and_unfitting_profiles_are_told_and_ignored(format, profile):
    colour, notes = seen(saved(PLAIN, format, icc_profile=profile))
    assert near(colour, GIVEN) and [kind for kind, _ in notes] == ["no-profile"]


def cmyk_profile():
    """A CMYK profile by its table: the simplest that littlecms takes (A2B0 as lut8, ink by ink)."""
    levels = np.array([0, 1.0])
    grid = np.stack(np.meshgrid(levels, levels, levels, levels, indexing="ij"), -1).reshape(-1, 4)
    red, green, blue = ((1 - grid[:, i]) * (1 - grid[:, 3]) for i in range(3))
    green = green * (1 - 0.4 * grid[:, 0])  # cyan ink is bluer than cyan light
    rgb = np.round(255 * np.stack([red, green, blue], -1)).astype(np.uint8).reshape(1, -1, 3)
    way = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = np.asarray(ImageCms.applyTransform(Image.fromarray(rgb), way)).reshape(-1, 3).copy()
    lab[:, 1:] = lab[:, 1:] + np.uint8(128) if abs(int(lab[0, 1])) < 20 else lab[:, 1:]
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    lut += ramp * 4 + lab.astype(np.uint8).tobytes() + ramp * 3
    body = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"inks\0" + bytes(78)
    body += bytes(-len(body) % 4)
    tags = [(b"desc", body), (b"A2B0", lut + bytes(-len(lut) % 4)), (b"wtpt", b"XYZ \0\0\0\0" + icc()[68:80])]
    at, table, content = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, value in tags:
        table += tag + struct.pack(">II", at + len(content), len(value))
        content += value
    head = struct.pack(
        ">I4sI4s4s4s6H", 128 + len(table + content), b"lcms", 0x02100000, b"prtr", b"CMYK", b"Lab ", 2024, 1, 1, 0, 0, 0
    )
    return (head + b"acsp" + bytes(28) + icc()[68:80]).ljust(128, b"\0") + table + content


def test_cmyk_jpegs_are_read_with_and_without_a_profile():
    inks = Image.new("CMYK", (64, 64), (0, 153, 204, 26))  # Pillow stores them inverted, as Adobe's programs do
    colour, notes = seen(saved(inks, "JPEG", quality=98))
    assert near(colour, (229, 92, 46), 6) and notes == [("space", "CMYK")]
    assert noted.lines([("ink.jpg", notes)]) == ["ink.jpg is in CMYK colours and was converted to RGB"]
    cyan = Image.new("CMYK", (64, 64), (255, 0, 0, 0))
    for data in (saved(cyan, "JPEG", quality=98, icc_profile=cmyk_profile()), saved(cyan, "TIFF", icc_profile=cmyk_profile())):
        colour, notes = seen(data)
        assert near(colour, (0, 153, 255), 12) and notes == [("profile", "inks")]
    colour, notes = seen(saved(inks, "JPEG", quality=98, icc_profile=icc()))
    assert near(colour, (229, 92, 46), 6) and [kind for kind, _ in notes] == ["no-profile", "space"]
    assert near(seen(saved(Image.new("CMYK", (64, 64), (0, 0, 0, 0)), "TIFF"))[0], (255, 255, 255))


def png_with(*chunks):
    """A PNG with chunks behind its header."""
    data = saved(PLAIN, "PNG")
    return data[:33] + b"".join(chunk(name, body) for name, body in chunks) + data[33:]


def chrm(*points):
    return b"cHRM", struct.pack(">8I", *(round(100_000 * value) for value in points))


SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
ADOBE_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def test_what_a_png_says_without_a_profile_counts_too():
    gamma = b"gAMA", struct.pack(">I", 45455)
    assert near(seen(png_with(gamma, chrm(*ADOBE_POINTS)))[0], SHOWN, 6)
    for chunks in ((gamma,), (gamma, chrm(*SRGB_POINTS)), ((b"sRGB", b"\0"), gamma, chrm(*ADOBE_POINTS))):
        colour, notes = seen(png_with(*chunks))
        assert near(colour, GIVEN, 1) and not notes
    colour, notes = seen(png_with((b"gAMA", struct.pack(">I", 100_000))))  # linear light
    linear = [round(255 * (1.055 * (v / 255) ** (1 / 2.4) - 0.055)) for v in GIVEN]
    assert near(colour, linear, 2) and notes == [("profile", "gamma 1")]
    assert near(
        seen(png_with((b"cICP", bytes((12, 13, 0, 1))), gamma))[0], seen(saved(PLAIN, "PNG", icc_profile=icc(P3, 2.2)))[0], 6
    )
    for chunks in (((b"cICP", bytes((9, 16, 0, 1))),), ((b"gAMA", struct.pack(">I", 1)),), (gamma, chrm(*[0.0] * 8))):
        colour, notes = seen(png_with(*chunks))
        assert near(colour, GIVEN, 1) and notes[0][0] == "no-profile"


def test_lab_and_floats_and_deep_colours_are_read():
    way = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    assert near(seen(saved(ImageCms.applyTransform(PLAIN, way), "TIFF"))[0], GIVEN)
    floats = np.broadcast_to(np.array(GIVEN, np.float32) / 255, (16, 16, 3))
    assert near(seen(tiff(floats, 2))[0], GIVEN, 1)
    deep = np.broadcast_to(np.array(GIVEN, np.uint16) * 257, (16, 16, 3))
    assert near(seen(tiff(deep, 2))[0], GIVEN, 1)


def test_an_import_converts_says_so_and_shows_it(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    PLAIN.resize((64, 64)).save(pictures / "photo.png", icc_profile=icc())
    PLAIN.resize((64, 64)).save(pictures / "broken.jpg", icc_profile=b"nonsense" * 40)
    Image.new("RGB", (64, 64), (10, 20, 30)).save(pictures / "plain.png")
    record, report = import_paths(tmp_path / "library", [pictures])
    thumbs = np.load(tmp_path / "library" / "datasets" / record.id / "cache" / "thumbs.npy")
    assert near(thumbs[1, 32, 32].astype(int), SHOWN) or near(thumbs[2, 32, 32].astype(int), SHOWN)
    words = "\n".join(report.notes)
    assert "photo.png carries a colour profile (Adobe-like) and was converted to sRGB" in words
    assert "broken.jpg cannot be used" in words and "0x" not in words


def test_the_same_numbers_under_another_profile_are_no_copies():
    plain, wide = (decode(data, [Target(8)]) for data in (saved(PLAIN, "PNG"), saved(PLAIN, "PNG", icc_profile=icc())))
    assert plain.pixels != wide.pixels


def test_converting_a_large_picture_costs_less_than_decoding_allows():
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)).resize((4000, 3000))
    data = saved(large, "PNG", icc_profile=icc(ADOBE), compress_level=1)
    started = time.process_time()
    assert seen(data)[1]
    assert time.process_time() - started < 6


def test_hostile_profiles_cost_no_more_than_their_limit():
    bomb = io.BytesIO()
    PLAIN.save(bomb, "PNG", icc_profile=icc() + bytes(40 << 20))
    colour, notes = seen(bomb.getvalue())
    assert near(colour, SHOWN) or notes[0][0] == "no-profile"


def test_the_confined_decoder_gives_the_same_as_one_that_may_open_files():
    """Whatever a library would load only when it is needed was loaded before files were closed off."""
    way = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    pictures = [saved(PLAIN, format, icc_profile=icc()) for format in ("PNG", "JPEG", "TIFF", "WEBP", "AVIF")]
    pictures += [saved(PLAIN, format) for format in ("TGA", "ICO", "PPM", "GIF", "BMP")]
    pictures += [saved(ImageCms.applyTransform(PLAIN, way), "TIFF"), png_with((b"cICP", bytes((9, 13, 0, 1))))]
    pictures += [
        saved(PLAIN.convert("CMYK"), "JPEG", icc_profile=cmyk_profile()),
        png_with((b"gAMA", struct.pack(">I", 100_000))),
    ]
    pictures += [tiff(np.full((8, 8, 3), 0.5, np.float32), 2), tiff(np.full((8, 8), 900, np.uint16), 1)]
    pictures += [saved(PLAIN, "PNG", icc_profile=b"nonsense" * 40), saved(PLAIN, "TIFF", compression="tiff_lzw")]
    with Pool(1) as pool:
        confined = pool.decode(pictures, [Target(32)])
    assert confined == [decode(data, [Target(32)]) for data in pictures] and not any(answer.code for answer in confined)
