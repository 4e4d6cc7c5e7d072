"""A family dropped in as one file stands in the catalogue, the forms, the trainer, the trajectory panel and the gallery.

Nothing else is told about it: the file lies in a folder named by NEXUS_FAMILIES, the workers are real processes.
"""

import asyncio
import textwrap

import pytest
import shiboken6

from models_backend.contract.fields import defaults
from models_backend.engine.engine import Engine
from models_backend.library.library import Library
from nexus_studio.bridge import Bridge
from nexus_studio.state.session import Session

FAMILY = '''
"""A straight walk: learns the mean of the data and walks from noise to it."""

from typing import Annotated

import msgspec
import torch

from models_backend.contract.family import Family, Loss, Preset
from models_backend.contract.fields import Field
from models_backend.contract.trace import Step


class Config(msgspec.Struct, frozen=True):
    """How it learns."""

    pull: Annotated[float, Field("Strength of the pull to the mean", low=0.0, high=2.0)] = 1.0


class Sampling(msgspec.Struct, frozen=True):
    """How it walks."""

    steps: Annotated[int, Field("Steps of the walk", low=1, high=100)] = 7


class Mean(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(shape))


class Walk(Family):
    title, glyph, group = "Walk to the mean", "w", "Flow"
    summary, paper = "a fifth family, for a test", "none"
    modalities, trace = ("points", "image"), "denoise"
    Config, Sampling = Config, Sampling
    presets = (Preset("tiny", "Tiny", training={"steps": 12, "batch_size": 8, "preview_every": 6, "learning_rate": 0.1}),)

    def networks(self):
        return {"mean": Mean(self.spec.shape)}

    def losses(self, nets, batch):
        yield Loss("mean", self.config.pull * (batch.x - nets["mean"].mean).square().mean())

    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        x, n = noise, sampling.steps
        first = 0 if start is None else round(start * n)
        for i in range(first, n + 1):
            on_step(Step(i - first, n - first, i / n, 1 - i / n, {"x": x, "x0": nets["mean"].mean.expand_as(x)}))
            x = x + (nets["mean"].mean - x) / max(1, n - i)
        return x
'''


async def until(app, condition, seconds=90.0):
    for _ in range(int(seconds / 0.02)):
        app.processEvents()
        await asyncio.sleep(0.02)
        if condition():
            return
    raise AssertionError("it did not happen in time")


@pytest.fixture
async def studio(qapp, tmp_path, monkeypatch):
    (tmp_path / "families").mkdir()
    (tmp_path / "families" / "walk.py").write_text(textwrap.dedent(FAMILY))
    monkeypatch.setenv("NEXUS_FAMILIES", str(tmp_path / "families"))
    library = Library.open(tmp_path / "library")
    engine = Engine(library)
    await engine.start()
    bridge = Bridge(None, asyncio.get_running_loop())
    session = Session(bridge)
    bridge.attach(engine)
    await engine.described()
    session.catalogue.refresh()
    yield session
    await bridge.close()
    library.close()
    shiboken6.delete(session)


async def test_one_file_is_a_family_everywhere(qapp, studio):
    from nexus_studio.forms.form import SettingsForm
    from nexus_studio.panels.gallery import GalleryPanel
    from nexus_studio.panels.train import TrainPanel
    from nexus_studio.panels.trajectory import TrajectoryPanel

    engine = studio.bridge.engine
    family = studio.catalogue.get("walk")
    assert family is not None and family.title == "Walk to the mean"
    form = SettingsForm(family.config, defaults(family.config))
    assert form.values() == {"pull": 1.0}

    dataset = await engine.make_builtin("digits")
    record = await engine.create_run("walk", dataset.id, "tiny", title="fifth")
    await studio.datasets.load()
    await studio.runs.load()
    train = TrainPanel(studio)
    train.show()
    await engine.submit(record.id)
    assert (await engine.wait(record.id)).state == "finished"
    view = studio.runs.view(record.id)
    await until(qapp, lambda: view.state == "finished" and view.step == 12 and bool(view.previews))

    trajectory = TrajectoryPanel(studio)
    trajectory.show()
    trajectory.choose_run(record.id)
    assert trajectory.controls.form_a.values() == {"steps": 7}
    trajectory.sample()
    await until(qapp, lambda: bool(trajectory.recordings))
    assert trajectory.recordings[0].steps == 8
    assert trajectory.recordings[0].names() == ["x", "x0"]

    gallery = GalleryPanel(studio)
    gallery.show()
    await until(qapp, lambda: gallery.grid.count() == 1)
    assert gallery.tiles.record(0).family == "walk"
    for widget in (form, train, trajectory, gallery):
        widget.close()
        shiboken6.delete(widget)
