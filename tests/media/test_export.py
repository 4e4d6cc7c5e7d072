"""Exports: every format can be decoded again, shows the items, and carries the record back unless it was stripped."""

import os
import re
import stat
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from library import records
from PIL import Image, ImageDraw
from safetensors.numpy import load_file, save
from safetensors.torch import save as save_torch

from models_backend.contract import exports
from models_backend.contract.exports import file_name
from models_backend.contract.family import DataSpec
from models_backend.contract.fields import plain
from models_backend.contract.grids import GridAxis, GridCell
from models_backend.contract.messages import Export, TroubleError
from models_backend.contract.run_layout import CheckpointState, RunRecord, SampleRecord
from models_backend.data.sources import find
from models_backend.families.vae import VAE
from models_backend.library import provenance
from models_backend.library.library import Library
from models_backend.library.samples import SampleFolder
from models_backend.media import films, grid_sheet, timing
from models_backend.media import pictures as pictures_of
from models_backend.media.export import export

STEPS, COUNT = 5, 4


@pytest.fixture
def library(library_root):
    with Library.open(library_root) as opened:
        yield opened


def sample_record(name, modality, count):
    title = "Ziffern <&> “quoted” 数"
    return SampleRecord(name, title, "run-1", "ddpm", "step-000000100", modality, count, 7, {"steps": 20}, {"class": [1]}, 1.5)


@pytest.fixture
def pictures(library):
    rng = np.random.default_rng(0)
    items = rng.integers(0, 256, (COUNT, 8, 8, 3), np.uint8)
    trace = {"x": rng.uniform(-1, 1, (STEPS, COUNT, 3, 8, 8)).astype(np.float16)}
    SampleFolder.create(library, sample_record("made", "image", COUNT), items, trace)
    return items


@pytest.fixture
def points(library):
    items = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    SampleFolder.create(library, sample_record("cloud", "points", 500), items, {"x": np.stack([items * k for k in (3, 2, 1)])})
    return items


def frame_count(path):
    if path.suffix in (".mp4", ".webm"):
        film = cv2.VideoCapture(str(path))
        count = 0
        while film.read()[0]:
            count += 1
        return count
    return getattr(Image.open(path), "n_frames", 1)


WAYS = {
    "sheet": ("png", "webp", "gif"), "items": ("png", "webp"), "trace": ("png", "gif", "apng", "webp", "mp4", "webm"),
    "path": ("mp4", "webm", "gif"),
}  # fmt: skip


@pytest.mark.parametrize(("what", "format"), [(what, format) for what, formats in WAYS.items() for format in formats])
def test_every_format_brings_the_record_back_and_can_be_stripped(library, pictures, tmp_path, format, what):
    kept = export(library, Export("made", str(tmp_path / "kept"), format, what, fps=5))
    bare = export(library, Export("made", str(tmp_path / "bare"), format, what, strip=True, fps=5))
    for path in kept:
        assert provenance.read(path) == library.sample("made").record()
    for path in bare:
        assert provenance.read(path) is None
        assert b"ddpm" not in path.read_bytes()
    assert frame_count(kept[0]) == frame_count(bare[0]) >= 1


@pytest.mark.parametrize("format", exports.NUMBERS)
def test_points_are_written_as_numbers_to_their_last_digit(library, points, pictures, tmp_path, format):
    def read(path):
        return np.load(path) if format == "npy" else np.loadtxt(path, np.float32, delimiter=",", skiprows=1)

    (whole,) = export(library, Export("cloud", str(tmp_path / "out"), format))
    assert whole == tmp_path / f"out.{format}" and np.array_equal(read(whole), points)
    assert format == "npy" or whole.read_bytes().startswith(b"x,y\n")
    (some,) = export(library, Export("cloud", str(tmp_path), format, "items", items=[3, 1]))
    assert some.parent == tmp_path and np.array_equal(read(some), points[[3, 1]])
    for source, what, said in (("made", "items", "pictures are not"), ("cloud", "trace", "only the points themselves")):
        with pytest.raises(TroubleError, match=said):
            export(library, Export(source, str(tmp_path / "no"), format, what))


def test_the_window_offers_every_format_of_a_sample():
    from nexus_studio.panels.exporting import CHOICES, lacking

    assert {choice.format for choice in CHOICES} == {*exports.FORMATS} - {*exports.WEIGHTS}
    numbers = [choice for choice in CHOICES if choice.format in exports.NUMBERS]
    assert not any(lacking(sample_record("cloud", "points", 5), choice) for choice in numbers)
    assert all(lacking(sample_record("made", "image", 5), choice) for choice in numbers)


MOVING = {"gif": STEPS, "apng": STEPS, "webp": STEPS, "mp4": STEPS + 7, "webm": STEPS + 7}


