"""The viewer's process: ``python -m models_backend.workers.viewing``: pictures of data sets at the size of a view, from their
sources, which are only read. It never imports torch; a confined child decodes, as for an import.

On stdin come frames (4-byte big-endian length, then msgpack) of :class:`View`, on stdout goes one of :class:`Seen` for each,
in order. The end of stdin ends it. Everything that is printed goes to stderr.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.views import Seen, View
from models_backend.data.archives import Refused
from models_backend.data.decoded import Target
from models_backend.data.opening import Opener
from models_backend.data.pool import Pool

from .process import INTERACTIVE_NICE, lower_priority


def look(view: View, pool: Pool) -> Seen:
    """One picture, or why it cannot be had."""
    try:
        with Opener() as opener:
            data = opener.as_imported((view.source, *view.also), view.sha256)
    except Refused as refused:
        return Seen(why=refused.reason)
    try:
        (answer,) = pool.decode([data], [Target(view.width, "stretch", view.height)], looks=False)
    except TroubleError as error:
        return Seen(why=error.trouble.what)
    return Seen(why=answer.reason) if answer.code else Seen(bytes(answer.arrays[0]))


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answers views until there are no more."""
    decoder, encoder = msgspec.msgpack.Decoder(View), msgspec.msgpack.Encoder()
    with Pool(1) as pool:
        while len(head := incoming.read(4)) == 4:
            answer = encoder.encode(look(decoder.decode(incoming.read(int.from_bytes(head, "big"))), pool))
            outgoing.write(len(answer).to_bytes(4, "big") + answer)
            outgoing.flush()


def main() -> int:
    """Serves until its caller is gone."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lower_priority(INTERACTIVE_NICE)
    serve(sys.stdin.buffer, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
