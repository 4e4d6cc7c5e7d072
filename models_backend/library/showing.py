"""How a data set reaches a model: the settings kept with it, those it begins with, and the data as the model then sees them."""

from __future__ import annotations

from typing import Any

from models_backend.contract import fields
from models_backend.contract.family import DataSpec
from models_backend.contract.run_layout import DatasetRecord
from models_backend.contract.settings import DataSettings

#: Pictures are first shown at their own size up to this side; larger ones are shrunk to it.
LARGEST_PX = 64
#: Networks halve a picture up to three times: sides are multiples of so many px where nobody chose another.
STEP_PX = 8
#: Where nothing is known of the sizes.
USUAL_PX = 32

DATA = fields.describe(DataSettings, "data")


def first_resolution(record: DatasetRecord) -> int:
    """The side to begin with: small pictures of one square size keep it, others the largest multiple of 8 that nine in ten
    have, up to 64."""
    shape = record.shape if record.modality == "image" and len(record.shape) == 3 else ()
    if shape and shape[1] == shape[2] and STEP_PX <= shape[1] <= LARGEST_PX and shape[1] % 4 == 0:
        return int(shape[1])
    side = record.side or (min(shape[1:]) if shape else USUAL_PX)
    return max(STEP_PX, min(LARGEST_PX, side // STEP_PX * STEP_PX))


def seen_at(record: DatasetRecord) -> str:
    """In a sentence: at which resolution models see the pictures of a data set, and why. "" of points."""
    if record.modality != "image":
        return ""
    side, own = data_settings(record)["resolution"], set(record.shape[1:])
    if side != first_resolution(record):
        why = ", as it is set for these data"
    elif own == {side}:
        why = ", their own size"
    elif (record.side or min(own, default=0)) < side:
        why = f": no model sees less than {STEP_PX} px" if record.side else ", for nothing is known of their sizes"
    elif side == LARGEST_PX:
        why = ": larger pictures are shrunk to that"
    else:
        why = f": the largest multiple of {STEP_PX} px that nine in ten have"
    return f"models see pictures at {side} × {side} px{why}; `--set resolution=N` of `edit` or `train` changes that"


def first_settings(record: DatasetRecord) -> dict[str, Any]:
    """Plain DataSettings that a data set begins with."""
    whole = fields.defaults(DATA)
    return fields.merged(whole, {"resolution": first_resolution(record)}) if record.modality == "image" else whole


def data_settings(record: DatasetRecord) -> dict[str, Any]:
    """The plain DataSettings of a data set: those to begin with, and over them what the user changed."""
    known = {name: value for name, value in record.settings.items() if any(f.name == name for f in DATA.fields)}
    return fields.merged(first_settings(record), known)


def changes_of(record: DatasetRecord, values: dict[str, Any]) -> dict[str, Any] | None:
    """What of plain DataSettings is not as a data set begins with it; None where all is."""
    first = first_settings(record)
    return {name: value for name, value in values.items() if first.get(name) != value} or None


def check_settings(values: dict[str, Any]) -> None:
    """FieldError with every value that does not fit."""
    problems = fields.check(DATA, values)
    if problems:
        raise fields.FieldError(problems)


def kept_showing(record: DatasetRecord, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """In which settings a run of ``data`` shows pictures otherwise than the data set now says, in words, and what that says;
    "" and nothing where none differs."""
    said = {name: value for name, value in data_settings(record).items() if data.get(name, value) != value}
    if record.modality != "image" or not said:
        return "", {}
    kept = ", ".join(f"{name} {written(data[name])} (of the data set: {written(said[name])})" for name in said)
    return f"pictures are shown as the run showed them: {kept}", said


def written(value: object) -> str:
    """A plain value as ``--set`` takes it."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def spec_of(record: DatasetRecord, data: dict[str, Any], shape: tuple[int, ...], fingerprint: str) -> DataSpec:
    """The data as the model sees them: items of that shape, told as the settings want it."""
    told = data.get("conditions", "auto")
    return DataSpec(
        record.modality, shape, record.kept,
        record.classes if told != "none" else (),
        record.captioned and told == "auto",
        fingerprint,
        record.attributes if told != "none" else (),
        levels_of(record, shape),
    )  # fmt: skip


def levels_of(record: DatasetRecord, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The few values that pictures hold, where the model sees them as they are: enlarged or shrunk ones hold others."""
    return tuple(record.options.get("levels", ())) if tuple(record.shape) == tuple(shape) else ()


def shape_of(record: DatasetRecord, data: dict[str, Any]) -> tuple[int, ...]:
    """The shape of one item: (C, H, W) of a picture, (D,) of a point."""
    if record.modality != "image":
        return tuple(record.shape)
    channels = {"grey": 1, "rgb": 3}.get(data["channels"], record.channels)
    return (channels, data["resolution"], data["resolution"])
