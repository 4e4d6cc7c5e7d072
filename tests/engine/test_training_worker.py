"""Runs in training: events without gaps, whatever dies; hangs and deaths in plain words."""

import asyncio
import os
import signal
import time

import msgspec
import pytest
from library import records

from models_backend.contract.messages import Metrics, Sample, State, Trouble, TroubleError
from models_backend.engine import processes
from models_backend.engine.limits import Limits

#: Nothing is given up in the time that a test takes, so that what ends soon ended by itself.
PATIENT = Limits(connect_s=60.0, silent_s=60.0, stop_s=60.0, grace_s=1.0, tick_s=0.05, scan_s=0.2)


def states(studio, run):
    return [b.state for b in studio.bodies(run, State)]


def assert_no_gap(studio, run):
    told = [e.seq for e in studio.kept(run)]
    on_disk = [e.seq for e in studio.library.run(run).events()]
    assert told == on_disk[on_disk.index(told[0]) :]
    assert on_disk == list(range(1, len(on_disk) + 1))


async def test_a_run_ends_finished_with_every_event_told_once(studio):
    run = studio.make_run(steps=20)
    await studio.engine.submit(run)
    state = await studio.engine.wait(run)
    assert (state.state, state.step) == ("finished", 20)
    assert [m.step for m in studio.bodies(run, Metrics)] == list(range(1, 21))
    assert states(studio, run) == ["starting", "running", "finished"]
    assert_no_gap(studio, run)
    assert studio.engine.queue() == []


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    "deed, word",
    [("segv", "SIGSEGV"), ("kill", "SIGKILL"), ("leave", "exit status 3"), ("oom", "memory ran out"), ("error", "says so")],
)
async def test_a_death_is_told_in_plain_words_and_leaves_the_run_failed(studio, deed, word):
    run = studio.make_run(at=3, do=deed)
    await studio.engine.submit(run)
    state = await studio.engine.wait(run)
    assert state.state == "failed"
    (trouble,) = studio.bodies(run, Trouble)
    assert word in trouble.what and trouble.advice and trouble.item == run
    assert studio.bodies(run, State)[-1].state == "failed"
    assert [j.state for j in studio.engine.queue()] == ["failed"]
    assert word in studio.engine.queue()[0].reason
    assert_no_gap(studio, run)


async def test_a_failed_run_does_not_stop_the_queue_and_can_be_resumed(studio):
    bad, good = studio.make_run("bad", at=2, do="error"), studio.make_run("good")
    await studio.engine.submit(bad)
    await studio.engine.submit(good)
    assert (await studio.engine.wait(good)).state == "finished"
    await studio.engine.resume(bad)  # the script fails at step 2 only when it passes it; one step was told
    await studio.engine.wait(bad)
    assert states(studio, bad).count("starting") == 2
    assert_no_gap(studio, bad)


async def test_reattached_without_a_gap_after_the_studio_is_killed(open_studio):
    first = await open_studio()
    run = first.make_run(steps=300, step_s=0.01)
    await first.engine.submit(run)
    await first.until(lambda: len(first.kept(run)) > 20)
    first.abandon()
    await asyncio.sleep(0.3)
    assert first.library.run(run).alive(), "the run must go on without the studio"

    second = await open_studio()
    before = await second.engine.history(run)
    assert second.engine.live() == [run]
    assert (await second.engine.wait(run)).state == "finished"
    seen = [e.seq for e in before] + [e.seq for e in second.kept(run) if e.seq > before[-1].seq]
    assert seen == list(range(1, 304))
    assert second.engine.queue() == []


async def test_a_lost_connection_is_found_again_without_a_gap(studio):
    run = studio.make_run(steps=150, step_s=0.01)
    await studio.engine.submit(run)
    for _ in range(5):
        seen = len(studio.kept(run))
        await studio.until(lambda seen=seen: len(studio.kept(run)) > seen + 5 and studio.engine._live[run].connection)
        studio.engine._live[run].connection.close()
    assert (await studio.engine.wait(run)).state == "finished"
    assert [m.step for m in studio.bodies(run, Metrics)] == list(range(1, 151))
    assert_no_gap(studio, run)


