"""``nexus-studio demo``: real handwritten digits, a model trained from scratch, a recorded trace, and a report.

The whole path that the window takes, without a window: data set, run, training worker, sampling with a trace,
export. The family is the one that declares a preset named "demo".
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from models_backend.contract import measures
from models_backend.contract.family import FamilyDescription
from models_backend.contract.messages import Evaluate, Event, Export, Mark, Metrics, Sample, State, TroubleError
from models_backend.contract.pace import Pace
from models_backend.contract.run_layout import DatasetRecord, RunRecord
from models_backend.contract.words import counted
from models_backend.engine.engine import Engine
from models_backend.engine.terminal import Reporter
from models_backend.library import storage
from models_backend.library.library import Library
from models_backend.media.charts import curves
from models_backend.workers import report

PRESET = "demo"
COUNT = 100
#: Samples that are measured, and what of them the report tells.
MEASURED = 500
TOLD = ("sure", "least_class", "class_entropy", "near_copies", "precision", "recall", "fd")


def main(argv: list[str]) -> int:
    """Run the demo; the exit status."""
    parser = argparse.ArgumentParser(prog="nexus-studio demo", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the demo's files")
    parser.add_argument("--library", type=Path, help="library to work in (default: OUT/library)")
    parser.add_argument("--seed", type=int, default=0, help="seed of training and samples")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a progress bar")
    options = parser.parse_args(argv)
    reporter = Reporter(as_json=options.json)
    try:
        asyncio.run(_demo(options, reporter))
    except TroubleError as error:
        reporter.error(error.trouble)
        return 1
    except KeyboardInterrupt:
        reporter.note("stopped; what was made so far is kept", "interrupted")
        return 130
    return 0


async def _demo(options: argparse.Namespace, reporter: Reporter) -> None:
    started = time.monotonic()
    out = options.out.resolve()
    storage.make_folder(out, storage.FOR_OTHERS)
    library = Library.open(options.library or out / "library")
    engine = Engine(library)
    try:
        await engine.start()
        family = _demo_family(await engine.described())
        reporter.note("importing the handwritten digits")
        dataset = await engine.make_builtin(_dataset_name(family))
        record = await engine.create_run(
            family.key, dataset.id, PRESET, training={"seed": options.seed}, title=f"{family.title} on digits"
        )
        reporter.note(f"training {family.title} from scratch on {counted(dataset.count, 'picture')}")
        await _train(engine, library, record, reporter)
        reporter.note(f"sampling {COUNT} digits and recording the trace")
        await _sample(engine, record, out, options.seed)
        reporter.note(f"measuring {MEASURED} others against digits held out from training")
        found = await engine.call(Evaluate(record.id, MEASURED, options.seed))
        _write_curves(library, record, out, family)
        took = time.monotonic() - started
        _write_report(out, family, dataset, record, found, took)
        reporter.done(f"Done in {took:.0f} s. Open {out / 'report.html'}", out=str(out), seconds=round(took, 1))
    finally:
        await engine.close()
        library.close()


def _demo_family(descriptions: list[FamilyDescription]) -> FamilyDescription:
    for family in descriptions:
        if any(p.name == PRESET for p in family.presets):
            return family
    raise TroubleError("no family declares a preset named demo", advice="reinstall the studio")


def _dataset_name(family: FamilyDescription) -> str:
    """The data set that the family's own proof on digits uses, so that the preset fits its resolution."""
    return next((p.dataset for p in family.proofs if p.dataset.startswith("digits")), "digits")


async def _train(engine: Engine, library: Library, record: RunRecord, reporter: Reporter) -> None:
    """Submit the run and wait for its end, telling how far it is. Raises TroubleError if it fails."""
    ended: asyncio.Future[State] = asyncio.get_running_loop().create_future()
    total, pace = record.training["steps"], Pace()

    def hear(event: Event) -> None:
        if event.source != record.id:
            return
        if isinstance(event.body, Metrics) and "loss" in event.body.values:
            pace.mark(event.time, event.body.step)
            reporter.progress(event.body.step, total, f"loss {event.body.values['loss']:.4f}", pace)
        elif isinstance(event.body, Mark):
            pace.forget()
        if isinstance(event.body, State) and event.body.state in ("finished", "failed", "stopped") and not ended.done():
            ended.set_result(event.body)

    unsubscribe: Callable[[], None] = engine.subscribe(hear)
    try:
        await engine.submit(record.id)
        state = await ended
    finally:
        unsubscribe()
    if state.state != "finished":
        raise TroubleError(f"training ended as {state.state}: {state.reason}", item=record.title,
                           advice=f"see {library.run(record.id).layout.log}")  # fmt: skip


