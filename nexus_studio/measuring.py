"""The window measured from inside: how soon it is painted, what it weighs, how long its event loop is ever away.

``python -m nexus_studio.measuring start|ui`` prints one JSON object; ``nexus-studio bench`` starts it and reads that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path

HEAVY = ("torch", "diffusers", "transformers", "scipy")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("nexus_studio.measuring", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("start", "ui"))
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long to look on")
    parser.add_argument("--family", default="", help="ui: the family to train meanwhile")
    options = parser.parse_args(argv)
    measure = {"start": start, "ui": ui}[options.what]
    print(json.dumps(measure(options)), flush=True)
    return 0


def started_s() -> float:
    """Seconds since this process was created, to 0.01 s where the system keeps them on one clock (Linux).

    Elsewhere psutil's wall-clock time, which can be a second off: it stands on the boot time in whole seconds."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        import psutil

        return time.time() - psutil.Process().create_time()
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])  # proc(5): field 22, starttime, since boot
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def resident_mb() -> float:
    """Memory that is resident now."""
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def start(options: argparse.Namespace) -> dict:
    """First paint, memory then and when everything has settled, and what was loaded at which moment."""
    studio, loop = _studio(options.library)
    from .app import FirstPaint

    found: dict = {}

    def painted() -> None:
        found.update(first_paint_s=round(started_s(), 3), first_paint_mb=round(resident_mb(), 1))
        found["pyqtgraph_before_paint"] = "pyqtgraph" in sys.modules

    FirstPaint(studio.window, painted)
    with loop:
        loop.run_until_complete(_look_on(studio, options.seconds))
        found.update(settled_mb=round(resident_mb(), 1), heavy=[name for name in HEAVY if name in sys.modules])
    return found


def ui(options: argparse.Namespace) -> dict:
    """Gaps of the event loop while a run trains and its panel is shown."""
    studio, loop = _studio(options.library)
    with loop:
        steps = loop.run_until_complete(_train_meanwhile(studio, options))
    gaps = sorted(studio.window.latency.gaps)
    if not gaps or not steps:
        raise SystemExit("nothing was measured: the run did not train")
    return {
        "beats": len(gaps), "steps_trained": steps, "median_ms": round(gaps[len(gaps) // 2], 2),
        "p99_9_ms": round(gaps[min(len(gaps) - 1, int(len(gaps) * 0.999))], 2), "worst_ms": round(gaps[-1], 2),
    }  # fmt: skip


def _studio(library: Path):
    import qasync

    from .app import Studio, make_application

    app = make_application(["nexus-studio"])
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    return Studio(app, library), loop


async def _look_on(studio, seconds: float) -> None:
    running = asyncio.ensure_future(studio.until_closed())
    await asyncio.sleep(seconds)
    studio.quit()
    await running


async def _train_meanwhile(studio, options: argparse.Namespace) -> int:
    running = asyncio.ensure_future(studio.until_closed())
    while not studio.session.is_ready:
        await asyncio.sleep(0.1)
    engine = studio.bridge.engine
    dataset = await engine.make_builtin("digits")
    record = await engine.create_run(options.family, dataset.id, "small", training={"steps": 1_000_000, "preview_every": 50})
    await engine.submit(record.id)
    await studio.session.runs.load()
    studio.session.runs.set_current(record.id)
    studio.session.navigate.emit("train", {"run": record.id})
    view = studio.session.runs.view(record.id)
    while view.step < 1:
        await asyncio.sleep(0.2)
    studio.window.latency.gaps.clear()
    await asyncio.sleep(options.seconds)
    gaps, steps = list(studio.window.latency.gaps), view.step
    await engine.stop(record.id)
    await engine.wait(record.id)
    studio.quit()
    await running
    studio.window.latency.gaps.clear()
    studio.window.latency.gaps.extend(gaps)
    return steps


if __name__ == "__main__":
    sys.exit(main())
