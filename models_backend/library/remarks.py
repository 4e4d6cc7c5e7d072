"""What is to be said of data before a model is trained on them, where none of it keeps the rest from being learned, and when
they go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from models_backend.contract.family import Condition, heard
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport
from models_backend.contract.words import counted

from .recounting import empty
from .showing import shape_of, spec_of
from .source_paths import as_text

READABLE = "Pictures (JPEG, PNG, WebP, TIFF, GIF, ...), archives of them and tables of points (.csv, .tsv, .npy) can be read"
NAMED = 3  # runs that are named


def nothing_in(paths: Sequence[str | Path], what: str = "there is nothing in it", detail: str = "") -> TroubleError:
    """Why paths become no data set: they hold nothing, or ``what``."""
    item = ", ".join(as_text(Path(path).absolute()) for path in paths[:3])
    return TroubleError(what, item, "nothing was added; the sources are untouched", READABLE, detail)


def uncaptioned(conditions: Iterable[Condition], record: DatasetRecord, data: dict, report: DoctorReport) -> int:
    """How many items have no caption, where a family that takes these conditions would learn captions. They are learned as
    captions that were dropped are: without words."""
    spec = spec_of(record, data, shape_of(record, data), "")
    kinds = heard(tuple(conditions), spec)
    return record.kept - report.captioned if "text" in kinds else 0


def remarks(conditions: Iterable[Condition], record: DatasetRecord, data: dict, report: DoctorReport) -> list[str]:
    """Sentences on items without a caption and classes of one picture, where a family would learn them."""
    conditions, said = tuple(conditions), []
    if without := uncaptioned(conditions, record, data, report):
        have, them = ("has", "It is") if without == 1 else ("have", "They are")
        said.append(f"{without:,} of {counted(record.kept, 'item')} {have} no caption. {them} learned without words.")
    if "class" in heard(conditions, spec_of(record, data, shape_of(record, data), "")):
        said += [f"The class “{name}” has one item only: it can be learned by heart at most."
                 for name in [name for name, count in report.labels.items() if count == 1][:1]]  # fmt: skip
        said += [f"Nothing is of the class “{name}”, so it cannot be asked for." for name in empty(record.classes, report)[:1]]
    return said


def needing(titles: Sequence[str]) -> str:
    """What becomes of the runs of these titles where their data set is in the trash, in one sentence; "" for none."""
    if not titles:
        return ""
    named = ", ".join(f"“{title}”" for title in titles[:NAMED])
    more = f" and {len(titles) - NAMED:,} more" if len(titles) > NAMED else ""
    they = "it needs" if len(titles) == 1 else "they need"
    return (
        f"{counted(len(titles), 'run was', 'runs were')} trained on it ({named}{more}): {they} it to be trained further and "
        "evaluated; samples can still be made"
    )
