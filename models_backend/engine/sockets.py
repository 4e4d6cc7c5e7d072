"""Private local sockets: Unix sockets in folders that only the user may enter, named pipes on Windows. Never TCP."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from models_backend.contract.messages import STREAM_LIMIT

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def private_folder() -> Path:
    """A fresh folder of mode 0700 for sockets and logs that live as long as their owner."""
    return Path(tempfile.mkdtemp(prefix="nexus-"))


def discard_folder(folder: Path) -> None:
    """Removes a private folder; what cannot be removed stays for the system's own cleaning."""
    shutil.rmtree(folder, ignore_errors=True)


def pipe_name(path: Path) -> str:
    """The named pipe that stands for a socket path on Windows (pipes have a name space of their own)."""
    return rf"\\.\pipe\nexus-studio-{hashlib.sha256(str(path).encode()).hexdigest()[:32]}"


async def listen(path: Path, serve: Serve) -> Any:
    """Starts to serve ``path``; a socket file left by a dead process is replaced. Returns the server (``.close()``)."""
    if sys.platform == "win32":
        return await _listen_on_pipe(path, serve)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(serve, path=str(path), limit=STREAM_LIMIT)
    path.chmod(0o600)
    return server


async def connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to ``path``. Raises OSError where nobody listens."""
    if sys.platform == "win32":
        return await _connect_to_pipe(path)
    return await asyncio.open_unix_connection(str(path), limit=STREAM_LIMIT)


async def _listen_on_pipe(path: Path, serve: Serve) -> Any:
    loop = asyncio.get_running_loop()

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=STREAM_LIMIT), serve)

    (server,) = await loop.start_serving_pipe(protocol, pipe_name(path))
    return server


async def _connect_to_pipe(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=STREAM_LIMIT)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.create_pipe_connection(lambda: protocol, pipe_name(path))
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
