"""An engine over a fresh library whose workers follow a script."""

import asyncio
import sys
from pathlib import Path

import pytest

from models_backend import isolation
from models_backend.contract.family import DataSpec
from models_backend.contract.messages import Heartbeat
from models_backend.contract.run_layout import RunRecord
from models_backend.engine.engine import Engine
from models_backend.engine.limits import Limits
from models_backend.library.library import Library

LIMITS = Limits(connect_s=20.0, silent_s=4.0, stop_s=3.0, grace_s=1.0, tick_s=0.05, scan_s=0.2)


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    here = str(Path(__file__).parent)
    monkeypatch.setattr(isolation, "FURTHER", [here])
    monkeypatch.setattr("sys.path", [here, *sys.path])


class Studio:
    """An engine, what it told, and short ways to do what the tests do."""

    def __init__(self, root, **options):
        self.library = Library.open(root, own=options.get("schedule", True))
        self.engine = Engine(self.library, limits=options.pop("limits", LIMITS), module="scripted_worker", **options)
        self.events, self.abandoned = [], False
        self.engine.subscribe(self._hear)

    def _hear(self, event):
        if not isinstance(event.body, Heartbeat):
            self.events.append(event)

    def make_run(self, title="run", steps=5, **script):
        record = RunRecord(
            id=self.library.new_id(title), title=title, family="scripted", dataset="none", preset="", config=script,
            training={"steps": steps}, sampling={}, data={}, spec=DataSpec("points", (2,)), created=0.0,
        )  # fmt: skip
        self.library.create_run(record)
        return record.id

    def kept(self, run):
        """The kept events of a run that were told, in the order in which they came."""
        return [e for e in self.events if e.source == run and e.seq]

    def bodies(self, source, kind):
        return [e.body for e in self.events if e.source == source and isinstance(e.body, kind)]

    async def until(self, condition, timeout_s=20.0):
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)

    async def close(self):
        for run in self.engine.live():
            await self.engine._live[run].kill()
            await self.engine.wait(run)
        await self.engine.close()
        self.library.close()

    def abandon(self):
        """What a killed studio leaves: nothing is told, nothing is closed in order."""
        for task in list(self.engine._tasks):
            task.cancel()
        self.library.abandon()
        self.abandoned = True


@pytest.fixture
async def open_studio(library_root):
    opened = []

    async def open_one(start=True, **options):
        studio = Studio(library_root, **options)
        opened.append(studio)
        if start:
            await studio.engine.start()
        return studio

    yield open_one
    for studio in opened:
        if not studio.abandoned:
            await studio.close()


@pytest.fixture
async def studio(open_studio):
    return await open_studio()
