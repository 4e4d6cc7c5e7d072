"""The viewer's process as seen from the engine: started with the first view, ended when nobody looks for a while."""

from __future__ import annotations

import asyncio
import subprocess

import msgspec

from models_backend.contract.messages import STREAM_LIMIT
from models_backend.contract.views import Seen, View

from . import processes

VIEWER = "models_backend.workers.viewing"
IDLE_S = 60.0
LEAVE_S = 5.0
ENDED = "the process that reads pictures has ended"


class Viewer:
    """Pictures of data sets at the size of a view, one after another."""

    def __init__(self, module: str = VIEWER):
        self._module, self._turn = module, asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Task | None = None
        self._closed = False

    async def see(self, view: View) -> Seen:
        """One picture, or why there is none; never raises for a picture."""
        async with self._turn:
            if self._closed:
                return Seen(why=ENDED)
            try:
                return await self._asked(view)
            except (OSError, EOFError, msgspec.DecodeError):  # it has died: the next view starts another
                await self._end()
                return Seen(why=ENDED)
            except asyncio.CancelledError:  # its answer would be taken for the next one's
                if self._process is not None:
                    self._process.kill()
                    self._process = None
                raise
            finally:
                self._wait_idle()

    async def _asked(self, view: View) -> Seen:
        process = self._process or await self._start()
        body = msgspec.msgpack.encode(view)
        process.stdin.write(len(body).to_bytes(4, "big") + body)
        await process.stdin.drain()
        size = int.from_bytes(await process.stdout.readexactly(4), "big")
        return msgspec.msgpack.decode(await process.stdout.readexactly(size), type=Seen)

    async def _start(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            *processes.command(module=self._module), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, limit=STREAM_LIMIT, env=processes.environment(),
        )  # fmt: skip
        return self._process

    def _wait_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._leave)

    def _leave(self) -> None:
        self._leaving = asyncio.ensure_future(self._rest())

    async def _rest(self) -> None:
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), LEAVE_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def close(self) -> None:
        """Ends the process; a picture that is being read is given up."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        if self._process is not None and self._turn.locked():
            self._process.kill()
        await self._rest()
