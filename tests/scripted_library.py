"""The library of the scripted engine: records in memory, thumbnails and previews in small files."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models_backend.contract.family import DataSpec
from models_backend.contract.messages import (
    Event,
    Health,
    HealthLine,
    Levels,
    Mark,
    Metrics,
    Preview,
    Remedy,
    Saved,
    State,
    TroubleError,
)
from models_backend.contract.run_layout import (
    DatasetRecord,
    DoctorReport,
    Item,
    JobRecord,
    LibraryLayout,
    RunRecord,
    SampleRecord,
    Unreadable,
)
from models_backend.contract.trace import TraceInfo, TraceStep
from models_backend.library import datasets
from models_backend.library.datasets import DatasetFolder
from models_backend.library.index import gathered

DIGITS = tuple("0123456789")


def discs(count: int, size: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 (N, size, size, channels): a soft coloured disc on a dark ground, each item different."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    centre, colour = generator.uniform(0.3, 0.7, (count, 2)), generator.uniform(60, 255, (count, channels))
    radius = generator.uniform(0.15, 0.35, count)
    far = np.hypot(x - centre[:, :1, None], y - centre[:, 1:, None])  # (N, H, W)
    soft = np.clip((radius[:, None, None] - far) * 12 + 0.5, 0, 1)[..., None]
    return (soft * colour[:, None, None, :] + (1 - soft) * 28).astype("uint8")


def items_of(spec: DataSpec, count: int, seed: int = 0) -> np.ndarray:
    """Made items as files and messages carry them: uint8 (N, H, W, C) or float32 (N, D)."""
    if spec.modality == "points":
        turn = np.random.default_rng(seed).integers(0, 8, count) * np.pi / 4
        spread = np.random.default_rng(seed + 1).normal(0, 0.15, (count, 2))
        return (np.stack([np.cos(turn), np.sin(turn)], 1) * 1.4 + spread).astype("float32")
    channels, height, _ = spec.shape
    return discs(count, height, channels, seed)


def trace_of(spec: DataSpec, count: int, steps: int = 12) -> tuple[TraceInfo, dict[str, np.ndarray]]:
    """A denoise trace: (info, channel -> (steps, B, *shape) float16)."""
    end = items_of(spec, count, 3).astype("float32")
    if spec.modality != "points":
        end = end.transpose(0, 3, 1, 2) / 127.5 - 1
    noise = np.random.default_rng(0).normal(size=end.shape)
    times = np.linspace(1, 0, steps)
    x = np.stack([end * (1 - t) + noise * t for t in times]).astype("float16")
    x0 = np.stack([end * (1 - 0.5 * t) for t in times]).astype("float16")
    told = tuple(TraceStep(i, float(t), float(t / max(1 - t, 0.05)), float(0.3 * t)) for i, t in enumerate(times))
    return TraceInfo("denoise", ("x", "x0"), spec.shape, count, told, 0.12), {"x": x, "x0": x0}


def save_cache(cache: Path, name: str, array: np.ndarray) -> None:
    """An array and its entry as the importer writes them (models_backend.data.folder)."""
    np.save(cache / f"{name}.npy", array)
    row = array[:1].nbytes
    offset = (cache / f"{name}.npy").stat().st_size - array.nbytes
    entry = {"dtype": array.dtype.str, "shape": array.shape, "offset": offset, "row_bytes": row}
    (cache / f"{name}.json").write_bytes(msgspec.json.encode(entry))


class ScriptedRun:
    """RunFolder's API."""

    def __init__(self, layout, record: RunRecord):
        self.layout, self._record, self.log = layout, record, []

    def record(self) -> RunRecord:
        return self._record

    def update_record(self, **changes: Any) -> RunRecord:
        self._record = msgspec.structs.replace(self._record, **changes)
        return self._record

    def take_record(self, record: RunRecord) -> RunRecord:
        self._record = record
        return record

    def reached(self) -> int:
        return self.state()[1]

    def append(self, body: Any, at: float | None = None) -> Event:
        self.log.append(Event(len(self.log) + 1, at or time.time(), self._record.id, body))
        return self.log[-1]

    def events(self, since: int = 0) -> Iterator[Event]:
        return iter(self.log[since:])

    def state(self) -> tuple[str, int]:
        states = [event.body for event in self.log if isinstance(event.body, State)]
        steps = [event.body.step for event in self.log if isinstance(event.body, Metrics)]
        return (states[-1].state if states else "queued"), (steps[-1] if steps else 0)

    def told_state(self) -> State:
        states = [event.body for event in self.log if isinstance(event.body, State)]
        return State(*self.state(), states[-1].reason if states else "")

    def checkpoints(self, weights_only: bool = False) -> list:
        return [self.layout.checkpoint(e.body.step) for e in reversed(self.log) if isinstance(e.body, Saved)]

    def usable(self) -> tuple:
        return self.checkpoints()[0], ""


