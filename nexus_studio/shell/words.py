"""Figures in words that a person reads at a glance."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """ "48 s", "4 m 36 s", "2 h 05 m", "3 d 4 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def memory(megabytes: float) -> str:
    """ "812 MB", "6.2 GB"."""
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1024:.1f} GB"


def rate(per_second: float) -> str:
    """ "41.2", "0.25", "2,637"."""
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2f}"


def count(number: int, one: str, many: str) -> str:
    """ "1 image", "2,914 images"."""
    return f"{number:,} {one if number == 1 else many}"


NOUNS = {"image": ("image", "images"), "points": ("point", "points"), "audio": ("clip", "clips"), "video": ("film", "films")}


def shape(modality: str, size: tuple[int, ...]) -> str:
    """ "64²", "64 × 48", "2-D"."""
    if modality == "points":
        return f"{size[0]}-D" if size else ""
    if len(size) == 3:
        return f"{size[1]}²" if size[1] == size[2] else f"{size[2]} × {size[1]}"
    return ""


def dataset_size(modality: str, items: int, size: tuple[int, ...]) -> str:
    """ "2,914 images · 64²"."""
    counted = count(items, *NOUNS.get(modality, ("item", "items")))
    shown = shape(modality, size)
    return f"{counted} · {shown}" if shown else counted
