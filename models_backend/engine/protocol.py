"""Frames: a 4-byte big-endian length, then msgpack of one message. Used by both ends of every socket."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import msgspec

from models_backend.contract.family import FamilyDescription
from models_backend.contract.messages import (
    MESSAGE_LIMIT,
    Arrays,
    Budget,
    BudgetReport,
    Decode,
    Describe,
    Evaluate,
    Export,
    LatentMap,
    Media,
    Message,
    Sample,
    TroubleError,
    VectorField,
)

HEADER = struct.Struct(">I")
PIECE = 1 << 20  # bytes taken from the stream at once, so that a large frame never holds the event loop
LARGE = 4 << 20  # frames from this size on are decoded in a thread

#: request type -> type of its answer; a request that is not named answers None
ANSWERS: dict[type, Any] = {
    Describe: list[FamilyDescription],
    Sample: Media,
    VectorField: Arrays,
    LatentMap: Arrays,
    Decode: Arrays,
    Budget: BudgetReport,
    Evaluate: dict[str, float],
    Export: list[str],
}

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)
_answer_decoders = {request: msgspec.msgpack.Decoder(answer) for request, answer in ANSWERS.items()}


class ProtocolError(ConnectionError):
    """The other end sent something that is not a frame of ours; the connection cannot go on."""


def frame(message: Any, limit: int = MESSAGE_LIMIT) -> bytes:
    """A message as bytes for the wire. Raises TroubleError where it is larger than ``limit`` bytes."""
    body = _encoder.encode(message)
    if len(body) > limit:
        raise TroubleError(
            f"the answer has {len(body) >> 20} MiB, more than the {limit >> 20} MiB that a message may have",
            advice="Ask for fewer or smaller items at once",
        )
    return HEADER.pack(len(body)) + body


def packed(value: Any) -> msgspec.Raw:
    """An answer as the ``value`` of a Reply."""
    return msgspec.Raw(_encoder.encode(value))


def unpacked(request: Any, value: msgspec.Raw) -> Any:
    """The typed answer to ``request`` out of a Reply's ``value``."""
    decoder = _answer_decoders.get(type(request))
    return decoder.decode(value) if decoder else msgspec.msgpack.decode(value)


def decode(body: bytes | bytearray) -> Message:
    """The message in one frame. Raises ProtocolError."""
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"not a message: {error}") from error


async def receive(reader: asyncio.StreamReader, limit: int = MESSAGE_LIMIT) -> Message | None:
    """The next message, or None where the other end has closed. Raises ProtocolError on a broken or oversized frame."""
    header = await _exactly(reader, HEADER.size)
    if header is None:
        return None
    (size,) = HEADER.unpack(header)
    if size > limit:
        raise ProtocolError(f"a frame of {size} bytes is over the limit of {limit}")
    body = await _exactly(reader, size)
    if body is None:
        raise ProtocolError("the connection ended inside a frame")
    return await asyncio.to_thread(decode, body) if size >= LARGE else decode(body)


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytearray | None:
    """``size`` bytes in pieces, or None at the end of the stream before the first byte of them."""
    body = bytearray()
    while len(body) < size:
        piece = await reader.read(min(PIECE, size - len(body)))
        if not piece and body:
            raise ProtocolError("the connection ended inside a frame")
        if not piece:
            return None
        body += piece
    return body
