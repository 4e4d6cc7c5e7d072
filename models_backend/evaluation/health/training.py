"""Monitors of every run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from models_backend.contract.messages import HealthLine, Remedy
from models_backend.contract.words import counted

from .evidence import ENOUGH, Evidence, early, monitor, slower


@monitor
def non_finite(evidence: Evidence) -> HealthLine:
    """Steps that were skipped because a loss or gradient was not a number, and figures that are not."""
    skipped = evidence.values("skipped")
    count = int(skipped[-1]) if skipped else 0
    broken = sorted(n for n, points in evidence.history.items() if points and not math.isfinite(points[-1][1]))
    if broken:
        return HealthLine("non_finite", "bad", f"{', '.join(broken)}: not a number at the newest step", slower(evidence))
    if count > max(2, 0.01 * evidence.step):
        text = f"{count:,} of {counted(evidence.step, 'step')} skipped: the gradient was not finite"
        return HealthLine("non_finite", "bad", text, slower(evidence))
    if count:
        text = f"{counted(count, 'step was', 'steps were')} skipped: the gradient was not finite"
        return HealthLine("non_finite", "warn", text, slower(evidence))
    return HealthLine("non_finite", "ok", "all figures are finite")


@monitor
def loss_trend(evidence: Evidence) -> HealthLine:
    """Whether training still helps: the loss falls below what an untrained network gets, and held-out items agree."""
    if len(evidence.series_of("loss")) > 1:
        return HealthLine("loss_trend", "ok", "the networks play against each other: no trend is expected")
    train = evidence.values("loss")
    if len(train) < 2 * ENOUGH:
        weighed = f"too early to say: the loss was weighed otherwise up to step {evidence.since:,}"
        return HealthLine("loss_trend", "ok", weighed) if evidence.since else early("loss_trend")
    said = _exploded(evidence, train) or _by_heart(evidence) or _learned_nothing(evidence) or _rises(evidence, train)
    return said or _fallen(evidence, train)


def _middles(train: list[float]) -> list[float]:
    """Medians of stretches of the loss, oldest first; the last one is the newest."""
    chunk = max(ENOUGH // 2, len(train) // 10)
    return [median(train[i : i + chunk]) for i in range(0, len(train) - chunk, chunk)] + [median(train[-chunk:])]


def _untrained(evidence: Evidence) -> float | None:
    """The held-out loss before the first step: what a network gets that knows nothing."""
    points = evidence.history.get("validation", ())
    return points[0][1] if points and points[0][0] == 0 and math.isfinite(points[0][1]) else None


def _exploded(evidence: Evidence, train: list[float]) -> HealthLine | None:
    """A loss that went far beyond where it began: what had been learned was lost there, whatever came later."""
    blank = _untrained(evidence)
    began = abs(train[0] if blank is None else blank)
    usual = max(began, median(map(abs, train)), 1e-12)
    peak = max(train)
    if peak < 30 * usual:
        return None
    where = next(step for step, value in evidence.history["loss"] if value == peak)
    text = f"the loss exploded: {peak:.3g} at step {where:,}, now {median(train[-3:]):.4g}"
    since = 1 - where / max(1, evidence.step)
    return HealthLine("loss_trend", "warn" if since > 0.8 and where > 0 else "bad", text, slower(evidence, 10.0))


def _learned_nothing(evidence: Evidence) -> HealthLine | None:
    """No better on held-out items than before the first step."""
    blank, held_out = _untrained(evidence), evidence.values("validation")
    if blank is None or len(held_out) < 2 or evidence.values("self_consistency"):
        return None  # a student that begins as its teacher does not begin as one that knows nothing
    now = median(held_out[-3:]) if len(held_out) > 3 else held_out[-1]
    if now < blank - 0.03 * abs(blank):
        return None
    text = f"it has learned nothing: {now:.4g} on held-out items, an untrained network gets {blank:.4g}"
    young = evidence.progress < 0.1
    remedy = slower(evidence, 10.0) if now > blank or max(evidence.values("loss")) > 2 * abs(blank) else _faster(evidence)
    return HealthLine("loss_trend", "warn" if young else "bad", text, remedy)


def _faster(evidence: Evidence) -> Remedy | None:
    rate = evidence.learning_rate
    if rate is None or rate > 1e-4:
        return None
    return Remedy("Learn 10 times faster", training={"learning_rate": 10 * rate}, live=True)


def _rises(evidence: Evidence, train: list[float]) -> HealthLine | None:
    middles = _middles(train)
    start, best, now = max(median(train[:3]), middles[0]), min(middles), middles[-1]
    noise = _noise(train) / math.sqrt(max(ENOUGH // 2, len(train) // 10))
    back = now - best > 0.5 * abs(start - best) and evidence.progress > 0.2
    if now - best <= max(0.5 * abs(start - best), 6 * noise) or not (now > start or back):
        return None
    return HealthLine("loss_trend", "bad", f"the loss rises: {now:.4g} now, {best:.4g} at its best", slower(evidence))


def _by_heart(evidence: Evidence) -> HealthLine | None:
    """Held-out items that get worse while training goes on."""
    points = [(step, value) for step, value in evidence.history.get("validation", ()) if math.isfinite(value)]
    if len(points) < 5:
        return None
    values = [value for _, value in points]
    place = values.index(min(values))
    lowest, now = values[place], median(values[-3:])
    fall = max(values[0] - lowest, 1e-12)
    late = max(median(values[:place]) - lowest, 0.0) if place else 0.0
    rise = now - lowest
    if (
        not place
        or len(values) - place < 4
        or rise <= max(0.01 * fall, min(0.1 * late, 0.25 * fall), 4 * _jitter(values))
        or min(values[-3:]) <= lowest
    ):
        return None
    train = evidence.values("loss")
    doubt = 3 * _noise(train) / math.sqrt(_near(train)) if len(train) > 1 else 0.0
    if _train_at(evidence, points[-1][0]) > _train_at(evidence, points[place][0]) - max(0.3 * rise, doubt):
        return None  # it does not fall on training items either (its terms are weighed otherwise than then, say)
    text = f"it learns items by heart: held-out loss rises since step {points[place][0]:,}, {lowest:.4g} then, {now:.4g} now"
    remedy = Remedy("Train a run a third as long", training=_shorter(evidence))
    return HealthLine("loss_trend", "bad" if rise > 0.5 * fall else "warn", text, remedy)


def _train_at(evidence: Evidence, step: int) -> float:
    """The training loss about a step."""
    points = [(abs(at - step), value) for at, value in evidence.history.get("loss", ()) if math.isfinite(value)]
    return median(value for _, value in sorted(points)[: _near(points)])


def _near(points: Sequence[Any]) -> int:
    """How many points of a series stand for the loss about a step."""
    return max(5, len(points) // 20)


def _jitter(values: list[float]) -> float:
    """How far the newer held-out losses scatter about their trend (by second differences, which a steady rise leaves as is)."""
    newest = values[-max(6, len(values) // 2) :]
    bends = [abs(a - 2 * b + c) for a, b, c in zip(newest, newest[1:], newest[2:], strict=False)]
    return median(bends) / (0.6745 * math.sqrt(6)) if bends else 0.0  # of Gaussian noise


def _fallen(evidence: Evidence, train: list[float]) -> HealthLine:
    middles = _middles(train)
    start, now = max(median(train[:3]), middles[0]), middles[-1]
    noise, chunk = _noise(train), max(ENOUGH // 2, len(train) // 10)
    blank, newest = _untrained(evidence), next(reversed(evidence.values("validation")), None)
    if blank is not None and newest < blank - 0.1 * abs(blank):
        return HealthLine(
            "loss_trend", "ok", f"held-out loss has fallen to {newest:.4g}; an untrained network gets {blank:.4g}"
        )
    if median(train[:3]) - now > 4 * noise or middles[0] - now > 6 * noise / math.sqrt(chunk):
        held_out = f"; {newest:.4g} on held-out items" if newest is not None else ""
        return HealthLine("loss_trend", "ok", f"the loss has fallen from {start:.4g} to {now:.4g}{held_out}")
    return HealthLine("loss_trend", "warn", f"the loss has not fallen: {start:.4g} at first, {now:.4g} now", _faster(evidence))


def _noise(values: list[float]) -> float:
    """Standard deviation of one value about the trend, from differences of neighbours (which a trend hardly moves)."""
    return 1.048 * median(abs(b - a) for a, b in pairwise(values))  # 1 / (0.6745 sqrt 2) for Gaussian noise


def _shorter(evidence: Evidence) -> dict[str, Any]:
    steps = evidence.training.get("steps")
    return {"steps": max(1, int(steps) // 3)} if steps else {}


@monitor
def gradient_norm(evidence: Evidence) -> HealthLine:
    """Gradients that explode or vanish, for each network."""
    said: list[HealthLine] = []
    for name in evidence.series_of("grad"):
        values = evidence.values(name)
        if len(values) >= ENOUGH:
            said.append(_gradient(name.partition("/")[2], values, evidence))
    if not said:
        return early("gradient_norm")
    order = {"bad": 0, "warn": 1, "ok": 2}
    return min(said, key=lambda line: order[line.level])


def _gradient(network: str, values: list[float], evidence: Evidence) -> HealthLine:
    usual, newest = median(values), median(values[-3:])
    if newest < 1e-8:
        return HealthLine(
            "gradient_norm", "bad", f"{network}: the gradient has vanished ({newest:.1g}): it learns nothing more"
        )
    if newest > 20 * usual and newest > 1.0:
        text = f"{network}: the gradient has grown to {newest:.3g}, usually {usual:.3g}"
        return HealthLine("gradient_norm", "bad", text, slower(evidence))
    if max(values[-ENOUGH:]) > 20 * usual and max(values[-ENOUGH:]) > 1.0:
        text = f"{network}: a spike to {max(values[-ENOUGH:]):.3g}, usually {usual:.3g}"
        return HealthLine("gradient_norm", "warn", text, slower(evidence, 2.0))
    return HealthLine("gradient_norm", "ok", f"{network}: steady at {usual:.3g}")
