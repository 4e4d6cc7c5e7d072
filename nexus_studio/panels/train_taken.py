"""What of a run's settings cannot be taken into the set-up of a new one, in sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication

from models_backend.contract import fields
from models_backend.contract.fields import FieldSpec
from models_backend.contract.run_layout import LibraryLayout, RunRecord
from models_backend.contract.settings import TrainingSettings

from ..state.session import Session
from .train_forms import title_of

TRAINING = fields.describe(TrainingSettings, "training")


def sound(spec: FieldSpec, values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Plain values under the names that fields have now, without those that do not fit, and the titles of these."""
    values = fields.renamed(spec, values)
    inside = {field.name: field for field in spec.fields}
    unfit = [name for name, value in values.items() if name not in inside or fields.check(inside[name], value)]
    return {name: value for name, value in values.items() if name not in unfit}, [title_of(spec, name) for name in unfit]


def in_trash(layout: LibraryLayout) -> dict[str, str]:
    """The id of everything in the trash -> its title."""
    from models_backend.library import trash

    return {Path(entry.path).name: entry.title for entry in trash.entries(layout)}


def untaken(session: Session, record: RunRecord, trashed: dict[str, str]) -> list[str]:
    """What could not be taken over, with the reason for each."""
    family, said = session.catalogue.get(record.family), []
    if session.datasets.get(record.dataset) is None:
        chosen = session.datasets.current_record
        stays = tr("“{0}” stays chosen, as it is shown.").format(chosen.title) if chosen else tr("No data set is chosen.")
        said.append(tr("Its data set {0}: {1}").format(_where(record.dataset, trashed), stays))
    if family is None:
        said.append(tr("Its model “{0}” is not installed: preset and settings stay as they were.").format(record.family))
        return said
    if record.preset and all(preset.name != record.preset for preset in family.presets):
        said.append(tr("Its preset “{0}” is not there any more: its settings were taken one by one.").format(record.preset))
    unfit = [*sound(family.config, record.config)[1], *sound(TRAINING, record.training)[1]]
    if unfit:
        said.append(tr("Settings that do not fit this version stay as the preset has them: {0}.").format(", ".join(unfit)))
    for part in family.uses:
        run = record.parts.get(part.name, "")
        if run and session.runs.get(run) is None:
            said.append(tr("Its {0} {1}: choose another.").format(part.name.replace("_", " "), _where(run, trashed)))
    return said


def _where(item: str, trashed: dict[str, str]) -> str:
    gone = tr("is not in the library any more")
    return tr("“{0}” is in the trash").format(trashed[item]) if item in trashed else gone


def tr(text: str) -> str:
    return QCoreApplication.translate("UntakenSettings", text)
