"""Children forked from this process, which has torch loaded once: each lives for one trial and may be killed at any moment.

Everything that opens a library, trains or imports happens in a child, so that this process stays clean to fork from."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Say = Callable[[Any], None]
RAISED = 70


@dataclass
class Outcome:
    """How a child ended: by SIGKILL, or with ``code``; what it said before, and what it wrote to standard error."""

    killed: bool
    code: int
    said: list[Any] = field(default_factory=list)
    errors: str = ""

    @property
    def raised(self) -> str:
        """The last lines of the traceback of a child that raised; "" for any other end."""
        return "\n".join(self.errors.splitlines()[-12:]) if self.code == RAISED or self.code < 0 else ""


class Child:
    """A forked child that runs ``act(say)`` and exits with the number it returns. ``say`` sends JSON, a line each."""

    def __init__(self, act: Callable[[Say], int | None]):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in end()
        self._pipe, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._pipe)
            self._live(act, theirs)
        os.close(theirs)
        self._heard = b""
        self._open = True

    def _live(self, act: Callable[[Say], int | None], pipe: int) -> None:
        code = RAISED
        try:
            os.setsid()
            os.dup2(self._errors.fileno(), 2)
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  not the one that pytest put there
            code = act(lambda what: os.write(pipe, json.dumps(what).encode() + b"\n") and None) or 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stderr.flush()
            os._exit(code)

    def listen(self, seconds: float) -> bool:
        """Takes in what the child says for that long; False once it has ended."""
        end = time.monotonic() + seconds
        while self._open and (left := end - time.monotonic()) > 0:
            if select.select([self._pipe], [], [], left)[0]:
                self._take()
        return self._open

    def _take(self) -> None:
        piece = os.read(self._pipe, 1 << 16)
        self._heard += piece
        self._open = bool(piece)

    def kill(self) -> None:
        """SIGKILL, to this one process only."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> Outcome:
        """Waits for the end."""
        while self._open:
            self._take()
        os.close(self._pipe)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._errors.seek(0)
        with self._errors as errors:
            told = errors.read().decode(errors="replace")
        whole = self._heard.rpartition(b"\n")[0].splitlines()
        return Outcome(status == -signal.SIGKILL, status, [json.loads(line) for line in whole], told)


def forked(act: Callable[[Say], int | None]) -> Outcome:
    """``act`` in a child, to its end."""
    return Child(act).end()


def answer(act: Callable[[], Any]) -> Any:
    """What ``act`` returns (anything JSON can hold), computed in a child. RuntimeError where it raised."""
    outcome = forked(lambda say: say(act()))
    if outcome.code:
        raise RuntimeError(outcome.raised or f"the child ended with {outcome.code}")
    return outcome.said[-1]


def companions(session: int, seconds: float) -> list[str]:
    """Processes of a dead child's session that still live after that many seconds (zombies do not count)."""
    end = time.monotonic() + seconds
    while (left := _living(session)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def _living(session: int) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            rest = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(rest[3]) == session and rest[0] != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " ").strip())
    return found
