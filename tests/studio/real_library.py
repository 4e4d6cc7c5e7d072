"""An engine that has a library and nothing else, for windows whose models do not matter, and sessions on it."""

import asyncio
from contextlib import asynccontextmanager

import shiboken6
from scripted_window import settle

from nexus_studio.bridge import Bridge
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.session import Session


class RealLibrary:
    """An engine of a library alone."""

    def __init__(self, library, **_):
        self.library = library

    def subscribe(self, callback):
        return lambda: None

    def descriptions(self):
        return []

    def queue(self):
        return []

    def live(self):
        return []

    async def start(self):
        pass

    async def warm_up(self):
        pass

    async def devices(self):
        return []

    async def described(self):
        return []

    async def close(self):
        pass


async def a_session(library, kept):
    """One on a library, ready; its preferences are the file ``kept``."""
    session = Session(Bridge(None, asyncio.get_running_loop()), Preferences(kept))
    session.bridge.attach(RealLibrary(library))
    await settle(lambda: session.is_ready)
    return session


@asynccontextmanager
async def real_session(library, kept):
    """One that ends with its library."""
    session = await a_session(library, kept)
    yield session
    await session.bridge.close()
    session.preferences.close()
    shiboken6.delete(session)
    library.close()
