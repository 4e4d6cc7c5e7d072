"""The importer's process as seen from the engine: one job in, progress and one data set record out."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import STREAM_LIMIT, Event, Failure, Progress, Reply, Told, Trouble
from models_backend.contract.run_layout import DatasetRecord

from . import postmortem, processes, protocol
from .connection import error_of

IMPORTER = "models_backend.workers.importer"
LEAVE_S = 10.0

Tell = Callable[[Progress], None]


class ImportJob(msgspec.Struct):
    """The importer's one line of JSON; see its module."""

    library: str
    paths: tuple[str, ...] = ()
    builtin: str = ""
    title: str = ""
    settings: dict[str, Any] | None = None
    look_for: str = ""
    source: str = "import"


async def carry_out(job: ImportJob, tell: Tell | None = None, module: str = IMPORTER) -> DatasetRecord:
    """Runs the job in its own process. Raises TroubleError; cancelling the task cancels the import, nothing half remains."""
    with tempfile.TemporaryDirectory(prefix="nexus-import-") as folder:
        log = Path(folder) / "log.txt"
        ooms = postmortem.oom_kills()
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *processes.command(module=module),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                limit=STREAM_LIMIT,
                env=processes.environment(),
            )
        try:
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            answer = await _listen(process, tell)
            await process.wait()
        finally:
            await _leave(process)
        if answer is None:
            item = job.title or job.builtin or ", ".join(job.paths[:3])
            raise error_of(_died(process.returncode, log, ooms, item))
        return msgspec.msgpack.decode(answer.value, type=DatasetRecord)


async def _listen(process: asyncio.subprocess.Process, tell: Tell | None) -> Reply | None:
    while (message := await protocol.receive(process.stdout)) is not None:
        match message:
            case Told(Event(body=Progress() as progress)) if tell:
                tell(progress)
            case Reply():
                return message
            case Failure(trouble=trouble):
                raise error_of(trouble)
    return None


async def _leave(process: asyncio.subprocess.Process) -> None:
    """Lets a cancelled importer clean up after itself: the end of its input tells it to stop."""
    process.stdin.close()
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(process.wait())), LEAVE_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _died(status: int | None, log: Path, ooms: int, item: str) -> Trouble:
    trouble = postmortem.cause_of_death(status, log, ooms, item, "Nothing was added; the sources are untouched")
    what = trouble.what.replace("the worker died", "the importer died")
    return msgspec.structs.replace(
        trouble, what=what, advice="Import it again; if it happens again, import fewer files at once"
    )


def plain_settings(settings: Any) -> dict[str, Any] | None:
    """DataSettings or plain values, as plain values."""
    return msgspec.to_builtins(settings) if isinstance(settings, msgspec.Struct) else settings