class ScriptedDataset(DatasetFolder):
    """A data set of sources that never were; those in ``lost`` are missing."""

    lost: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        return list(self.lost)


def stored_dataset(layout, record: DatasetRecord, items: list[Item], report: DoctorReport) -> ScriptedDataset:
    """A data set in its folder, whose caches are there already."""
    datasets.finish(layout, record, items, report)
    return ScriptedDataset(layout)


class ScriptedSample:
    """SampleFolder's API."""

    def __init__(self, layout, record: SampleRecord, items: np.ndarray, trace: dict | None):
        self.layout, self._record, self._items, self._trace = layout, record, items, trace

    def record(self) -> SampleRecord:
        return self._record

    def update_record(self, **changes: Any) -> SampleRecord:
        self._record = msgspec.structs.replace(self._record, **changes)
        return self._record

    def items(self) -> np.ndarray:
        return self._items

    def trace(self) -> dict[str, np.ndarray]:
        return self._trace or {}


def _key(told: object) -> str:
    """An id that is the same in every process."""
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


class ScriptedLibrary:
    """Library's API over dictionaries. Populated: two data sets, a finished and a running run, a queue, samples."""

    def __init__(self, root: Path, populated: bool = True):
        self.layout = LibraryLayout(root)
        self.folders: dict[str, ScriptedRun] = {}
        self.sets: dict[str, DatasetFolder] = {}
        self.made: dict[str, ScriptedSample] = {}
        self.trashed: dict[str, tuple] = {}
        self.queue: list[JobRecord] = []
        if populated:
            self._populate()

    def close(self) -> None:
        """Nothing to close."""

    def notice(self, kind: str, name: str) -> None:
        """Nothing is listed elsewhere."""

    # what the library answers ---------------------------------------------------------------------------
    def runs(self) -> list[RunRecord]:
        return sorted((folder.record() for folder in self.folders.values()), key=lambda record: -record.created)

    def datasets(self) -> list[DatasetRecord]:
        return [folder.record() for folder in self.sets.values()]

    def samples(self, offset: int = 0, limit: int = 200, narrowed: Any = None) -> list[SampleRecord]:
        return self._narrowed(narrowed)[offset : offset + limit]

    def count(self, narrowed: Any = None) -> int:
        return len(self._narrowed(narrowed))

    def _narrowed(self, narrowed: Any) -> list[SampleRecord]:
        """Newest first; ``narrowed`` is the library's Filter."""
        records = sorted((folder.record() for folder in self.made.values()), key=lambda record: -record.created)
        for name in ("run", "family", "dataset", "kind", "modality"):
            wanted = getattr(narrowed, name, "")
            records = [record for record in records if not wanted or getattr(record, name) == wanted]
        text, starred, tag = (getattr(narrowed, name, "") for name in ("text", "starred", "tag"))
        records = [record for record in records if text.lower() in record.title.lower()] if text else records
        records = [record for record in records if record.starred] if starred else records
        records = [record for record in records if not tag or tag in record.tags]
        return gathered(records) if getattr(narrowed, "gathered", False) else records

    def cells(self, record: SampleRecord) -> list[SampleRecord]:
        made = [folder.record() for folder in self.made.values()]
        return [one for one in made if one.grid and one.grid.id == record.grid.id]

    def jobs(self) -> list[JobRecord]:
        return list(self.queue)

    def run(self, run: str) -> ScriptedRun:
        return self._get(self.folders, run, "run")

    def dataset(self, dataset: str) -> DatasetFolder:
        return self._get(self.sets, dataset, "data set")

    def sample(self, sample: str) -> ScriptedSample:
        return self._get(self.made, sample, "sample")

    @staticmethod
    def _get(where: dict, key: str, noun: str) -> Any:
        if key not in where:
            raise TroubleError(f"there is no such {noun} in the library", key)
        return where[key]

    # what tests and the engine add ------------------------------------------------------------------------
    def add_pictures(self, title: str, roots: list[str], count: int = 240, size: int = 16, builtin: str = "") -> DatasetRecord:
        key = _key((title, count, size))
        record = DatasetRecord(
            key, title, "image", key * 4, count, DIGITS, True, 3, builtin, {}, tuple(roots), time.time(), (3, size, size)
        )
        items = [
            Item(f"{DIGITS[i % 10]}/disc-{i:04d}.png", f"{i:064x}", i % 10, f"a disc number {i}", size, size,
                 "validation" if i % 10 == 9 else "train", i - 1 if i in (7, 30) else -1, i == 7)
            for i in range(count)
        ]  # fmt: skip
        bad = tuple(
            Unreadable(f"{roots[0] if roots else title}/bad-{i}.png", code, reason)
            for i, (code, reason) in enumerate([("truncated", "ends after 812 of 3,400 bytes"), ("empty", "has no bytes"),
                                                ("not a picture", "is a text file named .png")])
        )  # fmt: skip
        sizes, labels = {f"{size} × {size}": count}, dict.fromkeys(DIGITS, count // 10)
        report = DoctorReport(count + 3, count, bad, (), 1, 1, sizes, labels,
                              count, count - count // 10, count // 10, 0, 0, ("All captioned.",), 0.4)  # fmt: skip
        layout = self.layout.dataset(key)
        layout.cache.mkdir(parents=True, exist_ok=True)
        save_cache(layout.cache, "thumbs", discs(count, size))
        self.sets[key] = stored_dataset(layout, record, items, report)
        return record

    def add_points(self, title: str, builtin: str = "") -> DatasetRecord:
        key = _key(title)
        record = DatasetRecord(key, title, "points", key * 4, 20_000, builtin=builtin, created=time.time(), shape=(2,))
        layout = self.layout.dataset(key)
        layout.cache.mkdir(parents=True, exist_ok=True)
        save_cache(layout.cache, "points", items_of(DataSpec("points", (2,)), 20_000))
        self.sets[key] = stored_dataset(layout, record, [], DoctorReport(20_000, 20_000, train=18_000, validation=2_000))
        return record

    def add_builtin(self, name: str) -> DatasetRecord:
        known = next((folder.record() for folder in self.sets.values() if folder.record().builtin == name), None)
        if known is not None:
            return known
        return self.add_points(name, name) if name.startswith("points") else self.add_pictures(name, [], builtin=name)

    def add_run(self, family, dataset, preset="small", config=None, training=None, sampling=None, title="") -> RunRecord:
        data = self.dataset(dataset).record()
        spec = DataSpec(data.modality, data.shape, data.count, data.classes, data.captioned, data.fingerprint)
        key = f"20261123-22{len(self.folders):02d}-{family}-{len(self.folders):04x}"
        training = {"steps": 2000, "learning_rate": 2e-4, "batch_size": 64} | (training or {})
        record = RunRecord(key, title or f"{family}-{len(self.folders):02d}", family, dataset, preset, config or {}, training,
                           sampling or {}, {"resolution": 16}, spec, time.time() + len(self.folders))  # fmt: skip
        self.folders[key] = ScriptedRun(self.layout.run(key), record)
        return record

    def made_from(self, request) -> str:
        """The checkpoint that a request is answered from."""
        return request.checkpoint or f"step-{self.folders[request.run].reached():09d}"

    def add_sample(self, request, run: RunRecord, items: np.ndarray, trace=None) -> SampleRecord:
        key = f"20261123-2300-sample-{len(self.made):04x}"
        checkpoint = self.made_from(request)
        record = SampleRecord(key, request.title or f"sample {len(self.made)}", run.id, run.family, checkpoint,
                              run.spec.modality, len(items), request.seed, request.sampling, request.conditions,
                              time.time() + len(self.made), dataset=run.dataset, trace=trace[0] if trace else None,
                              preview=request.preview, grid=request.grid,
                              start=msgspec.to_builtins(request.start))  # fmt: skip
        self.made[key] = ScriptedSample(self.layout.sample(key), record, items, trace[1] if trace else None)
        return record

    # the canned content -------------------------------------------------------------------------------------
    def _populate(self) -> None:
        from models_backend.contract.messages import Sample

        pictures, points = self.add_pictures("Botanical prints", ["/pictures/prints"]), self.add_points("8gaussians", "points")
        self.train(self.add_run("denoiser", pictures.id, title="denoiser-small").id, 2000, "finished")
        self.train(self.add_run("coder", pictures.id, title="coder-small").id, 2000, "finished")
        self.train(self.add_run("flow", points.id, title="flow-points").id, 2000, "finished")
        running = self.add_run("duel", pictures.id, title="duel-03")
        self.train(running.id, 1240, "running")
        waiting = [self.add_run("denoiser", pictures.id, title=f"waiting-{n}") for n in (1, 2)]
        now = time.time()
        self.queue = [JobRecord("job-0", "train", running.title, running.id, now, 0.0, state="running")]
        self.queue += [JobRecord(f"job-{n}", "train", w.title, w.id, now, float(n)) for n, w in enumerate(waiting, 1)]
        for folder in list(self.folders.values())[:3]:
            run = folder.record()
            for seed in range(2):
                self.add_sample(Sample(run.id, 12, seed), run, items_of(run.spec, 12, seed), trace_of(run.spec, 4))

    def train(self, run: str, steps: int, state: str) -> None:
        """Writes the log of a run that has trained for ``steps`` steps, with previews, health and a mark."""
        folder, begin = self.folders[run], time.time() - steps * 0.025
        folder.append(State("running"), begin)
        generator = np.random.default_rng(0)
        for step in range(10, steps + 1, 10):
            loss = 0.05 + np.exp(-step / 400) * (1 + 0.1 * generator.normal())
            values = {"loss": loss, "rate": 2600.0, "lr": 2e-4, "grad/net": 0.8}
            folder.append(
                Metrics(step, values | ({"validation": loss * 1.05} if step % 100 == 0 else {})), begin + step * 0.025
            )
            if step == 600:
                folder.append(Mark(step, "lr 2e-4 → 1e-4"), begin + step * 0.025)
            if step % 400 == 0:
                self._preview(folder, step)
                folder.append(Saved(step, f"checkpoints/step-{step:09d}"), begin + step * 0.025)
        folder.append(Levels(steps, list(np.linspace(0.02, 0.3, 16))))
        lines = [HealthLine("non_finite", "ok", "no skipped step"),
                 HealthLine("loss_trend", "warn", "the loss has been flat for 600 steps",
                            Remedy("Halve the learning rate", training={"learning_rate": 1e-4}, live=True))]  # fmt: skip
        folder.append(Health(steps, lines, {"kl": list(np.linspace(2, 0, 16))}))
        if state != "running":
            folder.append(State(state, steps))

    def _preview(self, folder: ScriptedRun, step: int) -> None:
        path = folder.layout.preview(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, items=items_of(folder.record().spec, 12, 1))
        folder.append(Preview(step, f"previews/{path.name}", 12))