async def test_pause_answers_samples_and_resume_goes_on(studio):
    run = studio.make_run(steps=60, step_s=0.01)
    await studio.engine.submit(run)
    await studio.until(lambda: studio.bodies(run, Metrics))
    await studio.engine.pause(run)
    await studio.until(lambda: "paused" in states(studio, run))
    step = studio.bodies(run, Metrics)[-1].step
    media = await studio.engine.call(Sample(run=run, seed=7))
    assert media.items.data == b"\x07"
    await asyncio.sleep(0.2)
    assert studio.bodies(run, Metrics)[-1].step == step < 60
    await studio.engine.resume(run)
    assert (await studio.engine.wait(run)).state == "finished"
    assert states(studio, run) == ["starting", "running", "paused", "running", "finished"]


async def test_a_pause_that_is_asked_during_an_answer_is_told(studio):
    run, told = studio.make_run(steps=60, step_s=0.01), []
    await studio.engine.submit(run)
    await studio.until(lambda: studio.bodies(run, Metrics))
    call = asyncio.ensure_future(studio.engine.call(Sample(run=run, seed=7, title="slow"), told.append))
    await studio.until(lambda: told)
    await studio.engine.pause(run)
    assert (await call).items.data == b"\x07"
    await studio.until(lambda: "paused" in states(studio, run))
    await studio.engine.resume(run)
    assert (await studio.engine.wait(run)).state == "finished"
    assert states(studio, run) == ["starting", "running", "paused", "running", "finished"]


async def test_a_pause_is_withdrawn_before_the_step_is_over(studio):
    run = studio.make_run(steps=2, step_s=1.0)
    await studio.engine.submit(run)
    await studio.until(lambda: "running" in states(studio, run))
    await studio.engine.pause(run)
    await studio.engine.resume(run)
    assert (await studio.engine.wait(run)).state == "finished"
    told = states(studio, run)
    assert told[-1] == "finished" and told.count("running") == told.count("paused") + 1


async def test_a_run_in_training_answers_between_two_steps(studio):
    run = studio.make_run(steps=200, step_s=0.01)
    await studio.engine.submit(run)
    media = await studio.engine.call(Sample(run=run, seed=3))
    assert media.items.data == b"\x03"
    assert studio.engine.live() == [run]
    with pytest.raises(TroubleError, match="not a live setting"):
        await studio.engine.set_live(run, {"steps": 3})
    await studio.engine.set_live(run, {"learning_rate": 0.1})


async def test_stop_ends_within_a_step_and_while_paused(studio):
    run = studio.make_run(steps=1000, step_s=0.01)
    await studio.engine.submit(run)
    await studio.until(lambda: studio.bodies(run, Metrics))
    await studio.engine.pause(run)
    await studio.engine.stop(run)
    state = await studio.engine.wait(run)
    assert state.state == "stopped" and state.step < 1000
    assert studio.engine.queue() == []


async def test_a_run_that_has_told_its_end_is_resumed_once_its_worker_has_closed(studio):
    run = studio.make_run(steps=100, step_s=0.01, close_s=0.4)
    await studio.engine.submit(run)
    await studio.until(lambda: studio.bodies(run, Metrics))
    await studio.engine.stop(run)
    await studio.until(lambda: "stopped" in states(studio, run))
    assert studio.engine.live() == [run], "its worker is still there"
    await studio.engine.resume(run)
    assert (await studio.engine.wait(run)).state == "finished"
    assert states(studio, run) == ["starting", "running", "stopped", "starting", "running", "finished"]


@pytest.mark.parametrize("connected", [True, False])
async def test_no_trouble_is_told_of_a_worker_that_ended_in_order_and_is_slow_to_leave(studio, monkeypatch, connected):
    monkeypatch.setenv("SCRIPTED_END_S", "2")
    run = studio.make_run(steps=20, step_s=0.02)
    if not connected:
        monkeypatch.setattr("models_backend.engine.training_worker.Connection.open", _refused)
    await studio.engine.submit(run)
    await studio.until(lambda: studio.library.run(run).state()[0] == "finished")
    await studio.until(lambda: "finished" in states(studio, run) or not connected)
    worker = studio.engine._live[run]
    worker.limits = msgspec.structs.replace(worker.limits, connect_s=0.0, silent_s=0.0, stuck_s=0.0)
    assert (await studio.engine.wait(run)).state == "finished"
    assert not studio.bodies(run, Trouble)
    assert_no_gap(studio, run)


