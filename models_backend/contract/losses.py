"""Which losses have a common scale."""

from __future__ import annotations

from typing import Any

from .family import FamilyDescription
from .run_layout import RunRecord

#: The settings of a family that decide what its loss measures.
LOSS_SETTINGS = ("prediction", "weighting", "distance", "game")


def loss_kind(record: RunRecord, family: FamilyDescription | None) -> dict[str, Any]:
    """What the loss of a run measures: that of a network which predicts noise, or the like, is the same in every family."""
    fields = family.config.fields if family is not None else ()
    told = {field.name: record.config.get(field.name, field.default) for field in fields if field.name in LOSS_SETTINGS}
    return told if "prediction" in told else {"family": record.family, **told}
