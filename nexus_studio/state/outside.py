"""What other processes (the command line beside the window) make, change and remove in the library, seen within a second."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from models_backend.contract.messages import TroubleError

if TYPE_CHECKING:
    from models_backend.contract.run_layout import LibraryLayout

    from .session import Session

log = logging.getLogger(__name__)
Stamps = dict[tuple[str, str], str]


class Outside:
    """Compares the stamps of data sets, runs and the samples' folder with those of the last look and reads what differs."""

    def __init__(self, session: Session):
        self._session = session
        self._known: Stamps | None = None
        self._looking = False

    async def look(self) -> None:
        """Reads again what others have changed since the last look; the first one only notes how things stand."""
        if self._looking or self._session.bridge.library is None:
            return
        self._looking = True
        try:
            await self._look()
        finally:
            self._looking = False

    async def _look(self) -> None:
        bridge = self._session.bridge
        try:  # on the file thread: what the window itself writes is whole, and noted
            now = await bridge.threaded(_stamps, bridge.library.layout)
        except OSError as error:  # the folder is gone, which is told elsewhere
            log.info("the library cannot be looked at: %s", error)
            return
        before, self._known = self._known, now
        if before is not None and before != now:
            await self._follow({key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}, before, now)

    async def _follow(self, others: set[tuple[str, str]], before: Stamps, now: Stamps) -> None:
        session = self._session
        others = {key for key in others if key[0] != "dataset" or now.get(key) != session.datasets.written.get(key[1])}
        for kind, name in sorted(key for key in others if key[1]):
            await session.bridge.threaded(session.bridge.library.notice, kind, name)
        kinds = {kind for kind, _ in others}
        if "dataset" in kinds:
            await session.datasets.load()
        if "run" in kinds:
            await session.runs.load()
        if "sample" in kinds:
            session.samples.refresh()
        await session.forget_gone()
        for kind, name in sorted(others):
            if kind == "dataset" and (kind, name) in before and session.datasets.get(name) is not None:
                await self._read_again(name)

    async def _read_again(self, dataset: str) -> None:
        self._session.datasets.items_changed.emit(dataset)
        try:
            await self._session.datasets.report(dataset)
        except TroubleError as error:  # it went away meanwhile
            log.info("the report cannot be read: %s", error)


def _stamps(layout: LibraryLayout) -> Stamps:
    """Samples, of which there may be a hundred thousand, have one stamp: when one last came or went."""
    from models_backend.library import folders

    found = {(kind, name): stamp for kind in ("dataset", "run") for name, stamp in folders.stamps(layout, kind).items()}
    came = layout.samples.stat().st_mtime_ns if layout.samples.is_dir() else 0
    return found | {("sample", ""): f"{came:x}"}