async def _refused(*_):
    raise ConnectionRefusedError


@pytest.mark.skipif(os.name == "nt", reason="signals")
async def test_a_frozen_worker_is_noticed_and_stop_now_ends_it_by_force(studio):
    run = studio.make_run(at=2, do="freeze", steps=5)
    await studio.engine.submit(run)
    await studio.until(lambda: studio.bodies(run, Trouble))
    assert "no sign of life" in studio.bodies(run, Trouble)[0].what
    await studio.engine.stop(run, after_step=False)
    state = await studio.engine.wait(run)
    assert state.state == "stopped"
    assert "by force" in studio.bodies(run, State)[-1].reason
    assert_no_gap(studio, run)


@pytest.mark.skipif(os.name == "nt", reason="signals")
async def test_sigterm_is_a_clean_stop(studio):
    run = studio.make_run(steps=1000, step_s=0.01)
    await studio.engine.submit(run)
    await studio.until(lambda: studio.bodies(run, Metrics))
    os.kill(studio.library.run(run).worker_pid(), signal.SIGTERM)
    assert (await studio.engine.wait(run)).state == "stopped"


async def test_a_second_worker_for_the_same_run_leaves_the_first_alone(open_studio):
    first = await open_studio()
    run = first.make_run(steps=150, step_s=0.01)
    await first.engine.submit(run)
    await first.until(lambda: first.bodies(run, Metrics))
    second = await open_studio(start=False, schedule=False)
    await second.engine._live.start(first.engine.queue()[0])
    assert (await second.engine.wait(run)).state == "finished"
    await first.engine.wait(run)
    assert states(first, run) == ["starting", "running", "finished"]
    assert_no_gap(second, run)


@pytest.mark.skipif(os.name == "nt", reason="signals")
async def test_a_run_that_is_still_loading_stops_at_once(open_studio):
    studio = await open_studio(limits=PATIENT)
    run = studio.make_run(steps=50, prepare_s=60.0)
    await studio.engine.submit(run)
    await studio.until(lambda: "starting" in states(studio, run))
    await studio.engine.up(run)
    began = time.monotonic()
    await studio.engine.stop(run)
    state = await studio.engine.wait(run)
    assert (state.state, state.step) == ("stopped", 0) and time.monotonic() - began < 20
    assert_no_gap(studio, run)


@pytest.mark.skipif(os.name == "nt", reason="signals")
async def test_an_answer_of_a_run_in_training_does_not_hold_up_a_stop(open_studio):
    studio = await open_studio(limits=PATIENT)
    run, told = studio.make_run(steps=1000, step_s=0.01), []
    await studio.engine.submit(run)
    await studio.until(lambda: studio.bodies(run, Metrics))
    call = asyncio.ensure_future(studio.engine.call(Sample(run=run, title="deaf"), told.append))
    await studio.until(lambda: told)
    began = time.monotonic()
    await studio.engine.stop(run)
    assert (await studio.engine.wait(run)).state == "stopped" and time.monotonic() - began < 20
    with pytest.raises((TroubleError, asyncio.CancelledError)):
        await call
    assert_no_gap(studio, run)


async def test_a_worker_is_told_the_step_of_the_checkpoint_that_it_goes_on_from(studio, monkeypatch):
    run, started = studio.make_run(), []
    folder = studio.library.run(run)
    folder.save_checkpoint(7, records.weights(7), records.state(7))
    spawn = processes._spawn

    def told(arguments, log, **options):
        started.append(arguments)
        return spawn(arguments, log, **options)

    monkeypatch.setattr(processes, "_spawn", told)
    await studio.engine.submit(run)
    await studio.engine.wait(run)
    (arguments,) = started
    assert arguments[arguments.index("--from") + 1] == "7"
