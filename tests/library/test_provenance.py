"""Exported files lead back to what made them, in every container, and strangers' files do no harm."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
from library import records
from PIL import Image, PngImagePlugin

from models_backend.contract.messages import TroubleError
from models_backend.contract.trace import TraceInfo, TraceStep
from models_backend.library import provenance

RECORD = records.sample_record(
    "20261123-2215-ddpm-ab12", "run-a", title='Größe "quoted" \\ back\nline 數',
    conditions={"class": [1, 2], "text": "{}}{\"type\":1}"}, sampling={"solver": {"type": "heun", "steps": 20}},
    trace=TraceInfo("denoise", ("x",), (1, 8, 8), 2, (TraceStep(0, 1.0, 80.0), TraceStep(1, 0.0, 0.0, 0.5))),
    tags=("a",), start={"sample": "s", "step": 3},
)  # fmt: skip
MARKER = provenance.marker(RECORD)


def picture(side=8):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))


def test_the_marker_is_one_line_of_ascii():
    assert MARKER.isascii()
    assert "\n" not in MARKER
    assert MARKER.startswith("nexus-studio/1 {")


def test_png(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", MARKER)
    picture().save(tmp_path / "a.png", pnginfo=info)
    assert provenance.read(tmp_path / "a.png") == RECORD


def test_gif_comments_are_joined_wherever_the_blocks_fall(tmp_path):
    for shift in (0, 1, 240, 245, 250, 254, 255, 300):
        picture().save(tmp_path / "a.gif", comment=b"c" * shift + MARKER.encode())
        assert provenance.read(tmp_path / "a.gif") == RECORD, shift


@pytest.mark.parametrize("form", ["webp", "jpeg"])
def test_exif(tmp_path, form):
    exif = Image.Exif()
    exif[0x010E] = MARKER  # ImageDescription
    picture().save(tmp_path / f"a.{form}", exif=exif)
    assert provenance.read(tmp_path / f"a.{form}") == RECORD


def test_json_and_safetensors_hold_it_escaped(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"provenance": MARKER, "after": "}"}))
    assert provenance.read(tmp_path / "a.json") == RECORD
    header = json.dumps({"__metadata__": {"nexus": MARKER}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 100)
    assert provenance.read(tmp_path / "a.safetensors") == RECORD


def test_at_the_end_of_a_large_file(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"\0" * (9 << 20) + MARKER.encode() + b"\0" * 50)
    assert provenance.read(tmp_path / "film.mp4") == RECORD
    (tmp_path / "film.mp4").write_bytes(b"\0" * (3 << 20) + MARKER.encode() + b"\0" * (3 << 20))
    assert provenance.read(tmp_path / "film.mp4") == RECORD


def test_a_mutilated_marker_is_passed_over_for_a_whole_one(tmp_path):
    data = MARKER[:50].encode() + b"\0\0" + b"nexus-studio/1 []" + b"nexus-studio/1 {}" + MARKER.encode()
    (tmp_path / "a").write_bytes(data)
    assert provenance.read(tmp_path / "a") == RECORD


HOSTILE = {
    "empty": b"",
    "nothing": bytes(range(256)) * 100,
    "deep": b"nexus-studio/1 " + b"[" * 200_000,
    "deep objects": b"nexus-studio/1 " + b'{"a":' * 200_000,
    "unfinished": MARKER[:-5].encode(),
    "escaped unfinished": b'nexus-studio/1 {\\"id\\":' + b"x" * 1000,
    "backslashes": b'nexus-studio/1 {\\"' + b"\\" * 2_000_000,
    "many": b"nexus-studio/1 {" * 100_000,
    "wrong types": b'nexus-studio/1 {"id":5}',
    "gif": b"GIF89a" + b"\x21\xfe\xff" + MARKER.encode()[:100],
    "gif of signs": b"GIF89a" + b"\x21\xfe\x0fnexus-studio/1 " * 50_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_strangers_file_carries_nothing_and_takes_no_time(tmp_path, name):
    (tmp_path / "a").write_bytes(HOSTILE[name])
    began = time.process_time()
    assert provenance.read(tmp_path / "a") is None
    assert time.process_time() - began < 10.0


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TroubleError, match=r"gone\.png"):
        provenance.read(tmp_path / "gone.png")


def test_stripped_files_carry_nothing(tmp_path):
    buffer = io.BytesIO()
    picture().save(buffer, "png")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert provenance.read(tmp_path / "a.png") is None
