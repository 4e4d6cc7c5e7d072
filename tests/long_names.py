"""Names as long and as odd as people give them, put on everything that the scripted library has."""

from __future__ import annotations

import msgspec
from scripted import ScriptedEngine

from models_backend.contract.messages import Health, HealthLine, Remedy

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
    for position, data in enumerate(library.sets.values()):
        classes = tuple(f"{n} {name(n)}" for n in range(len(data._record.classes)))
        changes = {"title": name(position), "classes": classes, "roots": ("/home/somebody/" + NO_SPACE,)}
        data._record = msgspec.structs.replace(data._record, **changes)
        for place, item in enumerate(data._items):
            item.caption, item.source = name(place), f"{place}/{NO_SPACE}"
        if data._report is not None and data._report.labels:
            notes = (*data._report.notes, *NAMES)
            labels = dict.fromkeys(classes, 24)
            data._report = msgspec.structs.replace(data._report, labels=labels, notes=notes)
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
        job.reason = "" if job.state == "running" else f"waits for cpu, where {REAL} runs"
    failed = msgspec.structs.replace(engine._jobs[-1], id="job-failed", state="failed", reason=f"{REAL}: {HUGE}")
    engine._jobs.append(failed)
