"""The queue: what waits for what, what survives a restart, the order."""

import asyncio

import pytest

from models_backend.contract.messages import State, TroubleError
from models_backend.contract.run_layout import JobRecord
from models_backend.engine import queue


def job(name, order=0.0, **more):
    more = {"state": "queued", **more}
    return JobRecord(
        id=name, kind="train", title=name, run=f"run-{name}", created=0.0, order=order, **{"state": "queued", **more}
    )


def look_from(states):
    return lambda run: (states.get(run, ""), run)


def test_one_job_a_device_starts_in_order():
    start, reasons = queue.next_up([job("b", 2), job("a", 1), job("c", 3, device="cuda:0")], look_from({}))
    assert [j.id for j in start] == ["a", "c"]
    assert reasons == {"b": "waits for cpu, which a has"}


@pytest.mark.parametrize(
    "state, starts", [("finished", True), ("running", False), ("failed", False), ("stopped", False), ("", False)]
)
def test_a_dependency_must_be_finished(state, starts):
    start, reasons = queue.next_up([job("a", after=("r",))], look_from({"r": state}))
    assert bool(start) is starts
    assert bool(reasons) is not starts


def test_a_held_or_waiting_job_lets_the_next_one_through():
    jobs = [job("a", 1, held=True), job("b", 2, after=("r",)), job("c", 3)]
    start, reasons = queue.next_up(jobs, look_from({"r": "running"}))
    assert [j.id for j in start] == ["c"]
    assert reasons == {"a": "held", "b": "waits for r"}


@pytest.mark.parametrize("index", [0, 1, 2, 3, 9])
def test_order_at_puts_a_job_where_it_is_asked(index):
    others = [job("a", 1), job("b", 2), job("c", 3)]
    moved = queue.ordered([*others, job("x", queue.order_at(others, index))])
    assert [j.id for j in moved].index("x") == min(index, 3)


async def test_a_run_waits_for_the_run_that_it_depends_on(studio):
    first, second = studio.make_run("first", steps=30, step_s=0.01), studio.make_run("second")
    await studio.engine.submit(second, after=[first])
    assert studio.engine.queue()[0].reason == "waits for first"
    await studio.engine.submit(first)
    assert (await studio.engine.wait(second)).state == "finished"
    order = [e.source for e in studio.events if isinstance(e.body, State) and e.body.state in ("running", "finished") and e.seq]
    assert order == [first, first, second, second]


async def test_a_dependency_that_failed_is_said_and_others_go_on(studio):
    bad, waits, free = studio.make_run("bad", at=1, do="error"), studio.make_run("waits"), studio.make_run("free")
    await studio.engine.submit(bad)
    await studio.engine.submit(waits, after=[bad])
    await studio.engine.submit(free)
    assert (await studio.engine.wait(free)).state == "finished"
    await studio.until(lambda: any("bad" in j.reason and "failed" in j.reason for j in studio.engine.queue() if j.run == waits))


@pytest.mark.parametrize("start_s", ["0", "1"], ids=["a quick worker", "a worker that has said nothing yet"])
async def test_the_queue_survives_a_restart(open_studio, monkeypatch, start_s):
    monkeypatch.setenv("SCRIPTED_START_S", start_s)
    first = await open_studio()
    running, held, waiting = (
        first.make_run("running", steps=400, step_s=0.01),
        first.make_run("held"),
        first.make_run("waiting"),
    )
    await first.engine.submit(running)
    job_held = await first.engine.submit(held)
    await first.engine.hold(job_held.id)
    await first.engine.submit(waiting)
    before = [(j.run, j.state, j.held) for j in first.engine.queue()]
    first.abandon()

    second = await open_studio()
    assert [(j.run, j.state, j.held) for j in second.engine.queue()] == before
    await second.engine.stop(running)
    assert (await second.engine.wait(waiting)).state == "finished"
    assert [j.run for j in second.engine.queue()] == [held], second.engine.queue()
    await second.engine.hold(job_held.id, False)
    assert (await second.engine.wait(held)).state == "finished"


async def test_a_run_whose_worker_died_with_the_studio_is_interrupted_and_resumes(open_studio):
    first = await open_studio()
    run = first.make_run(steps=300, step_s=0.01)
    await first.engine.submit(run)
    await first.until(lambda: len(first.kept(run)) > 10)
    worker = first.engine._live[run]
    first.abandon()
    worker._process.kill()
    await asyncio.to_thread(worker._process.wait)

    second = await open_studio()
    (left,) = second.engine.queue()
    assert left.state == "interrupted" and "resume" in left.reason
    assert (await second.engine.run_state(run)).state == "interrupted"
    await second.engine.resume(run)
    assert (await second.engine.wait(run)).state == "finished"
    assert second.engine.queue() == []


