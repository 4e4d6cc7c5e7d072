"""A process of its own with the real window on the real engine: takes a drop, waits for the import, tells what is seen.

    python tests/xvfb/drop_in_window.py --library DIR --answer FILE [--picture FILE] [--size 1280x800] PATH ...

The paths are dropped together, by the drag and drop events that Qt sends for a drag from a file manager. The answer is one
JSON object; ``gaps_ms`` are the gaps of the event loop from the moment of the drop until the pictures are shown, ``busy_ms``
the processor time that the window's thread used between two beats, which no other program on the machine can lengthen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import qasync
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication

from nexus_studio.app import Studio, make_application

PATIENCE_S = 150.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--answer", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("paths", nargs="+")
    options = parser.parse_args()
    app = make_application(["nexus-studio"])
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    studio = Studio(app, options.library)
    studio.window.resize(*(int(part) for part in options.size.split("x")))
    with loop:
        answer = loop.run_until_complete(_watched(studio, options))
    options.answer.write_text(json.dumps(answer))
    return 0


async def _watched(studio: Studio, options: argparse.Namespace) -> dict:
    running = asyncio.ensure_future(studio.until_closed())
    troubles: list[str] = []
    studio.bridge.trouble.connect(lambda trouble: troubles.append(f"{trouble.what} {trouble.item}"))
    await _until(lambda: studio.session.is_ready and len(studio.window.workspaces) == 7 and studio.bridge.busy() <= 1)
    await asyncio.sleep(1.0)  # what follows the start is not what is measured here; the devices are always watched
    answer = await _dropped(studio, options.paths, troubles)
    if options.picture:
        await asyncio.sleep(1.0)
        studio.window.grab().save(str(options.picture))
    studio.quit()
    await running
    return answer | {"troubles": troubles, "platform": studio.app.platformName()}


async def _dropped(studio: Studio, paths: list[str], troubles: list[str]) -> dict:
    window, gaps = studio.window, studio.window.latency.gaps
    page, report = window.workspace("data").items, window.workspace("data").report
    shares: list[float] = []
    window.session.jobs.activities_changed.connect(lambda: shares.extend(_shares(window.session.jobs.activities)))
    busy, beat = _busy_meter()
    gaps.clear()
    begun = time.perf_counter()
    drop(window, paths)
    await _until(lambda: troubles or (page.shown and report.report is not None))
    took_s = time.perf_counter() - begun
    await asyncio.sleep(1.0)
    beat.stop()
    return {
        "took_s": took_s, "gaps_ms": sorted(gaps), "busy_ms": busy,
        "workspace": window.current, "dataset": window.session.datasets.current,
        "title": page.record.title if page.record else "", "shown": len(page.shown), "progress": shares,
        "listed": [(line.source, line.code, line.reason) for line in report.unread.lines],
        "list_visible": report._view.isVisible(), "grid_visible": page.grid.isVisible(),
        "jobs_left": len(window.session.jobs.activities),
    }  # fmt: skip


def _busy_meter() -> tuple[list[float], QTimer]:
    """Milliseconds of processor time of this thread between the beats of a timer."""
    busy: list[float] = []
    last = [time.thread_time()]

    def take() -> None:
        now = time.thread_time()
        busy.append((now - last[0]) * 1000)
        last[0] = now

    timer = QTimer(interval=20, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(take)
    timer.start()
    return busy, timer


def _shares(activities: list) -> list[float]:
    return [a.progress.done / a.progress.total for a in activities if a.progress is not None and a.progress.total]


def drop(window, paths: list[str]) -> None:
    """Drags the paths over the middle of the import zone and lets go."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path) for path in paths])
    at, action, buttons = QPoint(300, 400), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, action, mime, buttons, none)
    QApplication.sendEvent(window, enter)
    if not enter.isAccepted():
        raise SystemExit("the window does not take the drag")
    QApplication.sendEvent(window, QDragMoveEvent(at, action, mime, buttons, none))
    QApplication.sendEvent(window, QDropEvent(QPointF(at), action, mime, buttons, none))


async def _until(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the window did not get as far as was waited for")
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