@pytest.mark.parametrize(("format", "frames"), MOVING.items())
def test_a_film_has_every_frame_once_and_holds_the_last_where_asked(library, pictures, tmp_path, format, frames):
    (held,) = export(library, Export("made", str(tmp_path / f"held.{format}"), format, "trace", fps=5, hold=True))
    assert frame_count(held) == frames
    (plain,) = export(library, Export("made", str(tmp_path / f"film.{format}"), format, "trace", fps=5))
    (path,) = export(library, Export("made", str(tmp_path / f"path.{format}"), format, "path", fps=5))
    assert (frame_count(plain), frame_count(path)) == (STEPS, COUNT)
    if format not in exports.FILMS:
        assert durations(plain) == [200] * STEPS and durations(held) == [200] * (STEPS - 1) + [1500]


def durations(path):
    """ms of every frame, as a browser plays them."""
    film, found = Image.open(path), []
    for number in range(film.n_frames):
        film.seek(number)
        film.load()
        found.append(round(film.info["duration"]))
    return [100 if ms <= 10 else ms for ms in found]


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("fps", [1, 5, 12, 24, 30, 50, 60, 90, 120, 240])
@pytest.mark.parametrize(("format", "shortest"), [("gif", 20), ("webp", 11), ("apng", 11)])
def test_animations_play_as_fast_as_asked_at_any_rate(library, tmp_path, format, shortest, fps, hold):
    count = 60
    trace = np.linspace(-1, 1, count, dtype=np.float32)[:, None, None, None, None] * np.ones((1, 1, 3, 8, 8), np.float32)
    SampleFolder.create(library, sample_record("long", "image", 1), np.zeros((1, 8, 8, 3), np.uint8), {"x": trace})
    (path,) = export(library, Export("long", str(tmp_path / f"a.{format}"), format, "trace", fps=fps, hold=hold, scale=1))
    found = durations(path)
    assert min(found) >= shortest and len(found) <= count
    assert sum(found) == pytest.approx(1000 * (count - 1) / fps + (1500 if hold else 1000 / fps), abs=max(30, 1000 / fps))
    film = Image.open(path)
    film.seek(film.n_frames - 1)
    assert np.asarray(film.convert("RGB"))[4, 4].min() >= 252


def test_a_rate_that_browsers_do_not_play_is_told():
    assert "50 frames a second of a GIF" in timing.left_out(60, "gif") and not timing.left_out(50, "gif")
    assert not timing.left_out(60, "webp") and timing.left_out(120, "apng") and not timing.left_out(240, "mp4")


def test_single_items_are_the_items_bit_for_bit(library, pictures, tmp_path):
    paths = export(library, Export("made", str(tmp_path / "folder"), "png", "items", scale=1))
    assert len(paths) == COUNT
    for path, picture in zip(paths, pictures):
        assert np.array_equal(np.asarray(Image.open(path)), picture)


def test_single_items_are_named_after_what_is_asked_for_made_safe(library, pictures, tmp_path):
    named = export(library, Export("made", str(tmp_path / "new folder"), "png", "items", name="First try ä: a/b?"))
    assert [path.name for path in named][:2] == ["First try ä- a-b--0000.png", "First try ä- a-b--0001.png"]
    plain = export(library, Export("made", str(tmp_path / "folder"), "png", "items"))
    assert plain[0].name == "made-0000.png"
    assert file_name("..") == "" and len(file_name("ä" * 300).encode()) < 200


def test_chosen_items_only(library, pictures, tmp_path):
    (path,) = export(library, Export("made", str(tmp_path / "third.webp"), "webp", "items", scale=2, items=[2]))
    assert np.array_equal(np.asarray(Image.open(path)), pictures[2].repeat(2, 0).repeat(2, 1))
    with pytest.raises(TroubleError, match="no item 10; there are"):
        export(library, Export("made", str(tmp_path / "x.png"), "png", "sheet", items=[9]))


@pytest.mark.parametrize(("format", "what"), [("png", "sheet"), ("mp4", "trace"), ("gif", "trace"), ("png", "items")])
def test_points_are_drawn_and_carry_their_record(library, points, tmp_path, format, what):
    (path,) = export(library, Export("cloud", str(tmp_path / f"cloud.{format}"), format, what))
    assert provenance.read(path).id == "cloud"
    assert frame_count(path) >= (1 if what != "trace" else 3)


