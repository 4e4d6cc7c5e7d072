"""The warm worker: waiting requests are told why, the newest stamp wins, deaths and hangs are replaced."""

import asyncio
import os
import time

import psutil
import pytest

from models_backend.contract.messages import Export, Progress, Sample, Trouble, TroubleError, VectorField
from models_backend.engine.connection import Overtaken


async def pid_of(studio):
    answer = await studio.engine.call(VectorField(run="none", times=[0.0]))
    return int.from_bytes(answer.arrays["pid"].data, "little")


async def test_it_answers_and_stays_warm(studio):
    assert (await studio.engine.call(Sample(run="r", seed=5))).items.data == b"\x05"
    assert await pid_of(studio) == await pid_of(studio)


async def test_requests_wait_while_it_loads_and_are_told_so(open_studio, monkeypatch):
    monkeypatch.setenv("SCRIPTED_LOAD_S", "0.6")
    studio = await open_studio()
    told = []
    media = await studio.engine.call(Sample(run="r", seed=2), told.append)
    assert media.items.data == b"\x02"
    assert next(p for p in told if isinstance(p, Progress)).what.startswith("starting the engine")


async def test_the_newest_stamp_wins_and_stale_answers_are_dropped(studio):
    await pid_of(studio)
    slow = asyncio.ensure_future(studio.engine.call(Sample(run="r", seed=1, stamp=1, title="slow")))
    await asyncio.sleep(0.1)
    queued = [asyncio.ensure_future(studio.engine.call(Sample(run="r", seed=n, stamp=n))) for n in range(2, 9)]
    newest = await studio.engine.call(Sample(run="r", seed=9, stamp=9))
    assert newest.items.data == b"\x09" and newest.stamp == 9
    outcomes = await asyncio.gather(slow, *queued, return_exceptions=True)
    assert all(isinstance(o, asyncio.CancelledError) for o in outcomes[:-1])
    assert issubclass(Overtaken, asyncio.CancelledError)


async def test_stamps_of_another_run_or_kind_do_not_overtake(studio):
    calls = [studio.engine.call(Sample(run=run, seed=n, stamp=n)) for n, run in enumerate("abc", 1)]
    answers = await asyncio.gather(*calls)
    assert [a.items.data for a in answers] == [b"\x01", b"\x02", b"\x03"]


async def test_cancelling_the_caller_gives_up_the_call_in_the_worker(studio):
    told = []
    call = asyncio.ensure_future(studio.engine.call(Sample(run="r", title="long"), told.append))
    await studio.until(lambda: len(told) > 3)
    began = time.monotonic()
    call.cancel()
    assert (await studio.engine.call(Sample(run="r", seed=4))).items.data == b"\x04"
    assert time.monotonic() - began < 20, "the worker went on with what nobody waits for"


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("deed, word", [("segv", "SIGSEGV"), ("kill", "SIGKILL"), ("freeze", "no sign of life")])
async def test_a_dead_or_hung_worker_is_explained_and_replaced(studio, deed, word):
    before = await pid_of(studio)
    with pytest.raises(TroubleError, match=word) as caught:
        await studio.engine.call(Sample(run="r", title=deed))
    assert caught.value.trouble.advice and caught.value.trouble.kept
    assert [e for e in studio.events if e.source == "interactive"]
    after = await pid_of(studio)
    assert after != before and not psutil.pid_exists(before)


async def test_an_error_in_the_worker_reaches_the_caller_with_its_traceback(studio):
    with pytest.raises(TroubleError, match="the script says so") as caught:
        await studio.engine.call(Sample(run="r", title="error"))
    assert "Traceback" in caught.value.trouble.detail


async def test_it_ends_with_the_engine(studio):
    pid = await pid_of(studio)
    await studio.engine.close()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_a_mebibyte_frame_comes_whole(studio):
    media = await studio.engine.call(Sample(run="r", title="large"))
    assert media.items.data == bytes(1 << 20)


async def test_an_export_that_cannot_be_remembered_is_there_all_the_same_and_that_is_told(studio, monkeypatch, tmp_path):
    def refused(*_):
        raise TroubleError("the export cannot be remembered: the disk is read-only", "a.png")

    monkeypatch.setattr(studio.library, "note_export", refused)
    assert await studio.engine.call(Export("sample", str(tmp_path / "a.png"), "png")) == [str(tmp_path / "a.png")]
    (told,) = studio.bodies("sample", Trouble)
    assert (tmp_path / "a.png").exists() and "cannot be remembered" in told.what


@pytest.mark.skipif(os.name == "nt", reason="signals")
async def test_work_that_never_asks_is_left_and_the_worker_stays(studio):
    before, told = await pid_of(studio), []
    call = asyncio.ensure_future(studio.engine.call(Sample(run="r", title="deaf"), told.append))
    await studio.until(lambda: told)
    began = time.monotonic()
    call.cancel()
    assert (await studio.engine.call(Sample(run="r", seed=4))).items.data == b"\x04"
    assert time.monotonic() - began < 20 and await pid_of(studio) == before
