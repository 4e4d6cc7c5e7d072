"""The pictures of an import on their way: read by one side, decoded by the other, their small rows kept in an unnamed file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from models_backend.contract.run_layout import Unreadable
from models_backend.contract.settings import DataSettings

from . import folder, geometry
from .archives import Refused
from .decoded import Decoded, Target
from .opening import Opener
from .sources import Found, Source
from .watch import Watch

BATCH, BATCH_BYTES = 24, 8 << 20


@dataclass
class Spool:
    """Rows of one target by position in an unnamed file: uint8 (side, side, 3) each."""

    target: Target
    file: BinaryIO

    @property
    def row_bytes(self) -> int:
        return self.target.bytes

    def put(self, first: int, rows: Sequence[bytes]) -> None:
        """Rows of consecutive positions; b"" leaves a gap."""
        self.file.seek(first * self.row_bytes)
        self.file.write(b"".join(row or bytes(self.row_bytes) for row in rows))

    def pieces(self, positions: Sequence[int], channels: int) -> Iterator[bytes]:
        """The rows at ``positions`` in turn, with ``channels`` 1 or 3."""
        side = self.target.side
        for position in positions:
            self.file.seek(position * self.row_bytes)
            row = self.file.read(self.row_bytes)
            if channels == 1:
                picture = np.frombuffer(row, np.uint8).reshape(1, side, side, 3)
                row = geometry.recoloured(picture, 1).tobytes()
            yield row


@dataclass
class Intake:
    """What is known of each picture while the import goes on, by its position among those found."""

    found: Found
    opener: Opener
    spools: list[Spool]
    watch: Watch
    answers: dict[int, Decoded] = field(default_factory=dict)
    hashes: dict[int, str] = field(default_factory=dict)
    refused: dict[int, Refused] = field(default_factory=dict)

    def load(self, batch: range) -> list[bytes]:
        """The bytes of a batch; b"" where a source cannot be read."""
        return [self._load(position) for position in batch]

    def _load(self, position: int) -> bytes:
        try:
            data = self.opener.read(self.found.pictures[position])
        except Refused as refused:
            self.refused[position] = Refused(refused.code, refused.reason)  # that one holds on to what was read
            return b""
        self.hashes[position] = hashlib.sha256(data).hexdigest()
        return data

    def take(self, batch: range, answers: list[Decoded]) -> None:
        """Keeps the answers of a batch."""
        for number, spool in enumerate(self.spools):
            spool.put(batch.start, [answer.arrays[number] if answer.arrays else b"" for answer in answers])
        for position, answer in zip(batch, answers):
            answer.arrays = []
            self.answers[position] = answer
        self.watch.count(len(batch))

    def good(self) -> list[int]:
        """Positions of the pictures that were read and decoded, in order."""
        return [p for p in sorted(self.answers) if not self.answers[p].code and p not in self.refused]

    def bad(self) -> list[Unreadable]:
        """The others, each with its reason."""
        lines = []
        for position, source in enumerate(self.found.pictures):
            if position in self.refused:
                lines.append(Unreadable(source.name, self.refused[position].code, self.refused[position].reason))
            elif self.answers[position].code:
                lines.append(Unreadable(source.name, self.answers[position].code, self.answers[position].reason))
        return lines


def targets_for(settings: DataSettings | None) -> list[Target]:
    """The thumbnails, and what the settings ask for where that is something else."""
    targets = [Target(folder.THUMB, "centre")]
    if settings is not None and (settings.resolution, settings.crop) != (folder.THUMB, "centre"):
        targets.append(Target(settings.resolution, settings.crop))
    return targets


def batches(pictures: Sequence[Source]) -> Iterator[range]:
    """Runs of positions of at most BATCH pictures and about BATCH_BYTES."""
    start, held = 0, 0
    for position, source in enumerate(pictures):
        if position > start and (position - start >= BATCH or held + source.size > BATCH_BYTES):
            yield range(start, position)
            start, held = position, 0
        held += source.size
    if start < len(pictures):
        yield range(start, len(pictures))
