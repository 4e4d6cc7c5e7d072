"""The library under fire: real data, a real run of DDPM on points, a sample with its trace, a folder of pictures; and what is
done to it. ``load()`` imports everything once, before the first fork."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
from library import records

from models_backend.contract.messages import Export, Saved, TroubleError
from models_backend.contract.run_layout import Item
from models_backend.library.library import Library

POINTS = "points:density=8gaussians,count=300"
FIRST, SAMPLE = "run-first", "sample-first"
#: what leaves the same weights behind on any machine: one thread, fp32, nothing measured
EXACT = {"threads": 1, "precision": "fp32", "compile": "off", "batch_size": 16, "warmup": 2, "preview_count": 4}
_LOADED = (
    "torch._dynamo", "torch._inductor.config", "models_backend.workers.registry", "models_backend.workers.answers",
    "models_backend.workers.training", "models_backend.evaluation.health", "models_backend.training.loop",
    "models_backend.training.validation", "models_backend.data.importing", "models_backend.data.builtin",
    "models_backend.media.export", "models_backend.library.trash", "models_backend.library.backup", "cv2", "PIL.Image",
)  # fmt: skip


def load() -> None:
    """Imports all that the children need; slow once, so that each of them starts in milliseconds."""
    for name in _LOADED:
        importlib.import_module(name)
    import torch

    from models_backend.workers.registry import descriptions

    torch.set_num_threads(1)
    descriptions()


# ------------------------------------------------------------------------------------------------ making it


def fill(library: Library) -> None:
    """A data set, a run of two steps with its checkpoints, a sample with a trace, a job."""
    from models_backend.contract.run_layout import JobRecord

    fill_sample(library)
    library.put_job(JobRecord("job-first", "train", "First", FIRST, 1.0, 1.0))
    make_run(library.layout.root, FIRST, steps=4, checkpoint_every=1, validate_every=1, preview_every=1)
    train(library.layout.root, FIRST, until=2)


def fill_sample(library: Library) -> None:
    """Four small pictures and the six states they went through."""
    trace = {"x": np.random.default_rng(1).standard_normal((6, 4, 1, 8, 8)).astype(np.float16)}
    library.create_sample(records.sample_record(SAMPLE, FIRST, count=4), records.pictures(4), trace)


def make_run(root: Path, name: str, **training: Any) -> None:
    """A run of DDPM, tiny, on points, with few sampling steps."""
    from models_backend.data import builtin
    from models_backend.engine.creation import Wish, record_of
    from models_backend.workers.registry import descriptions

    library = Library.open(root, own=False)
    family = next(d for d in descriptions() if d.key == "ddpm")
    dataset = builtin.make(library, POINTS)
    wish = Wish(family, dataset, "tiny", training=EXACT | training, sampling={"steps": 2}, title=name)
    library.create_run(record_of(wish, name))


def pictures(folder: Path, count: int = 6, side: int = 24) -> list[Path]:
    """Pictures of their own each, in two classes, one of them unreadable."""
    import cv2

    made = []
    for n in range(count):
        path = folder / ("cats" if n % 2 else "dogs") / f"{n:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(zlib.crc32(path.name.encode())).integers(0, 256, (side, side, 3), dtype=np.uint8)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes() if n else b"no picture")
        made.append(path)
    return made


# ------------------------------------------------------------------------------------------------ training


def train(root: Path, name: str, until: int = 0, told: Callable[[Any], None] = lambda body: None) -> int:
    """The real worker's job on a run, to its end or (by a real request to stop) until step ``until``. The exit status: 0 ended,
    1 failed in plain words; what is neither a TroubleError nor the disk's is raised."""
    from models_backend.workers.training import TrainingJob

    class Job(TrainingJob):
        def _fail(self, error: Exception) -> None:
            super()._fail(error)
            if not isinstance(error, TroubleError | OSError):
                raise error

    library = Library.open(root, own=False)
    run = library.run(name)
    with run.lock_worker():
        return Job(library, run, "cpu", lambda job: equipped(job, until, told)).carry_out()


def equipped(job: Any, until: int, told: Callable[[Any], None]) -> tuple[Any, Any]:
    """The real trainer, which is asked to stop at ``until`` and tells ``told`` after each event is kept."""
    from models_backend.workers import training

    keep = job.tell
    job.tell = lambda body: (keep(body), told(body))
    trainer, answers = training.equipped(job)
    go = trainer.run

    def between(trainer: Any, given: Callable[[Any], None]) -> None:
        given(trainer)
        if until and trainer.step >= until:
            trainer.request_stop()

    trainer.run = lambda given: go(lambda trainer: between(trainer, given))
    return trainer, answers