async def _sample(engine: Engine, record: RunRecord, out: Path, seed: int) -> None:
    made = await engine.call(Sample(run=record.id, count=COUNT, seed=seed, trace=16, title="demo"))
    await engine.call(Export(source=made.sample, path=str(out / "samples.png"), format="png", what="sheet", scale=6))
    wanted = Export(made.sample, str(out / "denoising.mp4"), "mp4", "trace", hold=True, scale=12)
    film = await engine.call(wanted)
    written = Path(film[0])
    if written.parent != out:
        shutil.copy2(written, out / written.name)


def _write_curves(library: Library, record: RunRecord, out: Path, family: FamilyDescription) -> None:
    series: dict[str, tuple[list[float], list[float]]] = {"train": ([], []), "validation": ([], [])}
    for event in library.run(record.id).events():
        if isinstance(event.body, Metrics):
            for name, key in (("train", "loss"), ("validation", "validation")):
                if key in event.body.values:
                    series[name][0].append(event.body.step)
                    series[name][1].append(event.body.values[key])
    series["train"] = _smoothed(*series["train"])
    picture = curves(series, f"{family.title} on digits", "step", "loss (log scale)")
    with storage.open_new(out / "curves.png") as file:
        picture.save(file, "PNG")
    storage.share(out / "curves.png")


def _smoothed(xs: list[float], ys: list[float], weight: float = 0.9) -> tuple[list[float], list[float]]:
    """Exponential moving average with bias correction."""
    out, mean, mass = [], 0.0, 0.0
    for y in ys:
        mean, mass = weight * mean + (1 - weight) * y, weight * mass + (1 - weight)
        out.append(mean / mass)
    return xs, out


def _write_report(out: Path, family: FamilyDescription, dataset: DatasetRecord, record: RunRecord, found: dict[str, float],
                  took: float) -> None:  # fmt: skip
    film = next(p for p in (out / "denoising.mp4", out / "denoising.webm") if p.exists())
    rows = [
        ("Model", f"{family.title} ({family.paper})"),
        ("Data", f"{dataset.title}, {counted(dataset.count, 'picture')}, {'x'.join(map(str, record.spec.shape[1:]))}"),
        ("Steps", f"{record.training['steps']:,} of {counted(record.training['batch_size'], 'picture')}"),
        ("Learning rate", f"{record.training['learning_rate']:g}"),
        ("Seed", str(record.training["seed"])),
        ("Whole demo", f"{took:.0f} s"),
        ("Run", record.id),
    ]
    sections = [
        ("Samples", f"{COUNT} digits that no one wrote: made from noise by the trained model.",
         report.figure(out / "samples.png", "a sheet of generated handwritten digits")),
        ("Denoising", "The same model, step by step, from noise to digits.", report.figure(film, "noise turning into digits")),
        ("Learning", "Loss on the training pictures and on pictures held out from training.",
         report.figure(out / "curves.png", "loss curves")),
        ("How good they are", " ".join([f"{MEASURED} samples against {found['held_out']:.0f} digits held out from training.",
         *measures.warnings(found)]), report.table(told(found))),
        ("How it was made", "Every number that is needed to make it again.", report.table(rows)),
    ]  # fmt: skip
    text = report.page("Nexus Studio: digits from noise", family.summary, sections)
    storage.write_bytes(out / "report.html", text.encode())
    storage.share(out / "report.html")


def told(found: dict[str, float]) -> list[tuple[str, str]]:
    """The measures of ``TOLD`` that were had, each beside what real items reach."""
    return [(measures.title(name), _beside(name, found)) for name in TOLD if name in found]


def _beside(name: str, found: dict[str, float]) -> str:
    real, floor, ratio = (found.get(name + end) for end in (measures.REAL, measures.FLOOR, measures.RATIO))
    parts = [f"{found[name]:.3g}"]
    if floor is not None:
        parts.append(f"{floor:.3g} between real digits")
    if real is not None:
        parts.append(f"{real:.3g} of real digits" + (f", {ratio:.2f} times as much" if ratio is not None else ""))
    return " · ".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
