"""Health monitors: what the figures of a run say, in plain words, with a remedy that one click applies.

A monitor is a function from :class:`Evidence` to a :class:`HealthLine`, registered in ``MONITORS`` under the name by
which families ask for it. ``judge`` runs a family's monitors after those that every run has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models_backend.contract.messages import Health, HealthLine

from . import adversarial, autoencoders, denoising, samples, training  # each registers its monitors
from .evidence import MONITORS, Evidence, History

__all__ = ["GENERIC", "MONITORS", "History", "adversarial", "autoencoders", "denoising", "judge", "samples", "training"]

GENERIC = ("non_finite", "loss_trend", "samples", "gradient_norm")


def judge(names: Iterable[str], history: History, diagnostics: Mapping[str, Any], levels: Sequence[float] = (),
          step: int | None = None, config: Mapping[str, Any] | None = None,
          training: Mapping[str, Any] | None = None, since: int = 0) -> Health:  # fmt: skip
    """What the generic monitors and those named say now. Lists among the diagnostics become series that panels draw.

    A remedy that names a setting which ``config`` lacks is left out; ``step`` defaults to the newest in the history. Losses of
    steps before ``since`` were weighed otherwise than now: they are compared with nothing."""
    evidence = Evidence(_comparable(history, since), diagnostics, levels, config, training or {}, since)
    wanted = [*GENERIC, *(n for n in names if n not in GENERIC)]
    lines = [_applicable(_ask(name, evidence), config) for name in wanted]
    series = {k: [float(v) for v in value] for k, value in diagnostics.items() if isinstance(value, (list, tuple))}
    if levels:
        series["loss_by_level"] = [float(v) for v in levels]
    newest = max((points[-1][0] for points in history.values() if points), default=0)
    return Health(newest if step is None else step, lines, series, since)


def _comparable(history: History, since: int) -> History:
    """The history without the losses before ``since``. A training loss is a mean over the steps before it, a held-out one is of
    its own step."""
    kept: dict[str, Sequence[tuple[int, float]]] = dict(history)
    for name, points in history.items() if since else ():
        kind = name.partition("/")[0]
        if kind in ("loss", "validation"):
            kept[name] = [one for one in points if one[0] >= since + (kind == "loss")]
    return kept


def _ask(name: str, evidence: Evidence) -> HealthLine:
    if name not in MONITORS:
        return HealthLine(name, "warn", f"this studio has no monitor named {name}")
    return MONITORS[name](evidence)


def _applicable(line: HealthLine, config: Mapping[str, Any] | None) -> HealthLine:
    if config is not None and line.remedy is not None and not set(line.remedy.config) <= set(config):
        line.remedy = None
    return line
