"""Monitors of every run."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import Any

from models_backend.contract.messages import HealthLine, Remedy

from .evidence import ENOUGH, Evidence, early, monitor, slower


@monitor
def non_finite(evidence: Evidence) -> HealthLine:
    """Steps that were skipped because a loss or gradient was not a number, and figures that are not."""
    skipped = evidence.values("skipped")
    count = int(skipped[-1]) if skipped else 0
    broken = sorted(n for n, points in evidence.history.items() if points and not math.isfinite(points[-1][1]))
    if broken:
        return HealthLine("non_finite", "bad", f"{', '.join(broken)}: not a number at the newest step", slower(evidence))
    if count:
        plural = "step was" if count == 1 else "steps were"
        return HealthLine("non_finite", "warn", f"{count} {plural} skipped: the gradient was not finite", slower(evidence))
    return HealthLine("non_finite", "ok", "all figures are finite")


@monitor
def loss_trend(evidence: Evidence) -> HealthLine:
    """Whether training still helps: the loss falls, and held-out items agree."""
    if len(evidence.series_of("loss")) > 1:
        return HealthLine("loss_trend", "ok", "the networks play against each other: no trend is expected")
    train, held_out = evidence.values("loss"), evidence.values("validation")
    if len(train) < 2 * ENOUGH:
        return early("loss_trend")
    chunk = max(ENOUGH // 2, len(train) // 10)
    middles = [median(train[i : i + chunk]) for i in range(0, len(train) - chunk + 1, chunk)]
    start, best, now = max(median(train[:3]), middles[0]), min(middles), median(train[-chunk:])
    noise = _noise(train)
    if now - best > max(0.5 * abs(start - best), 6 * noise / math.sqrt(chunk)) and now > start:
        text = f"the loss rises: {now:.4g} now, {best:.4g} at its best"
        return HealthLine("loss_trend", "bad", text, slower(evidence))
    over = _overfitting(held_out)
    if over:
        text = f"held-out loss stands {over:.0%} of its fall above its lowest while training went on: it learns items by heart"
        return HealthLine("loss_trend", "warn", text, Remedy("Train a run a third as long", training=_shorter(evidence)))
    if median(train[:3]) - now > 4 * noise or middles[0] - now > 6 * noise / math.sqrt(chunk):
        return HealthLine("loss_trend", "ok", f"the loss has fallen from {start:.4g} to {now:.4g}")
    (first, _), (second, _), *_ = evidence.history["loss"]
    if first > 3 * (second - first) + ENOUGH:  # a run that went on: what it learned before is not in this history
        text = f"the loss stands at {now:.4g} ({start:.4g} when the run went on at step {first:,})"
        return HealthLine("loss_trend", "ok", text)
    return HealthLine("loss_trend", "warn", f"the loss has not fallen: {start:.4g} at first, {now:.4g} now")


def _noise(values: list[float]) -> float:
    """Standard deviation of one value about the trend, from differences of neighbours (which a trend hardly moves)."""
    return 1.048 * median(abs(b - a) for a, b in pairwise(values))  # 1 / (0.6745 sqrt 2) for Gaussian noise


def _overfitting(held_out: list[float]) -> float:
    """By which share of its own fall the held-out loss stands above its lowest; 0 where it does not."""
    if len(held_out) < ENOUGH:
        return 0.0
    lowest, now = min(held_out), median(held_out[-3:])
    fall = held_out[0] - lowest
    return (now - lowest) / fall if fall > 0 and now - lowest > 0.25 * fall else 0.0


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
