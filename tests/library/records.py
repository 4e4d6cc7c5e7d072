"""Records and small contents for the library's tests."""

from __future__ import annotations

import numpy as np

from models_backend.contract.family import DataSpec
from models_backend.contract.grids import GridAxis, GridCell
from models_backend.contract.messages import Metrics, Saved, State
from models_backend.contract.run_layout import CheckpointState, DatasetRecord, Item, RunRecord, SampleRecord
from models_backend.library import datasets
from models_backend.library.library import Library
from models_backend.library.runs import RunFolder

SPEC = DataSpec("image", (1, 8, 8), 4, ("round", "square"))


def run_record(name: str = "run-a", dataset: str = "", created: float = 1.0, **changes) -> RunRecord:
    """A run's record."""
    fields = {"title": f"Run {name}", "family": "ddpm", "preset": "tiny", "config": {"width": 8}}
    fields |= {"training": {}, "sampling": {}, "data": {}}
    return RunRecord(id=name, dataset=dataset, spec=SPEC, created=created, **{**fields, **changes})


def sample_record(name: str = "sample-a", run: str = "", count: int = 2, created: float = 1.0, **changes) -> SampleRecord:
    """A sample's record."""
    fields = {"title": f"Sample {name}", "family": "ddpm", "checkpoint": "", "modality": "image", "seed": 0}
    fields |= {"sampling": {}, "conditions": {}}
    return SampleRecord(id=name, run=run, count=count, created=created, **{**fields, **changes})


def grid(name: str = "grid-a", title: str = "Steps by seed", **changes) -> list[SampleRecord]:
    """The cells of a grid of two rows and three columns, row by row; the one at the start was made first."""
    steps, seeds = GridAxis("steps", "Steps", (5, 10, 20)), GridAxis("seed", "Seed", (1, 2))
    cells = [GridCell(name, steps, seeds, row, column) for row in range(2) for column in range(3)]
    return [
        sample_record(f"{name}-{n * 5 % 6}", count=1, created=5 + 0.1 * n, title=title, seed=seeds.values[cell.row],
                      sampling={"steps": steps.values[cell.column]}, grid=cell, **changes)
        for n, cell in enumerate(cells)
    ]  # fmt: skip


def items() -> list[Item]:
    """Four items in two classes."""
    return [Item(f"/pictures/{n}.png", sha256=f"{n:064x}", label=n % 2, width=8, height=8) for n in range(4)]


def dataset_record(found: list[Item] | None = None, **changes) -> DatasetRecord:
    """The record of :func:`items` (or of those given)."""
    found = items() if found is None else found
    mark = datasets.fingerprint(found)
    fields = {"title": "Shapes", "modality": "image", "classes": ("round", "square"), "created": 1.0}
    return DatasetRecord(id=mark[:16], fingerprint=mark, count=len(found), **{**fields, **changes})


def pictures(count: int = 2, seed: int = 0) -> np.ndarray:
    """(N, 8, 8, 1) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def weights(step: int) -> dict[str, bytes]:
    """Two files that depend on the step."""
    return {"net.safetensors": f"net {step} ".encode() * 500, "optimiser.safetensors": f"optimiser {step} ".encode() * 500}


def state(step: int) -> CheckpointState:
    """A checkpoint's state."""
    return CheckpointState(step, 0, "hash", "data", 1, "fp32")


def train(run: RunFolder, first: int, last: int) -> None:
    """Steps with metrics; a checkpoint and its event at the end."""
    run.append(State("running", first))
    for step in range(first, last + 1):
        run.append(Metrics(step, {"loss": 1.0 / (1 + step)}))
    layout = run.save_checkpoint(last, weights(last), state(last))
    run.append(Saved(last, f"checkpoints/{layout.name}"))


def fill(library: Library) -> None:
    """A data set, a run with two checkpoints, a sample and a job."""
    from models_backend.contract.run_layout import JobRecord

    found = dataset_record()
    library.create_dataset(found, items(), arrays={"8": pictures(4)})
    run = library.create_run(run_record("run-a", found.id))
    train(run, 1, 3)
    train(run, 4, 6)
    run.close()
    library.create_sample(sample_record("sample-a", "run-a"), pictures())
    library.put_job(JobRecord("job-a", "train", "Run run-a", "run-a", 1.0, 1.0))
