"""The families' descriptions, cached per version and file stamp, so that panels draw before any worker is up."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pkgutil
import subprocess
from collections.abc import Awaitable, Callable
from importlib import metadata
from pathlib import Path

import msgspec

from models_backend.contract.family import FamilyDescription
from models_backend.contract.messages import TroubleError
from models_backend.library import storage

from . import postmortem, processes

PACKAGE = Path(__file__).parent.parent
#: packages whose files shape a description
SOURCES = ("contract", "families", "kinds", "objectives", "samplers", "networks", "codecs", "conditions")
DESCRIBE_TIMEOUT_S = 300.0

Ask = Callable[[], Awaitable[list[FamilyDescription]]]


class Cached(msgspec.Struct):
    """``cache/families.json``."""

    stamp: str
    families: list[FamilyDescription]


def stamp() -> str:
    """Changes when the studio's version or any file changes that a description may depend on (names, sizes, times)."""
    digest = hashlib.sha256(_version().encode())
    for folder in _folders():
        for entry in sorted(folder.glob("**/*.py")):
            status = entry.stat()
            digest.update(f"{entry.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _version() -> str:
    try:
        return metadata.version("nexus-studio")
    except metadata.PackageNotFoundError:
        return "source"


def _folders() -> list[Path]:
    return [folder for folder in [*(PACKAGE / name for name in SOURCES), *_added()] if folder.is_dir()]


def _added() -> list[Path]:
    return [Path(p) for p in os.environ.get("NEXUS_FAMILIES", "").split(os.pathsep) if p]


def keys() -> list[str]:
    """The names of the families' files: no other key can be a family's."""
    packaged = [module.name for module in pkgutil.iter_modules([str(PACKAGE / "families")])]
    return sorted({*packaged, *(path.stem for folder in _added() for path in folder.glob("*.py"))})


def load(cache: Path) -> Cached | None:
    """What was cached, fresh or not; None where there is nothing that can be read."""
    try:
        return msgspec.json.decode((cache / "families.json").read_bytes(), type=Cached)
    except (OSError, msgspec.MsgspecError):
        return None  # a cache: it is made again


def store(cache: Path, families: list[FamilyDescription], of: str) -> None:
    """Keeps descriptions for the next start."""
    storage.make_folder(cache)
    storage.write_bytes(cache / "families.json", msgspec.json.encode(Cached(of, families)))


async def ask(library: Path) -> list[FamilyDescription]:
    """Descriptions from a fresh process (imports torch: seconds). Raises TroubleError with its last words."""
    arguments = processes.command("describe", "--library", str(library))
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=processes.environment(),
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), DESCRIBE_TIMEOUT_S)
    except (asyncio.CancelledError, TimeoutError):
        process.kill()
        raise
    if process.returncode:
        last = err.decode(errors="replace")
        raise TroubleError("the families could not be described", advice="See the details", detail=last[-postmortem.TAIL :])
    return msgspec.json.decode(out, type=list[FamilyDescription])


async def refreshed(cache: Path, ask: Ask) -> list[FamilyDescription]:
    """Descriptions that fit the files as they are now: from the cache where its stamp fits, else asked and kept."""
    cached, now = await asyncio.to_thread(lambda: (load(cache), stamp()))
    if cached and cached.stamp == now:
        return cached.families
    families = await ask()
    await asyncio.to_thread(store, cache, families, now)
    return families
