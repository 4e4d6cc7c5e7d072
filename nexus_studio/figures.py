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
    """The values of a linear axis in one notation, with as many decimals as tell them apart."""
    if len(values) < 2:
        return [short(v) for v in values]
    largest = max(abs(v) for v in values)
    factor, letter = _unit(largest) if largest >= 1e4 else (1.0, "")
    if largest and ((not letter and largest >= 1e4) or largest < 1e-4):
        return [_power(v) for v in values]
    decimals = max(0, -math.floor(math.log10((values[1] - values[0]) / factor) + 1e-9))
    return [f"{v / factor:,.{decimals}f}{letter}" if v or not letter else "0" for v in values]


def log_labels(values: list[float]) -> list[str]:
    """The values of a logarithmic axis in one notation: plain figures where all are short, else powers of ten."""
    if values and (max(values) >= 1e6 or min(values) < 1e-4):
        return [_power(v) for v in values]
    return [f"{v:,.0f}" if v >= 1 else f"{v:.4g}" for v in values]


def _power(value: float) -> str:
    """A figure as a power of ten: 1e-5, 2e9, 0."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}" if value else "0"


def _unit(size: float) -> tuple[float, str]:
    """The largest of k, M and B that leaves one digit before the point; ("" from a thousand billions on)."""
    if size >= 1e12:
        return 1.0, ""
    return next(((factor, letter) for factor, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if size >= factor), (1.0, ""))


def short(value: float) -> str:
    """A figure for a human: 0.0413, 2,637, 12.5k, 3.1M, 7.2B, 1.2e-5."""
    if not math.isfinite(value):
        return "—"
    size = abs(value)
    if size >= 1e4:
        rounded = float(f"{value:.3g}")
        factor, letter = _unit(abs(rounded))
        return f"{rounded / factor:g}{letter}" if letter else _power(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    if size >= 1e-3:
        return f"{value:.3g}"
    return _power(float(f"{value:.1e}"))


def setting(value: object) -> str:
    """A setting as people read it: 1 for 1.0, yes for True."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


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


#: Short forms that stay capitals in the name of a series, and units that stand in brackets after it.
_CAPITALS, _UNITS = ("kl", "ema", "psnr", "r1", "lr", "nll", "mmd"), ("nats", "bits", "px", "ms", "db")


def series_title(name: str) -> str:
    """The name of a logged series as people write it: "kl_weight" is "KL weight", "free_nats" "free (nats)"."""
    words = name.rpartition("/")[2].replace("_", " ").split()
    unit = f" ({words.pop()})" if len(words) > 1 and words[-1] in _UNITS else ""
    beside = name.rpartition("/")[0]
    own = " ".join(word.upper() if word in _CAPITALS else word for word in words) + unit
    return f"{beside.replace('_', ' ')}: {own}" if beside and beside not in ("loss", "grad", "lr") else own


def milliseconds(value: float) -> str:
    """A duration given in ms: 0.8 ms, 420 ms, 12.1 s, 4 m 36 s."""
    if not math.isfinite(value) or value < 0:
        return "—"
    if value < 1000:
        return f"{value:.0f} ms" if value >= 10 else f"{value:.2g} ms"
    return f"{value / 1000:.1f} s" if value < 60_000 else seconds(value / 1000)


def megabytes(value: float) -> str:
    """A size given in MB, of 1024 to a GB: 12 MB, 1.4 GB."""
    return f"{value:,.0f} MB" if value < 1000 else f"{value / 1024:,.1f} GB"
