"""Pictures of a data set at the size of a view, read from their sources by a process of its own with a confined decoder."""

import asyncio
import hashlib
import zipfile

import msgspec
import numpy as np
import pytest
from PIL import Image

from models_backend.contract.views import View
from models_backend.data import opening
from models_backend.engine import viewer
from models_backend.engine.viewer import Viewer


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "a.png"
    across = np.linspace(0, 255, 300).astype(np.uint8)
    Image.fromarray(np.broadcast_to(across[None, :, None], (200, 300, 3)).copy()).save(path)
    return path


@pytest.fixture
async def eyes():
    made = Viewer()
    yield made
    await made.close()


def view(path, width=150, height=100, data=None):
    content = path.read_bytes() if data is None else data
    return View(str(path), hashlib.sha256(content).hexdigest(), width, height)


async def test_a_source_is_seen_whole_at_the_size_of_the_view(photograph, eyes):
    seen = await eyes.see(view(photograph))
    pixels = np.frombuffer(seen.pixels, np.uint8).reshape(100, 150, 3)
    assert not seen.why and np.abs(pixels[:, :, 0].mean(0) - np.linspace(0, 255, 150)).max() < 2, "nothing is cut off"
    before = eyes._process.pid
    assert (await eyes.see(view(photograph, 30, 20))).pixels and eyes._process.pid == before


async def test_a_member_of_an_archive_is_seen_and_what_is_not_as_it_was_is_said(photograph, tmp_path, eyes):
    data = photograph.read_bytes()
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("deep/a.png", data)
    inside = View(f"{tmp_path}/all.zip!/deep/a.png", hashlib.sha256(data).hexdigest(), 15, 10)
    assert len((await eyes.see(inside)).pixels) == 450
    known = view(photograph)
    photograph.write_bytes(data + b"\0")
    assert (await eyes.see(known)).why == opening.CHANGED[1]
    (tmp_path / "copy.png").write_bytes(data)
    assert (await eyes.see(msgspec.structs.replace(known, also=(str(tmp_path / "copy.png"),)))).pixels
    photograph.unlink()
    gone = await eyes.see(known)
    assert not gone.pixels and "not there" in gone.why
    (tmp_path / "bad.png").write_bytes(data[:200])
    assert (await eyes.see(view(tmp_path / "bad.png"))).why


async def test_it_ends_when_nobody_looks_and_begins_again_also_after_a_crash(photograph, eyes, monkeypatch):
    monkeypatch.setattr(viewer, "IDLE_S", 0.05)
    assert (await eyes.see(view(photograph))).pixels
    for _ in range(200):
        await asyncio.sleep(0.05)
        if eyes._process is None:
            break
    assert eyes._process is None
    monkeypatch.setattr(viewer, "IDLE_S", 60.0)
    assert (await eyes.see(view(photograph))).pixels
    eyes._process.kill()
    assert (await eyes.see(view(photograph))).why == viewer.ENDED
    assert (await eyes.see(view(photograph))).pixels


async def test_a_view_that_was_given_up_is_never_the_answer_to_the_next(photograph, eyes):
    assert (await eyes.see(view(photograph, 30, 20))).pixels
    asked = asyncio.ensure_future(eyes.see(view(photograph)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert len((await eyes.see(view(photograph, 30, 20))).pixels) == 1800
