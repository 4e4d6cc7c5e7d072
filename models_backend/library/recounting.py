"""The counts of a data set's report that follow from its items alone, so that they follow the edits too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from models_backend.contract.run_layout import LEFT_OUT, DoctorReport, Item

MOST_SIZES = 200


def recounted(report: DoctorReport, items: Sequence[Item], classes: Sequence[str]) -> DoctorReport:
    """The report with its items counted anew; those that are left out count as that and as nothing else."""
    kept = [item for item in items if item.split != LEFT_OUT]
    sizes = Counter((item.width, item.height) for item in kept if item.width)  # points have none
    labels = Counter(item.label for item in kept)
    held_out = sum(item.split == "validation" for item in kept)
    exact = sum(item.exact for item in kept)
    return msgspec.structs.replace(
        report,
        exact_duplicates=exact,
        near_duplicates=sum(item.duplicate_of >= 0 for item in kept) - exact,
        sizes={f"{width} × {height}": count for (width, height), count in _commonest(sizes)},
        labels={name: labels[label] for label, name in enumerate(classes)},
        captioned=sum(bool(item.caption.strip()) for item in kept),
        train=len(kept) - held_out,
        validation=held_out,
        left_out=len(items) - len(kept),
    )


def empty(classes: Sequence[str], report: DoctorReport) -> tuple[str, ...]:
    """The classes that no item is of; none where nothing is of any class."""
    return tuple(name for name in classes if not report.labels.get(name)) if any(report.labels.values()) else ()


def _commonest(sizes: Counter) -> list[tuple[tuple[int, int], int]]:
    """The commonest sizes; with more than MOST_SIZES different ones the rare rest is left out."""
    return sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_SIZES]
