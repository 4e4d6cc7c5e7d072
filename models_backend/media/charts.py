"""Curves as a picture, for reports: drawn with Pillow at twice the size and scaled down, in the light theme."""

from __future__ import annotations

import math
from importlib.resources import files

from PIL import Image, ImageDraw, ImageFont

SERIES = ("#4553d6", "#0f8f78", "#9a6700", "#c62f2f")
_SCALE = 2
_MARGIN = (70, 46, 24, 56)  # left, top, right, bottom, in final pixels


def curves(
    series: dict[str, tuple[list[float], list[float]]],
    title: str,
    x_label: str,
    y_label: str,
    size: tuple[int, int] = (900, 420),
) -> Image.Image:
    """A line chart with a logarithmic y axis. ``series``: name -> (x values, positive y values). Returns an RGB picture."""
    series = {name: _positive(xs, ys) for name, (xs, ys) in series.items()}
    series = {name: pair for name, pair in series.items() if pair[0]}
    if not series:
        raise ValueError(f"{title}: there is nothing to draw; every series is empty or not positive")
    width, height = size[0] * _SCALE, size[1] * _SCALE
    picture = Image.new("RGB", (width, height), "#ffffff")
    draw = ImageDraw.Draw(picture)
    frame = _Frame(series, width, height)
    _grid(draw, frame)
    for (xs, ys), colour in zip(series.values(), SERIES):
        draw.line([frame.place(x, y) for x, y in zip(xs, ys)], fill=colour, width=2 * _SCALE, joint="curve")
    _labels(draw, frame, list(series), title, x_label, y_label)
    return picture.resize(size, Image.Resampling.LANCZOS)


class _Frame:
    """The plot area in pixels and the mapping into it."""

    def __init__(self, series: dict, width: int, height: int):
        left, top, right, bottom = (m * _SCALE for m in _MARGIN)
        self.left, self.top, self.right, self.bottom = left, top, width - right, height - bottom
        xs = [x for pair in series.values() for x in pair[0]]
        ys = [math.log10(y) for pair in series.values() for y in pair[1]]
        self.x_low, self.x_high = min(xs), max(max(xs), min(xs) + 1)
        pad = 0.06 * max(max(ys) - min(ys), 0.1)
        self.y_low, self.y_high = min(ys) - pad, max(ys) + pad

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x_low) / (self.x_high - self.x_low)
        up = (math.log10(y) - self.y_low) / (self.y_high - self.y_low)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)


def _positive(xs: list[float], ys: list[float]) -> tuple[list[float], list[float]]:
    kept = [(x, y) for x, y in zip(xs, ys) if y > 0 and math.isfinite(y)]
    return [x for x, _ in kept], [y for _, y in kept]


def _grid(draw: ImageDraw.ImageDraw, frame: _Frame) -> None:
    letters = font("JetBrainsMono", 11 * _SCALE)
    for y in _log_ticks(frame.y_low, frame.y_high):
        _, row = frame.place(frame.x_low, y)
        draw.line([(frame.left, row), (frame.right, row)], fill="#d5dae3", width=_SCALE)
        draw.text((frame.left - 8 * _SCALE, row), f"{y:g}", fill="#4a5364", font=letters, anchor="rm")
    for x in _ticks(frame.x_low, frame.x_high):
        column, _ = frame.place(x, 10**frame.y_low)
        draw.text((column, frame.bottom + 8 * _SCALE), f"{x:,.0f}", fill="#4a5364", font=letters, anchor="mt")


def _labels(draw: ImageDraw.ImageDraw, frame: _Frame, names: list[str], title: str, x_label: str, y_label: str) -> None:
    draw.text((frame.left, 14 * _SCALE), f"{title} · {y_label}", fill="#171a21", font=font("Inter", 14 * _SCALE), anchor="lt")
    draw.text((frame.right, frame.bottom + 30 * _SCALE), x_label, fill="#4a5364", font=font("Inter", 12 * _SCALE), anchor="rt")
    column, letters = frame.right, font("Inter", 12 * _SCALE)
    for name, colour in reversed(list(zip(names, SERIES))):
        draw.text((column, 15 * _SCALE), name, fill=colour, font=letters, anchor="rt")
        column -= draw.textlength(name, font=letters) + 18 * _SCALE


def _ticks(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 6)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values between two powers of ten: decades, 1-2-5, every digit or halves of it, the coarsest that gives three."""
    found: list[float] = []
    for steps in ((1,), (1, 2, 5), range(1, 10), [m / 20 for m in range(20, 200)]):
        values = [m * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for m in steps]
        found = [v for v in values if low <= math.log10(v) <= high]
        if len(found) >= 3:
            break
    return found[:: math.ceil(len(found) / 8)]


def font(family: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A bundled font, ``size`` pixels high; Pillow's own where the bundle lacks it."""
    for entry in sorted((files("resources") / "fonts").iterdir(), key=lambda e: e.name):
        if entry.name.startswith(family) and entry.name.endswith((".ttf", ".otf")) and "Italic" not in entry.name:
            return ImageFont.truetype(str(entry), size)
    return ImageFont.load_default(size)
