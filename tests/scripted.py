"""A scripted engine for tests of the window: the Engine's API with canned families, data, runs and answers.

``ScriptedEngine(root)`` writes a few small files below ``root`` (previews, a thumbnail cache) and keeps everything
else in memory. ``tell`` sends an event as a worker would; ``calls`` lists what the window asked for, in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from scripted_library import ScriptedLibrary, items_of, trace_of

from models_backend.contract.course import further, goes_on
from models_backend.contract.family import Claim, Condition, Family, FamilyDescription, Part, Preset, Proof, description
from models_backend.contract.fields import Field, When
from models_backend.contract.messages import (
    Array,
    Arrays,
    Body,
    Budget,
    BudgetReport,
    Decode,
    Describe,
    Evaluate,
    Event,
    Export,
    LatentMap,
    Mark,
    Media,
    Progress,
    Sample,
    State,
    TroubleError,
    VectorField,
)
from models_backend.contract.run_layout import DatasetRecord, JobRecord, RunRecord
from models_backend.contract.views import Seen

# -------------------------------------------------------------------------------------------- canned families


class Linear(msgspec.Struct, frozen=True, tag="linear"):
    """Variance grows along a line."""

    first: Annotated[float, Field("First variance", low=1e-6, high=0.1, scale="log")] = 1e-4
    last: Annotated[float, Field("Last variance", low=1e-4, high=0.5, scale="log")] = 0.02


class Cosine(msgspec.Struct, frozen=True, tag="cosine"):
    """The signal falls along a cosine."""

    offset: Annotated[float, Field("Offset at the start", low=0.0, high=0.1)] = 0.008


class Net(msgspec.Struct, frozen=True):
    """Size of the network."""

    channels: Annotated[int, Field("Channels of the first level", low=8, high=512)] = 64
    levels: Annotated[list[int], Field("Multiples of the channels, one a level")] = msgspec.field(
        default_factory=lambda: [1, 2, 2]
    )
    attention: Annotated[bool, Field("Attention on the lowest level")] = True


class DenoiserConfig(msgspec.Struct, frozen=True):
    """A denoiser."""

    schedule: Annotated[Linear | Cosine, Field("How noise is added")] = Cosine()
    prediction: Annotated[Literal["epsilon", "v", "x0"], Field("What the network predicts")] = "epsilon"
    timesteps: Annotated[int, Field("Levels of noise", low=10, high=4000, scale="log")] = 1000
    min_snr: Annotated[float | None, Field("Cap of the loss weight; empty weighs all alike", low=0.1, high=100.0)] = None
    clip_x0: Annotated[
        bool, Field("Clip the prediction", when=When("prediction", ("x0",), "counts only for x0 prediction"))
    ] = False
    net: Annotated[Net, Field("Network")] = Net()
    teacher: Annotated[str | None, Field("A finished run to learn from", run="denoiser")] = None
    note: Annotated[str, Field("A note kept with the run")] = ""
    statistics: Annotated[str, Field("File of feature statistics", path="file")] = ""


class DenoiserSampling(msgspec.Struct, frozen=True):
    """How a denoiser samples."""

    sampler: Annotated[Literal["ddpm", "ddim", "heun"], Field("Sampler")] = "ddim"
    steps: Annotated[int, Field("Steps", low=1, high=1000, scale="log")] = 20
    eta: Annotated[
        float, Field("Noise put back at each step", low=0.0, high=1.0, when=When("sampler", ("ddim",), "only DDIM has it"))
    ] = 0.0


class DuelConfig(msgspec.Struct, frozen=True):
    """Two networks."""

    latent: Annotated[int, Field("Length of the latent vector", low=2, high=1024)] = 64
    smoothing: Annotated[float, Field("Label smoothing", low=0.0, high=0.5)] = 0.0


class DuelSampling(msgspec.Struct, frozen=True):
    """How a generator samples."""

    truncation: Annotated[float, Field("Scale of the latent vector", low=0.0, high=2.0)] = 1.0


_CLAIM = Claim("coverage", ">=", 0.9, "every mode is met")


class Denoiser(Family):
    title, glyph, group, summary = "Denoiser", "ε", "Diffusion", "Predicts the noise in a picture"
    paper, modalities, conditions = "Scripted 2026, arXiv:0000.00001", ("points", "image"), (Condition("class", 0.1),)
    provides, latents, trace, health = ("denoiser",), ("noise",), "denoise", ("non_finite", "loss_trend", "loss_by_level")
    Config, Sampling = DenoiserConfig, DenoiserSampling
    presets = (
        Preset("tiny", "Tiny · seconds", {"net": {"channels": 16}}, {"steps": 100}, note="for a first look"),
        Preset("small", "Small · a laptop", {}, {"steps": 2000}),
        Preset("paper", "As published", {"net": {"channels": 128}}, {"steps": 800_000}),
    )
    proofs = (Proof("points", "points:density=8gaussians", "tiny", 2.0, (_CLAIM,)),)


class Flow(Denoiser):
    title, glyph, group, summary = "Flow", "v", "Flow", "Straight paths from noise to data"
    uses, paper = (Part("teacher", "denoiser"),), "Scripted 2026, arXiv:0000.00002"


class Duel(Family):
    title, glyph, group, summary = "Duel", "G", "Adversarial", "A generator against a critic"
    paper, modalities, trace = "Scripted 2026, arXiv:0000.00003", ("points", "image"), "path"
    latents, health = ("vector",), ("non_finite", "balance")
    Config, Sampling = DuelConfig, DuelSampling
    presets = (Preset("tiny", "Tiny · seconds", {"latent": 8}, {"steps": 100}), Preset("small", "Small · a laptop"))


class Coder(Duel):
    title, glyph, group, summary = "Coder", "z", "Autoencoders", "Codes and decodes through a narrow latent"
    paper, latents, health = "Scripted 2026, arXiv:0000.00004", ("encoder",), ("non_finite", "collapse")


def scripted_families() -> list[FamilyDescription]:
    """Four families that between them have every field kind, a denoise and a path trace, parts and conditions."""
    classes = {"denoiser": Denoiser, "flow": Flow, "duel": Duel, "coder": Coder}
    return [description(key, family) for key, family in classes.items()]


# ------------------------------------------------------------------------------------------------- the engine


class Device(msgspec.Struct):
    """As engine.devices() tells it."""

    key: str
    name: str
    kind: str
    total_mb: float
    used_mb: float
    load: float = 0.0


class ScriptedEngine:
    """The Engine's API; nothing runs. ``answers`` maps a request type to a function (request) -> answer that replaces
    the canned one; ``failures`` maps a method name or request type to an exception to raise."""

    def __init__(self, root: str | Path, populated: bool = True):
        self.library = ScriptedLibrary(Path(root), populated)
        self.families = scripted_families()
        self.calls: list[tuple] = []
        self.answers: dict[type, Callable[[Any], Any]] = {}
        self.failures: dict[Any, Exception] = {}
        self.import_steps = 3
        self.unseen: dict[str, str] = {}  # end of a source -> why it cannot be seen
        self.owns_queue = True
        self._listeners: list[Callable[[Event], None]] = []
        self._jobs: list[JobRecord] = list(self.library.queue)

    # events ---------------------------------------------------------------------------------------------
    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def tell(self, source: str, body: Body, kept: bool = True) -> Event:
        """Sends an event as the worker of run ``source`` would; kept ones go into the run's log first."""
        folder = self.library.folders.get(source) if kept else None
        event = folder.append(body) if folder is not None else Event(0, time.time(), source, body)
        for listener in list(self._listeners):
            listener(event)
        return event

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] in self.failures:
            raise self.failures[call[0]]

    # life -----------------------------------------------------------------------------------------------
    async def start(self) -> None:
        self._note("start")

    async def close(self) -> None:
        self._note("close")

    async def warm_up(self) -> None:
        self._note("warm_up")

    def descriptions(self) -> list[FamilyDescription]:
        return self.families

    async def devices(self) -> list[Device]:
        return [
            Device("cpu", "CPU · 2 cores", "cpu", 16_000, 6_100, 0.4),
            Device("cuda:0", "GPU 0 · Scripted", "cuda", 24_000, 17_100, 0.9),
        ]

    async def described(self) -> list[FamilyDescription]:
        return self.families

    def live(self) -> list[str]:
        return [job.run for job in self._jobs if job.state in ("running", "paused")]

    async def history(self, run: str, since: int = 0) -> list[Event]:
        return list(self.library.run(run).events(since))

    # data -----------------------------------------------------------------------------------------------
    async def import_data(self, paths, title="", settings=None, tell=None) -> DatasetRecord:
        self._note("import_data", [str(path) for path in paths], title, settings)
        for step in range(self.import_steps):
            if tell is not None:
                tell(Progress(step, self.import_steps, "reading", 100.0, self.import_steps - step))
            await asyncio.sleep(0.01)
        return self.library.add_pictures(title or Path(paths[0]).stem, list(map(str, paths)))

    async def look_for(self, dataset: str, paths, tell=None) -> DatasetRecord:
        """Finds all that is lost but one."""
        self._note("look_for", dataset, [str(path) for path in paths])
        await asyncio.sleep(0)
        stored = self.library.dataset(dataset)
        stored.lost = stored.lost[:1]
        return stored.record()

    async def make_builtin(self, name: str, tell=None) -> DatasetRecord:
        self._note("make_builtin", name)
        await asyncio.sleep(0)
        return self.library.add_builtin(name)

    async def see(self, view) -> Seen:
        """Every source is there and red, but for those that ``unseen`` names."""
        self._note("see", view)
        await asyncio.sleep(0)
        why = next((why for name, why in self.unseen.items() if name in view.source), "")
        return Seen(why=why) if why else Seen(bytes((200, 30, 30)) * (view.width * view.height))

    # runs -----------------------------------------------------------------------------------------------
    async def create_run(self, family, dataset, preset="", config=None, training=None, data=None, parts=None, sampling=None,
                         title="") -> RunRecord:  # fmt: skip
        self._note("create_run", family, dataset, preset, config or {}, training or {}, data or {}, parts or {})
        return self.library.add_run(family, dataset, preset, config or {}, training or {}, sampling or {}, title)

    async def changes_since(self, run: str) -> list[str]:
        folder = self.library.run(run)
        return self.library.dataset(folder.record().dataset).changes_since(folder.layout, folder.record())

    async def begin_anew(self, run: str) -> RunRecord:
        self._note("begin_anew", run)
        old = self.library.run(run).record()
        title = f"{old.title} · anew"
        made = self.library.add_run(old.family, old.dataset, old.preset, old.config, old.training, old.sampling, title)
        made.data.update(old.data)
        return made

    async def submit(self, run_id: str, after=(), front: bool = False) -> JobRecord:
        self._note("submit", run_id, tuple(after), front)
        busy = any(job.state in ("running", "paused") for job in self._jobs)
        job = JobRecord(f"job-{run_id}", "train", run_id, run_id, time.time(), float(len(self._jobs)), tuple(after))
        job.state = "queued" if busy else "running"
        self._jobs.append(job)
        self.tell(run_id, State("queued" if busy else "running"))
        return job

    def queue(self) -> list[JobRecord]:
        return [msgspec.structs.replace(job) for job in self._jobs]

    def _job(self, job: str) -> JobRecord:
        return next(known for known in self._jobs if known.id == job)

    async def reorder(self, job: str, index: int) -> None:
        self._note("reorder", job, index)
        known = self._job(job)
        self._jobs.remove(known)
        waiting = [other for other in self._jobs if other.state == "queued"]
        place = self._jobs.index(waiting[index]) if index < len(waiting) else len(self._jobs)
        self._jobs.insert(place, known)

    async def hold(self, job: str, held: bool) -> None:
        self._note("hold", job, held)
        self._job(job).held = held

    async def cancel(self, job: str) -> None:
        self._note("cancel", job)
        self._jobs.remove(self._job(job))

    def _set_state(self, run: str, state: str) -> None:
        for job in self._jobs:
            if job.run == run:
                job.state = state
        if state in ("stopped", "finished", "failed"):
            self._jobs = [job for job in self._jobs if job.run != run]
        self.tell(run, State(state, self.library.folders[run].state()[1]))

    async def pause(self, run: str) -> None:
        self._note("pause", run)
        self._set_state(run, "paused")

    async def resume(self, run: str) -> None:
        self._note("resume", run)
        self._set_state(run, "running")

    async def stop(self, run: str, after_step: bool = True) -> None:
        self._note("stop", run, after_step)
        self._set_state(run, "stopped")

    async def extend(self, run: str, steps: int, restart: bool = False) -> RunRecord:
        self._note("extend", run, steps, restart)
        folder = self.library.folders[run]
        at = folder.reached()
        if steps <= at:
            raise TroubleError(f"{at:,} steps are done, so {steps:,} in all are not more", folder.record().title)
        record = folder.take_record(further(folder.record(), at, steps, restart))
        self.tell(run, State("stopped", at))
        self.tell(run, Mark(at, f"trained on to {steps:,} steps; {goes_on(record)}"))
        return record

    async def set_live(self, run: str, values: dict) -> None:
        self._note("set_live", run, values)

    # requests -------------------------------------------------------------------------------------------
    async def call(self, request: Any, tell=None) -> Any:
        self._note(type(request), request)
        await asyncio.sleep(0)
        if type(request) in self.answers:
            return self.answers[type(request)](request)
        return _CANNED[type(request)](self, request)


