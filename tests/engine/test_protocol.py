"""Frames: what goes in comes out, and what is broken is refused before it costs anything."""

import asyncio

import msgspec
import pytest

from models_backend.contract.messages import (
    Array,
    Attach,
    Call,
    Event,
    Failure,
    Media,
    Metrics,
    Reply,
    Sample,
    StartFrom,
    Told,
    Trouble,
    TroubleError,
)
from models_backend.engine import protocol

MESSAGES = [
    Call(1, Attach(since=3)),
    Call(2, Sample(run="r", sampling={"steps": 3}, start=StartFrom("s", 4), stamp=9)),
    Reply(3, protocol.packed({"a": 1.5})),
    Failure(4, Trouble("no", item="x", detail="line\nline"), stale=True),
    Told(Event(7, 1.5, "run", Metrics(3, {"loss": 0.25}))),
]


def reader_of(data):
    reader = asyncio.StreamReader(limit=1 << 16)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize("message", MESSAGES)
async def test_every_envelope_comes_back_equal(message):
    assert await protocol.receive(reader_of(protocol.frame(message))) == message


async def test_frames_follow_one_another_and_the_end_is_none():
    reader = reader_of(b"".join(protocol.frame(m) for m in MESSAGES))
    assert [await protocol.receive(reader) for _ in MESSAGES] == MESSAGES
    assert await protocol.receive(reader) is None


async def test_a_frame_larger_than_the_stream_limit_comes_whole():
    data = bytes(range(256)) * (5 << 12)
    media = Media(Array("uint8", (len(data),), data), "image")
    message = await protocol.receive(reader_of(protocol.frame(Reply(1, protocol.packed(media)))))
    assert protocol.unpacked(Sample(run="r"), message.value) == media


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",  # cut in the header
        protocol.frame(MESSAGES[0])[:-1],  # cut in the body
        b"\x00\x00\x00\x03abc",  # not msgpack of ours
        b"\xff\xff\xff\xff",  # over the limit
        protocol.HEADER.pack(5) + msgspec.msgpack.encode([1, 2, 3, 4]),  # some other msgpack
    ],
)
async def test_what_is_no_frame_is_refused(data):
    with pytest.raises(protocol.ProtocolError):
        await protocol.receive(reader_of(data))


def test_an_answer_over_the_limit_is_refused_in_plain_words():
    with pytest.raises(TroubleError, match="more than"):
        protocol.frame(Reply(1, protocol.packed(bytes(2 << 20))), limit=1 << 20)
