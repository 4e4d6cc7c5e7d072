"""Names as long and as odd as people give them, put on everything that the scripted library has."""

from __future__ import annotations

import msgspec
from scripted import ScriptedEngine
from scripted_library import stored_dataset

from models_backend.contract.messages import Health, HealthLine, Remedy
from models_backend.library.datasets import DatasetFolder

REAL = "Conditional diffusion transformer 12 · Handwritten digits of the second collection, cleaned, without duplicates 8 × 8"
NO_SPACE = "photographs_" + "2026-11-30T09-17-" * 18 + ".tar.gz"
CJK = "条件付き拡散モデル・手書き数字の第二コレクション、" * 8
RTL = "نموذج الانتشار المشروط للأرقام المكتوبة بخط اليد من المجموعة الثانية " * 4
LINES = "first line of a name\nsecond line\tafter a tab\n" * 6
MARKUP = "<b>bold</b> & <img src=/dev/zero> “quoted” " * 6
HUGE = "T" * 20_000
NAMES = (REAL, NO_SPACE, CJK, RTL, LINES, MARKUP, HUGE)


def name(position: int) -> str:
    """The n-th of the names, round and round."""
    return NAMES[position % len(NAMES)]


def give_long_names(engine: ScriptedEngine) -> None:
    """Renames data sets, classes, items, runs, jobs and samples; one more job fails with a long reason."""
    library = engine.library
    for position, key in enumerate(library.sets):
        library.sets[key] = _renamed(library.sets[key], position)
    for position, run in enumerate(library.folders.values()):
        spec = msgspec.structs.replace(run._record.spec, classes=library.dataset(run._record.dataset).record().classes)
        run._record = msgspec.structs.replace(run._record, title=name(position), spec=spec)
        for event in run.log:
            if isinstance(event.body, Health):
                event.body.lines.append(HealthLine("loss_trend", "bad", REAL + " " + NO_SPACE, Remedy(REAL, live=True)))
    for position, sample in enumerate(library.made.values()):
        sample._record = msgspec.structs.replace(sample._record, title=name(position), tags=(NO_SPACE, CJK))
    for job in engine._jobs:
        job.title = library.run(job.run).record().title
        job.reason = "" if job.state == "running" else f"waits for cpu, which {REAL} has"
    failed = msgspec.structs.replace(engine._jobs[-1], id="job-failed", state="failed", reason=f"{REAL}: {HUGE}")
    engine._jobs.append(failed)


def _renamed(data: DatasetFolder, position: int) -> DatasetFolder:
    """The same items under a long title, in classes with long names, with long captions and files."""
    record, items, report = data.record(), data.items(), data.report()
    classes = tuple(" ".join(f"{n} {name(n)}"[:400].split()) for n in range(len(record.classes)))
    record = msgspec.structs.replace(record, title=name(position), classes=classes, roots=("/home/somebody/" + NO_SPACE,))
    for place, item in enumerate(items):
        item.caption, item.source = name(place), f"{place}/{NO_SPACE}"
    if report.labels:
        labels = {one: len(items) // len(classes) for one in classes}
        report = msgspec.structs.replace(report, labels=labels, notes=(*report.notes, *NAMES))
    return stored_dataset(data.layout, record, items, report)
