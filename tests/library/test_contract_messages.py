"""Messages and records survive the wire and the disk exactly; what is not one is refused."""

from __future__ import annotations

import typing

import msgspec
import pytest
from library import records

from models_backend.contract import messages as m
from models_backend.contract.run_layout import JobRecord, LibraryLayout, TrashEntry
from models_backend.contract.trace import CHANNELS, TRACE_KINDS, TraceInfo, TraceStep

REQUESTS = [
    m.Describe(), m.Attach(5), m.Pause(), m.Resume(), m.Stop(False), m.SetLive({"learning_rate": 1e-3}),
    m.Sample("run-a", 4, 7, {"steps": 3}, {"class": [1]}, start=m.StartFrom("s", 3), trace=2, stamp=9),
    m.VectorField("run-a", [0.0, 0.5]), m.LatentMap("run-a"), m.Decode("run-a", xy=[[0.0, 1.0]], stamp=3),
    m.ProveResume("run-a"),
    m.Budget("ddpm", "d", {"width": 8}), m.Evaluate("run-a"), m.Export("s", "/out", "png", items=[1]), m.Cancel(3),
]  # fmt: skip
BODIES = [
    m.State("running", 3, "because"), m.Metrics(3, {"loss": 0.5}), m.Levels(3, [0.5, 1.0]), m.Mark(3, "rate halved"),
    m.Preview(3, "previews/a.npz", 12), m.Saved(3, "checkpoints/a"), m.Progress(1, 2, "reading"), m.Heartbeat(3, 100.0),
    m.Health(3, [m.HealthLine("kl", "warn", "falls", m.Remedy("halve", training={"learning_rate": 1e-4}, live=True))]),
    m.Trouble("it is full", "disk", "everything", "free space"),
]  # fmt: skip


def test_every_request_and_body_is_tried_here():
    assert {type(r) for r in REQUESTS} == set(typing.get_args(m.Request))
    assert {type(b) for b in BODIES} == set(typing.get_args(m.Body))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_calls_survive_the_wire(request_):
    call = m.Call(7, request_)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(call), type=m.Message) == call


@pytest.mark.parametrize("body", BODIES, ids=lambda b: type(b).__name__)
def test_events_survive_the_wire_and_the_log(body):
    event = m.Event(3, 1.5, "run-a", body)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(m.Told(event)), type=m.Message) == m.Told(event)
    line = msgspec.json.encode(event)
    assert b"\n" not in line
    assert line.startswith(b'{"seq":3,')
    assert msgspec.json.decode(line, type=m.Event) == event


def test_answers_survive_the_wire():
    media = m.Media(m.Array("uint8", (1, 2, 2, 1), bytes(4)), "image", seeds=[3])
    reply = m.Reply(3, msgspec.Raw(msgspec.msgpack.encode(media)))
    found = msgspec.msgpack.decode(msgspec.msgpack.encode(reply), type=m.Message)
    assert msgspec.msgpack.decode(found.value, type=m.Media) == media
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(m.Reply(1)), type=m.Message).value == msgspec.Raw(b"\xc0")
    failure = m.Failure(3, m.Trouble("no"), stale=True)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(failure), type=m.Message) == failure


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", msgspec.msgpack.encode({"type": "nothing"}), msgspec.msgpack.encode({"type": "call", "id": "x"})],
)
def test_what_is_not_a_message_is_refused(data):
    with pytest.raises(msgspec.DecodeError):
        msgspec.msgpack.decode(data, type=m.Message)


def test_unknown_states_are_refused():
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"state","state":"dreaming"}', type=m.State)
    assert set(typing.get_args(m.RunState)) == set(m.RUN_STATES)


def test_trouble_reads_as_one_line():
    error = m.TroubleError("it is full.", "disk", "Everything is kept", "Free space.", "long traceback")
    assert str(error) == "disk: it is full. Everything is kept. Free space"
    assert str(m.Trouble("it failed")) == "it failed"
    asked = m.Trouble("there is none; did you mean this?", advice="Others have one")
    assert str(asked) == "there is none; did you mean this? Others have one"


TRACE = TraceInfo("denoise", ("x", "x0"), (1, 8, 8), 2, (TraceStep(0, 1.0, 80.0), TraceStep(1, 0.0, 0.0, 0.5)), 0.1)
RECORDS = [
    records.run_record(parts={"teacher": "run-b"}, versions={"torch": "2"}, tags=("a",)),
    records.sample_record(trace=TRACE, path={"z": [1.0]}, start={"sample": "s"}),
    records.dataset_record(roots=("/a",), options={"mean": [0.5]}, shape=(2,)),
    JobRecord("j", "train", "T", "run-a", 1.0, 2.0, after=("run-b",)),
    TrashEntry("t", "run", "T", "runs/a", 1.0),
    records.items()[0],
    records.state(5),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_records_survive_the_disk(record):
    assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record


def test_an_older_record_without_newer_fields_is_read():
    old = {"id": "a", "title": "A", "family": "f", "dataset": "d", "preset": "p", "config": {}, "training": {}, "sampling": {}}
    old |= {"data": {}, "spec": {"modality": "image", "shape": [1, 8, 8]}, "created": 1.0}
    assert msgspec.convert(old, records.run_record().__class__).tags == ()


def test_everything_lies_inside_the_library(tmp_path):
    layout = LibraryLayout(tmp_path)
    run = layout.run("a")
    paths = [run.record, run.events, run.socket, run.checkpoint(7).network("net"), run.checkpoint(7).ema("net"), run.preview(7)]
    paths += [layout.dataset("d").items, layout.sample("s").trace, layout.index, layout.owner_lock]
    assert all(path.is_relative_to(tmp_path) for path in paths)
    assert len(set(paths)) == len(paths)
    assert run.checkpoint(7).name == "step-000000007"
    assert sorted(run.checkpoint(n).name for n in (1000, 9, 100)) == [run.checkpoint(n).name for n in (9, 100, 1000)]


def test_trace_vocabulary_is_closed():
    assert set(TRACE_KINDS) == {"denoise", "unmask", "autoregressive", "path"}
    assert "x" in CHANNELS
