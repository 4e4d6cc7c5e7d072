"""A process of its own with the real window on the real engine, that keeps a note of all it is told of one run:

    python tests/crash/window.py train --library DIR --notes FILE    makes data, starts a run, and shows it until it is killed
    python tests/crash/window.py watch --library DIR --notes FILE    shows the run that is chosen until it is finished

Notes are JSON, a line each, handed to the system at once: {"seq", "kind"} of every numbered event that the run's view takes, in
its order; {"shown": state, "step", "live", "title"} when the window first shows the run; {"end": ...} at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

import qasync

from nexus_studio.app import Studio, make_application
from nexus_studio.state.run_view import RunView

STEPS = 3000
PATIENCE_S = 150.0


class Notes:
    """Lines that stand in the file as soon as they are written."""

    def __init__(self, path: Path):
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(self, **what: object) -> None:
        os.write(self._descriptor, json.dumps(what).encode() + b"\n")


def watch_views(notes: Notes) -> None:
    """Notes every event at the moment a view takes it."""
    take = RunView._take

    def noted(view: RunView, event, past: bool = False) -> None:
        take(view, event, past)
        if event.seq:
            notes.note(seq=event.seq, kind=type(event.body).__name__)

    RunView._take = noted


async def begin(studio: Studio) -> None:
    """A run of DDPM on points, chosen and on the way."""
    session, engine = studio.session, studio.bridge.engine
    dataset = await session.make_builtin("points:density=8gaussians,count=2000")
    training = {"steps": STEPS, "batch_size": 64, "threads": 1, "precision": "fp32", "checkpoint_every": 500}
    record = await engine.create_run("ddpm", dataset.id, "tiny", training=training, title="Through the kill")
    await session.runs.load()
    session.runs.set_current(record.id)
    await engine.submit(record.id)


async def follow(studio: Studio, notes: Notes) -> None:
    """Shows the chosen run until it is finished; what the window then knows."""
    session = studio.session
    await _until(lambda: session.runs.current_view is not None and session.runs.current_view.loaded)
    view = session.runs.current_view
    studio.window.show_workspace("train")
    await _until(lambda: view.series("loss")[0].size > 0 and (view.state == "running" or not view.live))
    notes.note(shown=view.state, step=view.step, live=studio.bridge.engine.live(), title=view.record.title)
    await _until(lambda: view.state == "finished" and not studio.bridge.engine.live())
    await asyncio.sleep(0.5)
    steps, losses = view.series("loss")
    saved, queue = [saved.step for saved in view.checkpoints], studio.bridge.engine.queue()
    notes.note(end=view.state, step=view.step, curve=steps.tolist(), numbers=len(losses), saved=saved, queue=len(queue))


async def _until(condition) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def shown(studio: Studio, act: str, notes: Notes) -> None:
    """The window from its first paint to its close."""
    running = asyncio.ensure_future(studio.until_closed())
    await _until(lambda: studio.session.is_ready)
    if act == "train":
        await begin(studio)
    await follow(studio, notes)
    studio.window.close()
    await running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("act", choices=("train", "watch"))
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    options = parser.parse_args()
    notes = Notes(options.notes)
    watch_views(notes)
    app = make_application(["nexus-studio"])
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    studio = Studio(app, options.library)
    with loop:
        loop.run_until_complete(shown(studio, options.act, notes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
