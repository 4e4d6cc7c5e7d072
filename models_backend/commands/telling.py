"""How far one call of the engine is, as the reporter shows it."""

from __future__ import annotations

import time
from collections.abc import Callable

from models_backend.contract.messages import Progress
from models_backend.contract.pace import Pace
from models_backend.engine.terminal import Reporter


def teller(reporter: Reporter, what: str = "") -> Callable[[Progress], None]:
    """Progress of one call; words without a count become a note. Every stage is told at once and has a pace of its
    own."""
    paces: dict[tuple[str, int], Pace] = {}
    said: set[str] = set()

    def tell(progress: Progress) -> None:
        if progress.total:
            stage = (progress.what, progress.total)
            begins = stage not in paces
            pace = paces.setdefault(stage, Pace())
            pace.mark(time.monotonic(), progress.done)
            reporter.progress(progress.done, progress.total, progress.what or what, pace, begins)
        elif progress.what not in said:
            said.add(progress.what)
            reporter.note(progress.what)

    return tell
