"""Families of a few numbers, for tests of the trainer, of sampling and of latent maps; and runs of them."""

from __future__ import annotations

import time
from typing import Annotated, ClassVar

import msgspec
import torch
from torch import nn

from models_backend.contract.family import Condition, Family, Loss, Preset, Sharing
from models_backend.contract.fields import Field, merged, plain
from models_backend.contract.messages import Progress
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import DataSettings, TrainingSettings
from models_backend.contract.trace import Step
from models_backend.data import builtin
from models_backend.data.reading import open_data
from models_backend.library.library import Library
from models_backend.training import checkpoints
from models_backend.training.loop import Trainer

POINTS = "points:density=moons,count=400"
QUICK = {"steps": 12, "batch_size": 16, "learning_rate": 0.01, "warmup": 2, "ema": 0.9, "threads": 1, "precision": "fp32",
         "checkpoint_every": 4, "validate_every": 0, "preview_every": 0}  # fmt: skip


class Net(nn.Module):
    """Linear, dropout and a count of its training passes."""

    def __init__(self, size: int, width: int, dropout: float):
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(size + 1, width), nn.Dropout(dropout), nn.Linear(width, size)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x, t):
        if self.training:
            self.passes += 1
        inside = torch.cat([x.flatten(1), t[:, None].expand(len(x), 1)], 1)
        return self.last(self.drop(torch.tanh(self.first(inside)))).view_as(x)


class LinearConfig(msgspec.Struct, frozen=True):
    width: Annotated[int, Field("Width", low=1, high=1024)] = 8
    dropout: Annotated[float, Field("Dropout", low=0.0, high=0.9)] = 0.2
    noise: Annotated[float, Field("Noise on the target", low=0.0, high=10.0)] = 1.0
    poison: Annotated[list[int], Field("Steps whose loss is not a number")] = msgspec.field(default_factory=list)


class LinearSampling(msgspec.Struct, frozen=True):
    steps: Annotated[int, Field("Steps", low=1, high=100)] = 5
    fresh: Annotated[float, Field("Fresh noise at each step", low=0.0, high=1.0)] = 0.0


class Denoiser(Family):
    """One network that predicts noise; its sampler walks from time 1 to 0."""

    title, glyph, group, summary, paper = "Test denoiser", "·", "Diffusion", "For tests", "none"
    modalities = ("points", "image")
    conditions: ClassVar = (Condition("class", 0.2),)
    latents, trace = ("noise",), "denoise"
    Config, Sampling = LinearConfig, LinearSampling
    presets = (Preset("tiny", "Tiny"),)

    def networks(self):
        size = 1
        for side in self.spec.shape:
            size *= side
        return {"net": Net(size, self.config.width, self.config.dropout)}

    def losses(self, nets, batch):
        if torch.is_grad_enabled():
            self.seen.append((batch.step, batch.index.tolist()))
        eps = self.config.noise * torch.randn(batch.x.shape, generator=batch.generator)
        t = torch.rand(len(batch.x), generator=batch.generator)
        each = (nets["net"](batch.x + eps, t) - eps).square().flatten(1).mean(1)
        value = each.mean()
        if batch.step in self.config.poison and torch.is_grad_enabled():
            value = value * float("nan")
        yield Loss("net", value, {"figure": value.detach()}, (t, each.detach()))

    seen: ClassVar[list] = []

    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        from models_backend.samplers.noise import fresh

        x, first = noise, 0 if start is None else round((1 - start) * sampling.steps)
        shift = 0.01 * conditions["class"].view(-1, *[1] * (x.ndim - 1)) if "class" in conditions else 0.0
        for i in range(first, sampling.steps):
            time_now = 1 - i / sampling.steps
            eps = nets["net"](x, torch.full((len(x),), time_now))
            on_step(Step(i - first, sampling.steps - first, time_now, time_now, {"x": x, "eps": eps}))
            x = x - (eps + shift) / sampling.steps
            if sampling.fresh:
                x = x + sampling.fresh * fresh(x, generator)
        on_step(Step(sampling.steps - first, sampling.steps - first, 0.0, 0.0, {"x": x, "eps": eps}))
        return x.clamp(-1, 1) if self.spec.modality == "image" else x

    def encode(self, nets, x):
        return 2 * x.flatten(1)

    def decode(self, nets, z, sampling):
        return (z / 2).view(-1, *self.spec.shape)

    def vector_field(self, nets, x, time, sampling):
        return x * time


class Exact(Denoiser):
    """A loss without any noise: a function of the batch's mean squares only."""

    def losses(self, nets, batch):
        t = torch.zeros(len(batch.x))
        yield Loss("net", (nets["net"](batch.x, t) - 0.5 * batch.x).square().mean())


class Duel(Denoiser):
    """Two networks in turn; the second learns slower and sees the first one moved."""

    def networks(self):
        return {"one": nn.Linear(2, 2), "two": nn.Linear(2, 2)}

    def sharing(self, network):
        return Sharing(0.5, (0.0, 0.9)) if network == "two" else Sharing()

    def losses(self, nets, batch):
        yield Loss("one", (nets["one"](batch.x) - batch.x).square().mean())
        self.told.append(nets["one"].weight.detach().clone())
        made = nets["two"](nets["one"](batch.x))
        yield Loss("two", (made - batch.x).square().mean())

    told: ClassVar[list] = []


FAMILIES = {"denoiser": Denoiser, "exact": Exact, "duel": Duel}


def opened(root, dataset: str = POINTS):
    """A fresh library with a data set: (library, its record)."""
    library = Library.open(root)
    return library, builtin.make(library, dataset)


def make_run(library, dataset, family: str = "denoiser", config=None, data=None, sampling=None, parts=None, **training):
    """A run of a small family, ready to be trained."""
    data = data or {}
    settings = msgspec.convert(data, DataSettings)
    kind = FAMILIES[family]
    record = RunRecord(
        library.new_id(family), f"a {family}", family, dataset.id, "tiny", merged(plain(kind.Config()), config or {}),
        merged(plain(TrainingSettings()), QUICK | training), plain(kind.Sampling()) | (sampling or {}), data,
        open_data(library, dataset.id, settings).spec, time.time(), parts or {},
    )  # fmt: skip
    return library.create_run(record, library.dataset(dataset.id).edits())


def trainer_of(library, run, tell=lambda body: None, **more) -> Trainer:
    """A prepared trainer; its events are kept as a worker would keep them, then told."""

    def keep(body):
        if not isinstance(body, Progress):
            run.append(body)
        tell(body)

    trainer = Trainer(library, run, FAMILIES[run.record().family], FAMILIES, device="cpu", tell=keep, **more)
    trainer.prepare()
    return trainer


def trained(library, dataset, family: str = "denoiser", **settings):
    """A finished run and its trainer."""
    run = make_run(library, dataset, family, **settings)
    trainer = trainer_of(library, run)
    trainer.run()
    return run, trainer


def whole_state(trainer) -> dict:
    """Every bit that decides what follows."""
    return checkpoints.files_of(trainer.nets, trainer.averages, trainer.stepper.optimisers)
