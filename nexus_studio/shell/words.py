"""Figures in words that a person reads at a glance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from models_backend.contract.words import noun

#: A run is called silent once it told no figure for so long.
SILENT_S = 5.0

if TYPE_CHECKING:
    from ..state.jobs import Activity
    from ..state.run_view import RunView


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


def rate(per_second: float) -> str:
    """ "41.2", "0.25", "2,637"."""
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2f}"


def shape(modality: str, size: tuple[int, ...]) -> str:
    """ "64²", "64 × 48", "2-D"."""
    if modality == "points":
        return f"{size[0]}-D" if size else ""
    if len(size) == 3:
        return f"{size[1]}²" if size[1] == size[2] else f"{size[2]} × {size[1]}"
    return ""


def dataset_size(modality: str, items: int, size: tuple[int, ...]) -> str:
    """ "2,914 images · 64²"."""
    many, shown = f"{items:,} {noun(modality, items)}", shape(modality, size)
    return f"{many} · {shown}" if shown else many


def run_figures(view: RunView) -> list[str]:
    """How a run comes on, without its step: what it does in place of steps, or its pace; never one too old to hold."""
    stage = view.stage
    if stage is not None:
        took = time.time() - stage.since
        if stage.left_s >= 1:
            return [f"{stage.what} · {duration(took)}" if took >= 1 else stage.what, f"about {duration(stage.left_s)} left"]
        return [f"{stage.what} · {duration(took)} so far" if took >= 1 else stage.what]
    if view.rate:
        return [f"{rate(view.rate)} it/s", f"{duration(view.left_s)} left"]
    if view.state == "running":
        silent_s = view.silent_s
        if silent_s >= SILENT_S:
            return [f"no figure for {duration(silent_s)}"]
        return ["measuring its pace" if silent_s else "waiting for the first figure"]
    return []


def activity_figures(activity: Activity) -> list[str]:
    """How something that the studio does comes on: what, how far, how fast while that holds, and how long it took so far."""
    told = activity.progress
    words = [told.what] if told and told.what else []
    words += [f"{told.done:,} of {told.total:,}"] if told and told.total else []
    if told and activity.fresh:
        words += [f"{rate(told.rate)}/s"] if told.rate else []
        words += [f"{duration(told.left_s)} left"] if told.left_s >= 1 else []
    estimated = bool(told and activity.fresh and told.left_s >= 1)
    return words + ([] if estimated or activity.took_s < 1 else [duration(activity.took_s)])


def how_far(activity: Activity) -> int:
    """Thousandths of something that the studio does."""
    told = activity.progress
    return round(1000 * told.done / told.total) if told and told.total else 0


def ordinal(number: int) -> str:
    """ "1st", "2nd", "13th"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
