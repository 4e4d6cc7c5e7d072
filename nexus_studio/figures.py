"""Round numbers for axes, and figures in few characters."""

from __future__ import annotations

import math


def ticks(low: float, high: float, about: float = 5.0) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) within [low, high], about ``about`` of them."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return []
    rough = span / max(1.0, about)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def labels(values: list[float]) -> list[str]:
    """The values with as many decimals as tell them apart."""
    if len(values) < 2:
        return [f"{v:g}" for v in values]
    step = values[1] - values[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [short(v) if abs(v) >= 1e4 else f"{v:.{decimals}f}" for v in values]


def short(value: float) -> str:
    """A figure for a human: 0.0413, 2,637, 12.5k, 3.1M, 1.2e-05."""
    if not math.isfinite(value):
        return "—"
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:.3g}M"
    if size >= 1e4:
        return f"{value / 1e3:.3g}k"
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}" if size >= 1e-3 else f"{value:.1e}"


def seconds(value: float) -> str:
    """A duration: 0.4 s, 12 s, 4 m 36 s, 2 h 05 m."""
    if not math.isfinite(value) or value < 0:
        return "—"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def megabytes(value: float) -> str:
    """A size given in MB: 12 MB, 1.4 GB."""
    return f"{value:,.0f} MB" if value < 1000 else f"{value / 1000:,.1f} GB"
