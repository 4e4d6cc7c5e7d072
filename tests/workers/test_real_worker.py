"""The real workers with a real family, end to end: train, sample half-trained, stop, resume, sample and measure."""

import asyncio

import numpy as np
import pytest

from models_backend.contract.messages import (
    Evaluate,
    LatentMap,
    Metrics,
    Preview,
    ProveResume,
    Sample,
    Saved,
    State,
    VectorField,
)
from models_backend.engine.engine import Engine
from models_backend.library.fsck import fsck
from models_backend.library.library import Library

FAMILY, DATA = "ddpm", "points:density=moons,count=500"


def array(found):
    return np.frombuffer(found.data, found.dtype).reshape(found.shape)


@pytest.fixture
async def engine(library_root):
    library = Library.open(library_root)
    engine = Engine(library)
    await engine.start()
    yield engine
    for run in engine.live():
        await engine.stop(run, after_step=False)
        await engine.wait(run)
    await engine.close()
    library.close()


@pytest.mark.timeout(170)
async def test_a_run_is_trained_sampled_stopped_resumed_and_told_without_a_gap(engine):
    events = []
    engine.subscribe(events.append)
    dataset = await engine.make_builtin(DATA)
    training = {"steps": 400, "checkpoint_every": 100, "validate_every": 100, "preview_every": 100, "batch_size": 16}
    record = await engine.create_run(FAMILY, dataset.id, "tiny", training=training)
    await engine.submit(record.id)
    while not any(isinstance(e.body, Metrics) for e in events):
        await engine.call(Sample(run=record.id, count=1, save=False))
    await engine.pause(record.id)
    half = await engine.call(Sample(run=record.id, count=5, seed=3, save=False))
    again = await engine.call(Sample(run=record.id, count=3, seed=3, save=False))
    assert array(half.items).shape == (5, 2) and np.isfinite(array(half.items)).all()
    assert np.allclose(array(half.items)[:3], array(again.items), atol=1e-5), "the n-th item depends on (seed, n) only"
    await engine.set_live(record.id, {"learning_rate": 1e-3})
    await engine.stop(record.id)
    stopped = await engine.wait(record.id)
    assert stopped.state == "stopped" and stopped.step < 400

    await engine.resume(record.id)
    assert (await engine.wait(record.id)).state == "finished"
    kept = [e for e in events if e.source == record.id and e.seq]
    assert [e.seq for e in kept] == list(range(1, len(kept) + 1))
    assert {type(e.body) for e in kept} >= {State, Metrics, Saved, Preview}
    assert engine.library.run(record.id).checkpoints()[0].name == "step-000000400"

    made = await engine.call(Sample(run=record.id, count=6, seed=1, trace=2, title="kept"))
    assert [s.id for s in engine.library.samples()] == [made.sample]
    assert made.trace.count == 2 and made.trace.steps
    field = await engine.call(VectorField(run=record.id, times=[made.trace.steps[0].time], n=5))
    assert array(field.arrays["field"]).shape == (1, 5, 5, 2)


async def ended(engine, run, **more):
    await engine.submit(run, **more)
    return await engine.wait(run)


def weights_of(engine, run):
    newest = engine.library.run(run).checkpoints()[0]
    return {path.name: path.read_bytes() for path in sorted(newest.root.glob("*.safetensors"))}


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_data_are_edited_between_runs_and_every_run_goes_on_with_what_it_knew(engine):
    """Edit, train; undo, train; an old run stopped half-way is resumed, proved, measured and mapped after more edits."""
    dataset = await engine.make_builtin("points:density=moons,count=300")
    stored = engine.library.dataset(dataset.id)
    training = {"steps": 60, "checkpoint_every": 20, "validate_every": 0, "preview_every": 0, "batch_size": 16, "warmup": 1}

    async def made():
        return await engine.create_run("vae", dataset.id, "tiny", training=training)

    straight, halved = await made(), await made()
    assert (await ended(engine, straight.id)).state == "finished"
    token = stored.edit_many({0: "the first"}, {1: 0, 2: 1, 3: 1}, ("left", "right"), dict.fromkeys(range(20, 80), True))
    edited = await made()
    assert (await ended(engine, edited.id)).state == "finished" and edited.spec.count == 240 and edited.spec.captioned
    assert edited.spec.classes == ("left", "right") and await engine.changes_since(edited.id) == []
    token = stored.undo(token)
    again = await made()
    assert (await ended(engine, again.id)).state == "finished"
    assert weights_of(engine, again.id) == weights_of(engine, straight.id) != weights_of(engine, edited.id)
    told = ["1 caption changed", "3 items moved to other classes", "60 items brought back", "2 classes removed"]
    assert await engine.changes_since(edited.id) == told

    stored.undo(token)
    assert await engine.changes_since(halved.id) == [
        "1 caption changed", "3 items moved to other classes", "60 items left out", "2 classes added"
    ]  # fmt: skip
    assert (await ended(engine, halved.id)).state == "finished"
    assert weights_of(engine, halved.id) == weights_of(engine, straight.id), "made before the edit, begun after it"
    assert (await engine.call(ProveResume(halved.id)))["identical"]
    assert (await engine.call(Evaluate(halved.id, 50)))["w2"] > 0
    whole = array((await engine.call(LatentMap(straight.id, limit=300))).arrays["index"])
    less = array((await engine.call(LatentMap(edited.id, limit=300))).arrays["index"])
    assert set(less) == set(whole) - set(range(20, 80))
    anew = await engine.begin_anew(halved.id)
    assert (await ended(engine, anew.id)).state == "finished"
    assert weights_of(engine, anew.id) == weights_of(engine, edited.id)


@pytest.mark.timeout(170)
async def test_a_training_waits_while_the_library_is_moved_away_and_goes_on_when_it_is_back(engine, library_root, tmp_path):
    events = []
    engine.subscribe(events.append)
    dataset = await engine.make_builtin(DATA)
    training = {"steps": 300, "checkpoint_every": 20, "validate_every": 0, "preview_every": 0, "batch_size": 16}
    record = await engine.create_run(FAMILY, dataset.id, "tiny", training=training)
    await engine.submit(record.id)
    while not any(isinstance(e.body, Saved) for e in events):
        await asyncio.sleep(0.01)
    library_root.rename(tmp_path / "away")
    async with asyncio.timeout(60):
        while not any("folder, which is gone" in getattr(e.body, "what", "") for e in events):
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.0)
    assert not library_root.exists(), "no second library is made where it was"
    (tmp_path / "away").rename(library_root)
    assert (await engine.wait(record.id)).state == "finished"
    run = engine.library.run(record.id)
    assert run.checkpoints()[0].step == 300 and run.damage() == ""
    assert [e.seq for e in run.events()] == list(range(1, run.last_seq() + 1))
    assert [str(finding) for finding in fsck(library_root) if finding.level == "error"] == []
