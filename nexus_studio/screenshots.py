"""Pictures of every workspace, taken by the program from a real library: for the README and for looking at one's work.

    python -m nexus_studio.screenshots --library DIR --out DIR [--sizes 1280x800,2560x1440] [--themes dark,light]

The library should hold a data set of pictures and finished runs; a trace and a map are made where there are none.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

WORKSPACES = ("data", "train", "sample", "trajectory", "latent", "gallery", "learn")
PATIENCE_S = 120.0
RESTED_S = 2.6  # the window tells the worst gap of the last whole second: none of restyling it for the picture


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("nexus_studio.screenshots", description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", default="1280x800,2560x1440")
    parser.add_argument("--themes", default="dark,light")
    parser.add_argument("--run", default="", help="id or title of the run to show (default: the newest one on pictures)")
    parser.add_argument("--only", default="", help="one workspace")
    options = parser.parse_args(argv)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    options.out.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.TemporaryDirectory(prefix="nexus-screenshots-")  # a first start: no layout of an earlier window
    os.environ["XDG_CONFIG_HOME"] = scratch.name
    import qasync

    from .app import Studio, make_application

    app = make_application(["nexus-studio"])
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    studio = Studio(app, options.library)
    with scratch, loop:
        loop.run_until_complete(_all(studio, options))
    return 0


async def _all(studio, options: argparse.Namespace) -> None:
    running = asyncio.ensure_future(studio.until_closed())
    await _until(lambda: studio.session.is_ready)
    await asyncio.sleep(1.0)
    for key in [options.only] if options.only else WORKSPACES:
        await _prepare(studio, key, options.run)
        for size in options.sizes.split(","):
            width, height = (int(part) for part in size.split("x"))
            studio.window.resize(width, height)
            for theme in options.themes.split(","):
                studio.window.apply_theme(theme=theme)
                await asyncio.sleep(RESTED_S)
                path = options.out / f"{key}-{theme}-{size}.png"
                studio.window.grab().save(str(path))
                print(path, flush=True)
    studio.quit()
    await running


async def _prepare(studio, key: str, title: str) -> None:
    """Brings a workspace to something worth a picture."""
    session = studio.session
    wanted = (lambda r: title in (r.id, r.title)) if title else (lambda r: r.spec.modality == "image")
    run = next((r for r in session.runs.records if wanted(r)), None)
    if run is not None:
        session.runs.set_current(run.id)
        session.catalogue.set_current(run.family)
        session.datasets.set_current(run.dataset)
    studio.window.go_to(key, {"run": run.id, "family": run.family} if run else {})
    await asyncio.sleep(1.5)
    if run is not None and key in _PREPARED:
        await _PREPARED[key](studio.window.workspaces[key])


async def _trajectory(panel) -> None:
    panel.controls.use_b.setChecked(True)
    panel.sample()
    await _until(lambda: len(panel.recordings) >= 2 and (panel._fields or not panel.recordings[0].together))
    panel.strip.lock(int(0.62 * panel.strip.steps()))


async def _latent(panel) -> None:
    import numpy as np

    await _until(lambda: panel.stack.currentWidget() is panel.view)
    left, right, bottom, top = panel.view.bounds()
    turn = np.linspace(0.1, 0.9, 80)
    wave = np.sin(2 * np.pi * turn) * 0.25 + 0.5
    panel.draw_path(np.stack([left + turn * (right - left), bottom + wave * (top - bottom)], axis=1))
    await _until(lambda: panel.film.strip.steps() > 1)


async def _sample(panel) -> None:
    panel.generate_or_stop()
    await _until(lambda: panel.results.batch is not None)
    panel.results.choose(2)


async def _train(panel) -> None:
    await _until(lambda: panel.budget.report is not None)


_PREPARED = {"train": _train, "sample": _sample, "trajectory": _trajectory, "latent": _latent}


async def _until(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the window did not get as far as was waited for")
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
