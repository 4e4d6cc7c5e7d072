"""Monitors of families that denoise: by noise level, and of few-step students."""

from __future__ import annotations

import math
from statistics import median

from models_backend.contract.messages import HealthLine, Remedy
from models_backend.contract.words import counted

from .evidence import ENOUGH, Evidence, early, longer, monitor, slower


@monitor
def noise_levels(evidence: Evidence) -> HealthLine:
    """Whether every noise level is visited, and whether one of them carries the whole loss."""
    known = [v for v in evidence.levels if math.isfinite(v)]
    if len(known) < 2:
        return early("noise_levels")
    missing = len(evidence.levels) - len(known)
    if missing > 0.25 * len(evidence.levels):
        return HealthLine(
            "noise_levels", "warn", f"{missing} of {counted(len(evidence.levels), 'noise level')} not trained yet"
        )
    total, worst = sum(map(abs, known)), max(range(len(evidence.levels)), key=lambda i: _size(evidence.levels[i]))
    share = _size(evidence.levels[worst]) / total if total > 0 else 0.0
    where = (worst + 0.5) / len(evidence.levels)
    if share > 0.8 and len(known) > 3:
        return HealthLine("noise_levels", "warn", f"{share:.0%} of the loss comes from noise levels near {where:.2f}")
    return HealthLine("noise_levels", "ok", f"every noise level learns; the hardest lies near {where:.2f}")


def _size(value: float) -> float:
    return abs(value) if math.isfinite(value) else 0.0


@monitor
def self_consistency(evidence: Evidence) -> HealthLine:
    """Whether answers from neighbouring noise come to agree; the figure means the same on every grid."""
    values, held_out = evidence.values("self_consistency"), evidence.figure("self_consistency")
    if len(values) < 2 * ENOUGH:
        return early("self_consistency")
    chunk = max(ENOUGH // 2, len(values) // 10)
    first, lowest, now = (median(values[:chunk]), min(values), median(values[-chunk:]))
    beside = f"; {held_out:.3g} on held-out items" if held_out is not None else ""
    if now > 2.0 * first:
        text = f"neighbours agree ever less: {now:.3g}, at first {first:.3g}{beside}"
        return HealthLine("self_consistency", "bad", text, slower(evidence))
    if now > first and now > 1.5 * lowest:
        text = f"neighbours do not come to agree: {now:.3g}, at first {first:.3g}{beside}"
        return HealthLine("self_consistency", "warn", text, slower(evidence))
    return HealthLine("self_consistency", "ok", f"neighbours disagree by {now:.3g}, at first {first:.3g}{beside}")


@monitor
def teacher_gap(evidence: Evidence) -> HealthLine:
    """How far one jump ends from where the teacher's path does, as a share of what the teacher's own single step misses."""
    gap = evidence.figure("teacher_gap")
    if gap is None:
        return HealthLine("teacher_gap", "ok", "no teacher: nothing to compare with")
    text = f"a jump ends {gap:.0%} as far from the teacher's path as the teacher's single step"
    if gap < 0.8:
        return HealthLine("teacher_gap", "ok", text)
    remedy = Remedy("Train a run twice as long", training=longer(evidence))
    return HealthLine("teacher_gap", "warn" if gap < 1.2 else "bad", text, remedy)
