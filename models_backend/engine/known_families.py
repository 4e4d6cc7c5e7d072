"""The families as an engine knows them: at first the cache of the last start, then described anew where files changed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from models_backend.contract import names
from models_backend.contract.family import FamilyDescription
from models_backend.contract.messages import Event, Progress, TroubleError

from . import catalogue
from .beside import Spawn, Tell


class KnownFamilies:
    """``known``: what is known now. A change is told as Progress of the source "catalogue"."""

    def __init__(self, root: Path, cache: Path, tell: Tell, spawn: Spawn):
        self._root, self._cache, self._tell, self._spawn = root, cache, tell, spawn
        self.known: list[FamilyDescription] = []
        self._describing: asyncio.Task[list[FamilyDescription]] | None = None

    async def load(self) -> None:
        """Takes over the cache of the last start."""
        cached = await asyncio.to_thread(catalogue.load, self._cache)
        self.known = cached.families if cached else []

    async def described(self) -> list[FamilyDescription]:
        """The families as their files are now; described anew (seconds) where a file changed."""
        return await self.refreshed(lambda: catalogue.ask(self._root))

    async def refreshed(self, ask: catalogue.Ask) -> list[FamilyDescription]:
        """The same, described by whom ``ask`` asks."""
        if self._describing is None or self._describing.done():
            self._describing = self._spawn(catalogue.refreshed(self._cache, ask))
        families = await asyncio.shield(self._describing)
        if families != self.known:
            self.known = families
            self._tell(Event(0, time.time(), "catalogue", Progress(len(families), len(families), "families described")))
        return families

    async def family(self, key: str) -> FamilyDescription:
        """The description of one family. Raises TroubleError that lists what there is, at once where no file has the name."""
        there = await asyncio.to_thread(catalogue.keys)
        if key in there:
            families = await self.described()
            found = next((f for f in families if f.key == key), None)
            if found is not None:
                return found
            there = [f.key for f in families]
        advice = f"{names.meant(key, there)}There are {', '.join(there)}"
        raise TroubleError("there is no such family", key, advice=advice)
