"""The importer's process from the engine's side."""

import asyncio
import sys

import pytest

from models_backend.contract.messages import TroubleError
from models_backend.engine import importing

SCRIPT = """
import os, sys, time, msgspec
from models_backend.contract.messages import *
from models_backend.contract.run_layout import DatasetRecord
def say(m):
    b = msgspec.msgpack.encode(m)
    os.write(1, len(b).to_bytes(4, "big") + b)
job = msgspec.json.decode(sys.stdin.readline())
say(Told(Event(0, 0.0, "import", Progress(1, 2, "reading"))))
deed = job["title"]
if deed == "die":
    os.abort()
if deed == "refuse":
    say(Failure(0, Trouble("no such folder", item=job["paths"][0])))
    sys.exit(1)
if deed == "wait":
    sys.stdin.read()
    open(job["paths"][0], "w").write("told to stop")
    sys.exit(1)
record = DatasetRecord("id", deed, "image", "f", 3)
say(Reply(0, msgspec.Raw(msgspec.msgpack.encode(record))))
"""


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    monkeypatch.setattr(importing.processes, "command", lambda *a, **k: [sys.executable, "-c", SCRIPT])


def job(title, path="/somewhere"):
    return importing.ImportJob("/library", (str(path),), title=title)


async def test_progress_then_the_record():
    told = []
    record = await importing.carry_out(job("fine"), told.append)
    assert (record.title, record.count) == ("fine", 3)
    assert [(p.done, p.total) for p in told] == [(1, 2)]


async def test_a_refusal_is_its_own_words():
    with pytest.raises(TroubleError, match="/somewhere: no such folder"):
        await importing.carry_out(job("refuse"))


async def test_a_death_is_explained():
    with pytest.raises(TroubleError, match=r"importer died.*SIGABRT") as caught:
        await importing.carry_out(job("die"))
    assert "sources are untouched" in caught.value.trouble.kept


async def test_cancelling_lets_it_clean_up(tmp_path):
    started = asyncio.Event()
    task = asyncio.ensure_future(importing.carry_out(job("wait", tmp_path / "mark"), lambda p: started.set()))
    await asyncio.wait_for(started.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "mark").read_text() == "told to stop"
