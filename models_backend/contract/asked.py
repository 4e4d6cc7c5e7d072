"""What a run can be asked for: which kinds of conditions, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .family import TOLD, Condition, DataSpec, heard
from .messages import TroubleError


def refuse_strangers(title: str, declared: Iterable[Condition], spec: DataSpec, values: Mapping[str, Any]) -> None:
    """TroubleError for a condition (kind -> value) that a run on such data does not take, of a family of that ``title`` with
    those conditions ``declared``."""
    declared = tuple(declared)
    taken = heard(declared, spec)
    strange = next((kind for kind, value in values.items() if kind not in taken and _is_said(value)), "")
    if strange:
        offer = "it takes " + ", ".join(taken) if taken else "it takes none"
        raise TroubleError(_refusal(strange, title, declared, spec), strange, advice=offer)


def _is_said(value: Any) -> bool:
    return value is not None and not (isinstance(value, (str, list, tuple, dict)) and not value)


def _refusal(kind: str, title: str, declared: Iterable[Condition], spec: DataSpec) -> str:
    """Why a run is not told conditions of this kind."""
    if not any(condition.kind == kind for condition in declared):
        return f"{title} has no condition of that kind"
    if kind == "class" and spec.classes:
        return "this run follows captions and has no condition for classes"
    return f"the data of this run have no {TOLD.get(kind, 'pictures')}, so it was trained without them"
