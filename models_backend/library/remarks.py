"""What is to be said of data before a model is trained on them; none of it keeps the rest from being learned."""

from __future__ import annotations

from collections.abc import Iterable

from models_backend.contract.family import Condition, heard
from models_backend.contract.run_layout import DatasetRecord, DoctorReport

from .showing import shape_of, spec_of


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
        verb = "item has" if without == 1 else "items have"
        them = "It is" if without == 1 else "They are"
        said.append(f"{without:,} of {record.kept:,} {verb} no caption. {them} learned without words.")
    if "class" in heard(conditions, spec_of(record, data, shape_of(record, data), "")):
        said += [f"The class “{name}” has one item only: it can be learned by heart at most."
                 for name in [name for name, count in report.labels.items() if count == 1][:1]]  # fmt: skip
        empty = [name for name, count in report.labels.items() if count == 0]
        said += [f"Nothing is of the class “{empty[0]}”, so it cannot be asked for."] if empty else []
    return said
