"""What is to be said of data before a model is trained on them, where none of it keeps the rest from being learned, and when
they go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import msgspec

from models_backend.contract.family import Condition, heard
from models_backend.contract.messages import Trouble, TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, RunRecord
from models_backend.contract.words import counted, series

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


class Users(msgspec.Struct, frozen=True):
    """Titles of the runs that something is needed by when it goes: those that learn from it now, those that were trained on
    it, those it is a part of."""

    learning: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()
    built_on: tuple[str, ...] = ()

    def needing(self) -> str:
        """What becomes of runs that do not learn now, a sentence each; "" for none."""
        said = []
        if self.trained:
            they = "it needs" if len(self.trained) == 1 else "they need"
            said.append(f"{counted(len(self.trained), 'run was', 'runs were')} trained on it ({_named(self.trained)}): {they} "
                        "it to be trained further and evaluated; samples can still be made")  # fmt: skip
        if self.built_on:
            they = "it needs" if len(self.built_on) == 1 else "they need"
            said.append(f"{counted(len(self.built_on), 'run has', 'runs have')} it as a part ({_named(self.built_on)}): {they} "
                        "it to be trained further and to make samples")  # fmt: skip
        return ". ".join(said)

    def trouble(self, title: str, back: str) -> Trouble | None:
        """What becomes of runs that learn from ``title`` now; ``back`` says how it is brought back ("Undo")."""
        if not self.learning:
            return None
        what = f"{series(f'“{name}”' for name in self.learning)} was learning from it"
        advice = f"{back} before the training is resumed: then it needs the data again"
        return Trouble(what, title, "The training goes on with what it has read", advice)


def users(kind: str, key: str, runs: Iterable[RunRecord], live: Callable[[str], bool], going: Collection[str] = ()) -> Users:
    """Who needs a thing ("dataset", "run", "sample") that goes, but for runs that are ``going`` too; ``live`` tells whether a
    run, by its id, is in training."""
    left = [run for run in runs if run.id not in going and run.id != key]
    of = [(run.title, live(run.id)) for run in left if kind == "dataset" and run.dataset == key]
    return Users(
        tuple(title for title, learning in of if learning),
        tuple(title for title, learning in of if not learning),
        tuple(run.title for run in left if kind == "run" and key in run.parts.values()),
    )


def _named(titles: Sequence[str]) -> str:
    more = f" and {len(titles) - NAMED:,} more" if len(titles) > NAMED else ""
    return ", ".join(f"“{title}”" for title in titles[:NAMED]) + more
