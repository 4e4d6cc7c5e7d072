"""Rows of a cache made from the sources once more, in parallel, and only from sources that are still what was imported."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import Item
from models_backend.contract.words import counted
from models_backend.library.source_paths import all_places, at_hand, missing

from . import geometry
from .archives import Refused
from .cache import Cut
from .decoded import Decoded
from .intake import BATCH
from .opening import CHANGED, Opener
from .pool import Pool

_KEPT = "what is cached already is kept, at the sizes it was cached for"


class SourceRows:
    """Callable (start, stop) -> uint8 (stop - start, H, W, C): rows of a cut of ``items``, all that a data set has; a context
    manager that owns its decoders.

    Raises TroubleError that names the source where one is gone, has changed, or cannot be decoded any more."""

    def __init__(self, items: list[Item], cut: Cut):
        self._all, self._items, self._cut = items, [items[position] for position in cut.rows], cut

    def __enter__(self) -> SourceRows:
        self._pool, self._opener = Pool(), Opener()
        return self

    def __exit__(self, *details: object) -> None:
        self._opener.__exit__(*details)
        self._pool.__exit__(*details)

    def __call__(self, start: int, stop: int) -> np.ndarray:
        _, height, width, channels = self._cut.shape
        rows = np.empty((stop - start, height, width, channels), np.uint8)

        def take(batch: range, answers: list[Decoded]) -> None:
            for position, answer in zip(batch, answers):
                picture = np.frombuffer(self._good(position, answer), np.uint8).reshape(1, height, width, 3)
                rows[position - start] = geometry.recoloured(picture, channels)[0]

        self._pool.run(_batches(start, stop), self._load, [self._cut.target], take, looks=False)
        return rows

    def _load(self, batch: range) -> list[bytes]:
        return [self._bytes(self._items[position]) for position in batch]

    def _bytes(self, item: Item) -> bytes:
        try:
            return self._opener.as_imported(all_places(item), item.sha256)
        except Refused as refused:
            if refused.code == CHANGED[0]:
                what = "this source has changed since it was imported"
                raise TroubleError(what, item.source, _KEPT, "import the data again") from refused
            lost = missing(one.source for one in at_hand(self._all)) if refused.code == "gone" else ()
            if lost:
                raise TroubleError(
                    f"{len(lost):,} of {counted(len(self._all), 'picture')} are not where they were, and are needed to show "
                    f"them at {self._cut.target}", lost[0], _KEPT,
                    "look for them in Data, or import the folder where it is now",
                    command="`nexus-studio import FOLDER --look-for DATA` finds them in the folder where they are now",
                ) from refused  # fmt: skip
            raise TroubleError(
                f"this source is needed to show the pictures at {self._cut.target}, but {refused.reason}",
                item.source, _KEPT, "put it back, import the data again, or use a size that is cached",
            ) from refused  # fmt: skip

    def _good(self, position: int, answer: Decoded) -> bytes:
        if answer.code:
            raise TroubleError(answer.reason, self._items[position].source, _KEPT, "import the data again")
        return answer.arrays[0]


def _batches(start: int, stop: int) -> Iterator[range]:
    return (range(at, min(at + BATCH, stop)) for at in range(start, stop, BATCH))