def test_weights_are_the_averaged_ones_with_their_origin(library, tmp_path):
    spec = DataSpec("image", (1, 8, 8))
    record = RunRecord("run-1", "A run", "ddpm", "d", "tiny", {"width": 4}, {"seed": 3}, {}, {}, spec, 1.0)
    run = library.create_run(record)
    tensors = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3, np.float16)}
    averaged = {"w": tensors["w"] + 1, "b": tensors["b"] * 2}
    files = {
        "net.safetensors": save(tensors),
        "ema-net.safetensors": save(averaged),
        "fixed.safetensors": save({"k": tensors["w"]}),
    }
    run.save_checkpoint(10, files, CheckpointState(10, 3, "", "", 1, "fp32"))
    (path,) = export(library, Export("run-1", str(tmp_path / "w.safetensors"), "safetensors", "weights"))
    loaded = load_file(path)
    assert set(loaded) == {"net.w", "net.b", "fixed.k"}
    assert np.array_equal(loaded["net.w"], averaged["w"]) and np.array_equal(loaded["net.b"], averaged["b"])
    assert np.array_equal(loaded["fixed.k"], tensors["w"])
    origin = provenance.read(path)
    assert (origin.run, origin.kind, origin.family, origin.seed) == ("run-1", "weights", "ddpm", 3)
    (bare,) = export(library, Export("run-1", str(tmp_path / "bare.safetensors"), "safetensors", "weights", strip=True))
    assert provenance.read(bare) is None and np.array_equal(load_file(bare)["net.w"], averaged["w"])


def test_exported_weights_are_loaded_by_the_lines_that_help_and_readme_give(library, tmp_path, monkeypatch):
    lines = textwrap.dedent(exports.LOADING.partition("\n\n")[2])
    assert lines in (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    spec, config = DataSpec("points", (2,)), plain(VAE.Config())
    record = RunRecord("run-1", "A run", "vae", "d", "tiny", config, {"seed": 3}, {}, {}, spec, 1.0)
    nets = VAE(VAE.Config(), spec).networks()
    files = {f"{name}.safetensors": save_torch(net.state_dict()) for name, net in nets.items()}
    library.create_run(record).save_checkpoint(10, files, CheckpointState(10, 3, "", "", 1, "fp32"))
    export(library, Export("run-1", str(tmp_path / "model"), "safetensors", "weights"))
    monkeypatch.chdir(tmp_path)
    there: dict = {}
    exec(lines, there)
    loaded = there["nets"]["vae"].state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in nets["vae"].state_dict().items())
    found = find([tmp_path / "model.safetensors"])
    assert [one.reason.partition(", no picture")[0] for one in found.ignored] == [
        "it holds weights exported from run run-1 of family vae"
    ]