def array(values: np.ndarray) -> Array:
    """A numpy array on the wire."""
    values = np.ascontiguousarray(values)
    return Array(values.dtype.name, values.shape, values.tobytes())


def _sample(engine: ScriptedEngine, request: Sample) -> tuple[Media, np.ndarray] | Media:
    record = engine.library.run(request.run).record()
    items = items_of(record.spec, request.count, request.seed)
    trace = trace_of(record.spec, request.trace) if request.trace else None
    saved = engine.library.add_sample(request, record, items, trace).id if request.save else ""
    seeds = list(range(request.count))
    info = trace[0] if trace else None
    kept = engine.library.made_from(request)
    return Media(array(items), record.spec.modality, saved, seeds, 12.5, info, request.stamp, kept)


def _vector_field(engine: ScriptedEngine, request: VectorField) -> Arrays:
    axis = np.linspace(request.low, request.high, request.n)
    x, y = np.meshgrid(axis, axis)
    field = np.stack([[-x * (1 - t), -y * (1 - t)] for t in request.times]).transpose(0, 2, 3, 1)
    return Arrays({"field": array(field.astype("float32"))})


def _latent_map(engine: ScriptedEngine, request: LatentMap) -> Arrays:
    count = min(request.limit, 240)
    label = np.arange(count) % 10
    turn = 2 * np.pi * label / 10
    xy = np.stack([np.cos(turn), np.sin(turn)], 1) * 2 + np.random.default_rng(0).normal(0, 0.3, (count, 2))
    return Arrays({
        "xy": array(xy.astype("float32")), "index": array(np.arange(count)), "label": array(label),
        "explained": array(np.array([0.4, 0.2], "float32")), "kl": array(np.linspace(2, 0, 16).astype("float32")),
    }, checkpoint="step-000001234")  # fmt: skip