async def test_reorder_cancel_and_double_submission(studio):
    blocker = studio.make_run("blocker", steps=1000, step_s=0.01)
    await studio.engine.submit(blocker)
    runs = [studio.make_run(f"r{i}") for i in range(3)]
    jobs = [await studio.engine.submit(run) for run in runs]
    await studio.engine.reorder(jobs[2].id, 0)
    assert [j.run for j in studio.engine.queue()] == [blocker, runs[2], runs[0], runs[1]]
    with pytest.raises(TroubleError, match="already"):
        await studio.engine.submit(runs[0])
    await studio.engine.cancel(jobs[0].id)
    assert [j.run for j in studio.engine.queue()] == [blocker, runs[2], runs[1]]
    await studio.engine.cancel(studio.engine.queue()[0].id)
    assert (await studio.engine.wait(runs[1])).state == "finished"
    with pytest.raises(TroubleError, match="not in the queue"):
        await studio.engine.hold(jobs[0].id)


@pytest.mark.parametrize("way", ["stop", "cancel"])
async def test_a_run_taken_out_before_it_began_is_stopped_and_can_be_begun(open_studio, way):
    first = await open_studio()
    blocker, run = first.make_run("blocker", steps=1000, step_s=0.01), first.make_run("waiting")
    after = first.make_run("after")
    await first.engine.submit(blocker)
    job = await first.engine.submit(run)
    await first.engine.submit(after, after=[run])
    assert (await first.engine.run_state(run)).state == "queued"
    await (first.engine.stop(run, after_step=False) if way == "stop" else first.engine.cancel(job.id))
    told = await first.engine.run_state(run)
    assert (told.state, told.step) == ("stopped", 0) and "before it began" in told.reason
    assert [body.state for body in first.bodies(run, State)] == ["stopped"]
    assert next(j.reason for j in first.engine.queue() if j.run == after) == "waits for waiting, which stopped"
    await first.engine.stop(blocker)
    await first.engine.wait(blocker)
    first.abandon()

    second = await open_studio()
    assert (await second.engine.run_state(run)).state == "stopped"
    await second.engine.resume(run)
    assert (await second.engine.wait(run)).state == "finished"


async def test_a_run_that_trained_before_keeps_its_state_where_it_is_taken_out(studio):
    run = studio.make_run("trained", steps=1000, step_s=0.01)
    await studio.engine.submit(run)
    await studio.until(lambda: len(studio.kept(run)) > 5)
    await studio.engine.stop(run)
    before = await studio.engine.wait(run)
    await studio.engine.submit(studio.make_run("blocker", steps=1000, step_s=0.01))
    await studio.engine.resume(run)
    await studio.engine.stop(run)
    assert await studio.engine.run_state(run) == before and before.step


async def test_a_queue_that_another_process_works_off_is_seen_and_not_changed(open_studio):
    owner = await open_studio()
    blocker, run = owner.make_run("blocker", steps=100_000, step_s=0.01), owner.make_run("waiting")
    await owner.engine.submit(blocker)
    guest = await open_studio(schedule=False)
    assert owner.engine.owns_queue and not guest.engine.owns_queue
    job = await owner.engine.submit(run)
    await guest.until(lambda: guest.engine.queue() == owner.engine.queue())
    assert [one.run for one in guest.engine.queue()] == [blocker, run]
    assert guest.bodies(job.id, State)[-1].state == "queued"
    asked = (guest.engine.hold(job.id), guest.engine.reorder(job.id, 0), guest.engine.cancel(job.id), guest.engine.stop(run))
    for change in asked:
        with pytest.raises(TroubleError, match="where the queue is worked off"):
            await change
    assert queue.ordered(owner.library.jobs()) == owner.engine.queue() == guest.engine.queue()
    await owner.engine.cancel(job.id)
    await guest.until(lambda: [one.run for one in guest.engine.queue()] == [blocker])
    assert guest.bodies(job.id, State)[-1].state == "stopped"


async def test_a_job_that_a_killed_owner_left_running_does_not_run_for_one_who_looks(open_studio):
    owner = await open_studio(start=False)
    run, waiting = owner.make_run("lost"), owner.make_run("waiting")
    for name, of_run, state in (("a", run, "running"), ("b", waiting, "queued")):
        owner.library.put_job(JobRecord(name, "train", name, of_run, 0.0, 0.0, state=state))
    guest = await open_studio(schedule=False)
    assert [one.run for one in guest.engine.queue()] == [waiting]