def test_trouble_names_what_does_not_fit(library, points, tmp_path):
    SampleFolder.create(library, sample_record("plain", "image", 1), np.zeros((1, 4, 4, 1), np.uint8))
    with pytest.raises(TroubleError, match="no such format"):
        export(library, Export("cloud", str(tmp_path / "a"), "xcf"))
    with pytest.raises(TroubleError, match="not recorded"):
        export(library, Export("plain", str(tmp_path / "a.mp4"), "mp4", "trace"))
    with pytest.raises(TroubleError, match="no such sample"):
        export(library, Export("nobody", str(tmp_path / "a.png"), "png"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(TroubleError):
        export(library, Export("plain", str(tmp_path / "file" / "below.png"), "png"))
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["file"]


@pytest.mark.parametrize(("umask", "folder", "file"), [(0o022, 0o755, 0o644), (0o077, 0o700, 0o600), (0o002, 0o775, 0o664)])
def test_what_is_written_for_the_user_follows_the_umask(library, pictures, tmp_path, umask, folder, file):
    before = os.umask(umask)
    try:
        written = export(library, Export("made", str(tmp_path / "a"), "png", "items"))
        written += export(library, Export("made", str(tmp_path / "a" / "film.mp4"), "mp4", "trace", fps=5))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {file}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == folder


@pytest.mark.parametrize(
    ("place", "format", "what"),
    [("gone/sheet.png", "png", "sheet"), ("gone/film.mp4", "mp4", "trace"), ("gone/a/film.gif", "gif", "trace"),
     ("gone/items", "png", "items"), ("gone/a/items", "png", "items")],
)  # fmt: skip
def test_a_mistyped_folder_is_said_and_never_made(library, pictures, tmp_path, place, format, what):
    missing = (tmp_path / place).parent
    with pytest.raises(TroubleError, match=re.escape(f"there is no folder {missing}")):
        export(library, Export("made", str(tmp_path / place), format, what))
    assert not (tmp_path / "gone").exists()
    assert len(export(library, Export("made", str(tmp_path / "items"), "png", "items"))) == COUNT, "one new folder is made"


def test_without_pyav_a_webm_is_written_and_still_carries_the_record(library, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(films, "_codec", lambda kind: None)
    (path,) = export(library, Export("made", str(tmp_path / "film.mp4"), "mp4", "trace", fps=5))
    assert path.name == "film.webm"
    assert frame_count(path) == STEPS
    assert provenance.read(path).id == "made"


def test_a_void_element_states_its_own_length():
    element = films.void_element(b"record")
    assert element[:1] == b"\xec" and element[9:] == b"record"
    assert int.from_bytes(element[1:9], "big") & (1 << 56) - 1 == 6


def with_grid(library, **changes):
    """The cells of a grid in a library: each shows its place alone, (place * 40) grey in 8 x 8 pixels."""
    cells = records.grid(**changes)
    for record in cells:
        SampleFolder.create(library, record, np.full((1, 8, 8, 1), record.grid.place * 40, np.uint8))
    return [library.sample(record.id).record() for record in cells]


@pytest.mark.parametrize("format", exports.STILLS)
def test_a_grid_is_one_sheet_of_its_cells_in_place_that_brings_the_grid_back(library, tmp_path, format):
    cells = with_grid(library)
    (path,) = export(library, Export(cells[3].id, str(tmp_path), format, "grid", scale=16))
    assert path == tmp_path / f"grid-a.{format}" and provenance.read(path) == cells[0]
    shown = np.asarray(Image.open(path).convert("L")).astype(int)
    tiles = [shown == n * 40 for n in range(1, 6)]
    centres = [tuple(np.mean(np.nonzero(tile), 1)) for tile in tiles if tile.sum() >= 128 * 128 * 0.98]
    assert len(centres) == 5, "each is there, whole"
    (_, (y2, x2)), ((y3, x3), (y4, x4), _) = centres[:2], centres[2:]
    assert y2 < y3 == pytest.approx(y4, abs=2) and x3 < x4 < x2
    (bare,) = export(library, Export(cells[3].id, str(tmp_path / "bare"), format, "grid", strip=True))
    assert provenance.read(bare) is None


def test_a_grid_lacks_no_cell_but_those_that_were_not_made(library, tmp_path):
    cells = records.grid()[:2]
    for record in cells:
        SampleFolder.create(library, record, np.full((1, 8, 8, 1), 250, np.uint8))
    (path,) = export(library, Export(cells[1].id, str(tmp_path), "png", "grid"))
    whole = np.asarray(Image.open(path).convert("RGB"))
    assert (whole == grid_sheet.EMPTY).all(-1).sum() == 4 * (whole == 250).all(-1).sum() / 2 > 0


def test_points_of_a_grid_are_drawn_to_one_scale(library, tmp_path):
    rng = np.random.default_rng(0)
    for record in records.grid(modality="points"):
        points = rng.normal(size=(300, 2)) * (1 if record.grid.place else 0.1)
        SampleFolder.create(library, record, points.astype(np.float32))
    (path,) = export(library, Export("grid-a-0", str(tmp_path), "png", "grid"))
    whole = np.asarray(Image.open(path)).astype(int)
    tiles = [whole[-498:-258, -744:-504], whole[-498:-258, -498:-258]]
    inked = [np.nonzero((tile != pictures_of.GROUND).any(-1))[0] for tile in tiles]
    assert 0 < np.ptp(inked[0]) < 0.4 * np.ptp(inked[1])


def test_what_is_no_grid_and_what_is_no_picture_is_refused(library, pictures, tmp_path):
    cells = with_grid(library)
    for source, format, said in (
        ("made", "png", "no cell of a grid.*made in Sample"),
        (cells[0].id, "mp4", "as one picture"),
    ):
        with pytest.raises(TroubleError, match=said):
            export(library, Export(source, str(tmp_path / "no"), format, "grid"))


LONG = ("a red boat on the open sea at night", "d" * 90, "v_0.000012345678", "short")


def test_no_heading_of_a_grid_is_cut(monkeypatch):
    written = []

    class Pen(ImageDraw.ImageDraw):
        def text(self, xy, text, *, anchor, font, **style):
            written.append((text, self.textbbox(xy, text, font=font, anchor=anchor), self.im.size))
            super().text(xy, text, anchor=anchor, font=font, **style)

    monkeypatch.setattr(grid_sheet.ImageDraw, "Draw", Pen)
    across, down = GridAxis("condition.class", "What is asked for", LONG), GridAxis("sampler", "Sampler", LONG)
    grid_sheet.grid_sheet({0: np.zeros((32, 32, 3), np.uint8)}, GridCell("g", across, down))
    boxes = [box for _, box, _ in written]
    assert all(box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1] for _, box, size in written)
    apart = [(a, b) for a in boxes for b in boxes if a is not b]
    assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a, b in apart), "none lies over another"
    letters = "".join(sorted("".join(text for text, _, _ in written).replace(" ", "")))
    assert letters == "".join(sorted("".join([across.title, down.title, *LONG, *LONG]).replace(" ", "")))