def weight_hash(root: Path, name: str) -> str:
    """sha256 over weights, averaged weights and optimiser of a run's newest good checkpoint, and its step."""
    layout, reasons = Library.open(root, own=False).run(name).newest_good()
    assert layout is not None and not reasons, f"{name}: {reasons}"
    digest = hashlib.sha256(layout.name.encode())
    for path in sorted(layout.root.glob("*.safetensors")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def finish(root: Path, name: str) -> str:
    """Trains a run to its end, however it was left; its weight hash."""
    run = Library.open(root, own=False).run(name)
    if run.state()[0] != "finished":
        assert train(root, name) == 0, "the run could not be resumed"
    assert run.state() == ("finished", run.record().training["steps"]), run.state()
    numbered(root, name)
    return weight_hash(root, name)


def numbered(root: Path, name: str) -> int:
    """How many events a run has; each of 1..n must be there once."""
    told = [event.seq for event in Library.open(root, own=False).run(name).events()]
    assert told == list(range(1, len(told) + 1)), f"{name}: events {told}"
    return len(told)


def saved_steps(root: Path, name: str) -> list[int]:
    """The steps of which the events say that they were saved."""
    events = Library.open(root, own=False).run(name).events()
    return [event.body.step for event in events if isinstance(event.body, Saved)]


# ------------------------------------------------------------------------------------------------ importing


class Decoder:
    """The real confined decoder, started once: every import in a forked child asks it for children of its own."""

    def __init__(self) -> None:
        from models_backend.data.pool import Nursery

        self._nursery = Nursery()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Imports inside the block (and in children forked in it) use it."""
        from models_backend.data import importing, pool

        nursery = self._nursery

        class Pool(pool.Pool):
            def __init__(self) -> None:
                with mock.patch.object(pool, "Nursery", lambda: nursery):
                    super().__init__(2)

            def __exit__(self, *_: object) -> None:
                return

        with mock.patch.object(importing, "Pool", Pool):
            yield

    def close(self) -> None:
        self._nursery.close()


def import_pictures(root: Path, paths: list[Path]) -> str:
    """As the engine does it: the import, then the index is told. The data set's id."""
    from models_backend.data.importing import import_paths

    with Library.open(root) as library:
        record, _ = import_paths(library, paths, "Pictures")
        library.notice("dataset", record.id)
    return record.id


def content(root: Path, dataset: str) -> str:
    """sha256 over what a data set is: its items and its arrays."""
    folder = Library.open(root, own=False).dataset(dataset)
    record, report = folder.record(), folder.report()
    assert len(folder.items()) == record.count == report.imported
    digest = hashlib.sha256(json.dumps([msgspec.to_builtins(item) for item in folder.items()]).encode())
    for path in sorted(folder.layout.cache.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def names_of(items: list[Item]) -> list[str]:
    """The sources' names."""
    return [Path(item.source).name for item in items]


# ------------------------------------------------------------------------------------------------ exporting


def exports(out: Path) -> list[Export]:
    """One of each kind of export."""
    return [
        Export(SAMPLE, str(out / "sheet.png"), "png", "sheet", scale=2),
        Export(SAMPLE, str(out / "items"), "png", "items", scale=2),
        Export(SAMPLE, str(out / "trace.gif"), "gif", "trace", scale=2),
        Export(SAMPLE, str(out / "trace.webm"), "webm", "trace", scale=2),
        Export(FIRST, str(out / "weights.safetensors"), "safetensors", "weights"),
    ]


def export_all(root: Path, out: Path, said: Callable[[str], None] = lambda path: None) -> None:
    """Writes every export and remembers it; ``said`` hears of each file that is done."""
    from models_backend.media.export import export

    library = Library.open(root, own=False)
    out.mkdir(exist_ok=True)
    for request in exports(out):
        for path in export(library, request):
            said(str(path))
            library.note_export(path, request.source, request.format)


def files(folder: Path) -> dict[str, str]:
    """Name -> sha256 of everything below a folder but temporary names; of films what they show (their dates differ)."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".tmp-"))
    return {str(p.relative_to(folder)): _shown(p) if p.suffix == ".webm" else _bytes(p) for p in found}


def _bytes(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _shown(path: Path) -> str:
    """sha256 over the frames of a film, their number, and the record that it carries."""
    import cv2

    from models_backend.library import provenance

    film, digest, count = cv2.VideoCapture(str(path)), hashlib.sha256(), 0
    while (frame := film.read()[1]) is not None:
        digest.update(frame.tobytes())
        count += 1
    film.release()
    return f"{count} frames {digest.hexdigest()} of {getattr(provenance.read(path), 'id', 'nothing')}"


# ------------------------------------------------------------------------------------------------ looking


def standing(root: Path) -> dict[str, str]:
    """sha256 of everything that was committed before and that nothing here may change."""
    kept = {}
    for part in ("datasets", "samples", "jobs"):
        kept |= {f"{part}/{name}": digest for name, digest in files(root / part).items()}
    return kept


def copied(root: Path, run: str, folder: Path) -> Path:
    """A library of its own with one run and its data set."""
    target = folder / "copy"
    shutil.rmtree(target, ignore_errors=True)
    record = Library.open(root, own=False).run(run).record()
    for inside in (f"runs/{run}", f"datasets/{record.dataset}"):
        subprocess.run(["cp", "-a", "--parents", inside, _made(target)], cwd=root, check=True)
    shutil.copy2(root / "library.json", target)
    return target


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