def _decode(engine: ScriptedEngine, request: Decode) -> Arrays:
    xy = np.asarray(request.xy, "float32").reshape(-1, 2)
    if request.frames:
        where = np.linspace(0, len(xy) - 1, request.frames)
        xy = np.stack([np.interp(where, np.arange(len(xy)), column) for column in xy.T], 1).astype("float32")
    count = len(request.z or xy)
    record = engine.library.run(request.run).record()
    return Arrays({
        "items": array(items_of(record.spec, count, 5)), "nearest": array(np.arange(count)),
        "distance": array(np.full(count, 0.31, "float32")), "xy": array(xy),
    })  # fmt: skip


def _budget(engine: ScriptedEngine, request: Budget) -> BudgetReport:
    return BudgetReport("CPU · 2 cores", 24.0, 728.0, 6_200.0, 16_000.0, 1_400.0, 310_000.0, {"denoiser": 35_700_000})


def _evaluate(engine: ScriptedEngine, request: Evaluate) -> dict[str, float]:
    return {"frechet": 6.8, "coverage": 0.97}


def _export(engine: ScriptedEngine, request: Export) -> list[str]:
    if not Path(request.path).parent.is_dir():
        raise TroubleError("the folder does not exist", request.path, "Nothing was written.")
    Path(request.path).write_bytes(b"scripted export")
    return [request.path]


_CANNED = {
    Sample: _sample, VectorField: _vector_field, LatentMap: _latent_map, Decode: _decode, Budget: _budget,
    Evaluate: _evaluate, Export: _export, Describe: lambda engine, request: engine.families,
}  # fmt: skip
