"""Making a run: settings laid over the preset's and checked against the family's description, before any time is spent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib import metadata
from typing import Any

import msgspec

from models_backend.contract.family import FamilyDescription, Part, Preset, starting_preset, works_in
from models_backend.contract.fields import FieldError, FieldSpec, Problem, check, defaults, describe, merged
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, RunRecord
from models_backend.contract.settings import TrainingSettings, fitted
from models_backend.contract.suiting import facts, lacking
from models_backend.contract.words import counted, noun, series
from models_backend.library.showing import DATA, data_settings, shape_of, spec_of

RECORDED = ("nexus-studio", "torch", "diffusers", "numpy")

TRAINING = describe(TrainingSettings, "training")


def preset_of(family: FamilyDescription, name: str) -> Preset:
    """The named preset, or the one to start from for "". Raises TroubleError that lists what there is."""
    if not family.presets and not name:
        return Preset("", "Defaults")
    found = next((p for p in family.presets if p.name == name), None) if name else starting_preset(family.presets)
    if found is None:
        there = ", ".join(p.name for p in family.presets)
        raise TroubleError(f"there is no preset {name}", family.title, advice=f"Use one of {there}")
    return found


def settled(spec: FieldSpec, *layers: dict[str, Any]) -> dict[str, Any]:
    """The spec's defaults with layers of changes over them, checked. Raises FieldError with every problem."""
    values = defaults(spec)
    for layer in layers:
        values = merged(values, layer)
    problems = check(spec, values)
    if problems:
        raise FieldError(problems)
    return values


def data_values(dataset: DatasetRecord, changes: dict[str, Any]) -> dict[str, Any]:
    """Plain DataSettings for a run: the data set's own, with changes over them. Raises FieldError."""
    return settled(DATA, data_settings(dataset), changes)


def check_modality(family: FamilyDescription, dataset: DatasetRecord) -> None:
    """Raises TroubleError where the family cannot learn this kind of data."""
    if dataset.modality not in family.modalities:
        made = series(map(noun, family.modalities))
        raise TroubleError(
            f"{family.title} makes {made}, but these data are {noun(dataset.modality)}",
            dataset.title,
            advice="Choose another data set or another family",
        )


def check_data(family: FamilyDescription, dataset: DatasetRecord, learned: str = "auto") -> None:
    """Raises TroubleError where the family cannot learn these data: what a run is to learn of them (``learned``: "auto",
    "classes" or "none") are too few or too many classes."""
    if missing := lacking(family, facts(dataset, learned=learned)):
        what = f"{family.title} cannot learn these data: it {missing[:1].lower()}{missing[1:]}"
        raise TroubleError(what, dataset.title, "No run was made", "Choose another data set or another family")


def check_parts(
    family: FamilyDescription, parts: dict[str, str], families: dict[str, FamilyDescription], runs: dict[str, RunRecord]
) -> None:
    """Raises FieldError where a part is missing, unknown, or of a run that does not provide what is needed."""
    known = {part.name: part for part in family.uses}
    there = f"there are {', '.join(known)}" if known else f"{family.title} uses none"
    problems = [
        Problem(f"parts.{name}", run, f"left out: there is no such part ({there})")
        for name, run in parts.items()
        if name not in known
    ]
    for part in family.uses:
        run = runs.get(parts.get(part.name, ""))
        provides = families[run.family].provides if run and run.family in families else ()
        missing = not parts.get(part.name)
        if (missing and not part.optional) or (not missing and part.kind not in provides):
            wanted = f"a finished run of {makers(part, families.values())}, trained before (--part {part.name}=RUN)"
            problems.append(Problem(f"parts.{part.name}", parts.get(part.name), wanted))
    if problems:
        raise FieldError(problems)


def makers(part: Part, families: Iterable[FamilyDescription]) -> str:
    """The families whose runs can be that part, in words."""
    return " or ".join(sorted(f.title for f in families if part.kind in f.provides)) or part.kind


def versions() -> dict[str, str]:
    """Versions of what shapes a run's numbers."""
    found = {}
    for name in RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def settings_of(family: FamilyDescription, preset: Preset, config: dict, training: dict, sampling: dict) -> dict[str, Any]:
    """The changes over a preset, checked, by group: what can be told before the data are known. Raises FieldError."""
    return {
        "config": settled(family.config, preset.config, config),
        "training": fitted(settled(TRAINING, preset.training, training), training),
        "sampling": settled(family.sampling, preset.sampling, sampling),
    }


def check_steps(steps: int) -> None:
    """Raises FieldError for a number of steps that no run may have."""
    settled(TRAINING, {"steps": steps})


def check_batch(batch: int, preset: Preset, items: int) -> None:
    """Raises FieldError for a batch that was asked for and is larger than the data: its items would stand in it several times,
    for memory and time that teach nothing more. The preset's own may be, so that few items need no setting."""
    most = max(items, int(settled(TRAINING, preset.training)["batch_size"]))
    if batch > most:
        wanted = f"at most {most:,} (the data have {counted(items, 'item')})"
        raise FieldError([Problem("training.batch_size", batch, wanted)])


class Wish(msgspec.Struct):
    """What the user asked for: changes over a preset. ``fingerprint``: of the data as they are now (the import's where it is
    not said); ``unseen``: its classes without items."""

    family: FamilyDescription
    dataset: DatasetRecord
    preset: str = ""
    config: dict[str, Any] = {}
    training: dict[str, Any] = {}
    data: dict[str, Any] = {}
    parts: dict[str, str] = {}
    sampling: dict[str, Any] = {}
    title: str = ""
    fingerprint: str = ""
    unseen: tuple[str, ...] = ()


def same_training(record: RunRecord, wish: Wish) -> bool:
    """Whether a run was trained as the wish says; how it is sampled is left aside."""
    if record.family != wish.family.key or record.dataset != wish.dataset.id or record.extended:
        return False
    wanted = record_of(wish, record.id)
    if settled(DATA, record.data) != wanted.data:  # an older run may lack a setting that came since
        return False
    asked = settled(TRAINING, preset_of(wish.family, wish.preset).training, wish.training)
    if record.training not in (wanted.training, asked):  # older runs keep what is done every so many steps as it was asked for
        return False
    return record.config == wanted.config and record.parts == wanted.parts


def record_of(wish: Wish, run_id: str) -> RunRecord:
    """The run's record. Raises FieldError or TroubleError, naming the field or the item."""
    check_modality(wish.family, wish.dataset)
    data = data_values(wish.dataset, wish.data)
    check_data(wish.family, wish.dataset, data["conditions"])
    preset = preset_of(wish.family, wish.preset)
    if "batch_size" in wish.training:
        check_batch(settled(TRAINING, preset.training, wish.training)["batch_size"], preset, wish.dataset.kept)
    spec = spec_of(wish.dataset, data, shape_of(wish.dataset, data), wish.fingerprint or wish.dataset.fingerprint)
    named = f"{wish.family.title} on {wish.dataset.title}"
    return RunRecord(
        id=run_id,
        title=wish.title or ", ".join(filter(None, (named, works_in(wish.family.uses, wish.parts, spec.modality)))),
        family=wish.family.key,
        dataset=wish.dataset.id,
        preset=preset.name,
        **settings_of(wish.family, preset, wish.config, wish.training, wish.sampling),
        data=data,
        spec=msgspec.structs.replace(spec, unseen=wish.unseen if spec.classes else ()),
        created=time.time(),
        parts=wish.parts,
        versions=versions(),
    )
