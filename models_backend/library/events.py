"""``events.jsonl``: what a run told, numbered from 1 without a gap, whoever writes and whatever is killed."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import Body, Event, Saved, State, Trouble, TroubleError

from . import guarding, storage
from .appending import Appender
from .trouble import explained

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)
_BLOCK = 1 << 16
#: No event is longer than this; of a longer line only the head is looked at.
LONGEST, _HEAD = 4 << 20, 80
#: What decoding a line that is no event raises.
DAMAGE = (*storage.UNFIT, AttributeError)


class EventLog:
    """The events of one run; ``append`` numbers them, reading needs no open log."""

    def __init__(self, path: str | Path, source: str):
        self.path, self.source = Path(path), source
        self._log: Appender | None = None
        self._last = 0

    def append(self, body: Body) -> Event:
        """Write one event. Raises OSError with the log as it was before."""
        log = self._log = self._log or Appender(self.path)
        with log.held() as moved:
            if moved or not self._last:
                log.repair()
                self._last = last_sequence(self.path)
            event = Event(self._last + 1, time.time(), self.source, body)
            try:
                log.append(_encoder.encode(event) + b"\n", durable=isinstance(body, (State, Saved, Trouble)))
            except OSError:
                self._last = 0
                raise
            self._last = event.seq
        return event

    def sync(self) -> None:
        """Bring every event to the disk."""
        if self._log:
            self._log.sync()

    def close(self) -> None:
        """Let go of the file; a later ``append`` opens it again."""
        if self._log:
            self._log.close()
        self._log, self._last = None, 0


def decode_event(line: bytes) -> Event:
    """One line as an event; figures that JSON cannot hold (NaN) were written as null and come back as NaN."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        value = msgspec.json.decode(line)
        body = value.get("body", {}) if isinstance(value, dict) else {}
        for name in ("losses", "values", "series"):
            if name in body:
                body[name] = _with_nan(body[name])
        return msgspec.convert(value, Event)


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_nan(inner) for inner in value]
    return float("nan") if value is None else value


def read_events(path: str | Path, since: int = 0) -> Iterator[Event]:
    """Events with a number above ``since``, oldest first. A torn last line is left out; a damaged one raises TroubleError."""
    if not Path(path).exists():
        return
    with _opened(path) as file:
        if since:
            file.seek(_offset_after(file, since))
        for line in lines_of(file):
            if not line.endswith(b"\n"):
                return
            event = decode_line(line, path)
            if event.seq > since:
                yield event


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[io.BufferedReader]:
    """The log, to be read. TroubleError where it cannot be, or is no file of ours."""
    with explained("the events cannot be read", "/".join(Path(path).parts[-2:])), guarding.reading(path) as file:
        yield file


def lines_of(file: io.BufferedReader) -> Iterator[bytes]:
    """The lines of a log; of one longer than an event can be only its head, which cannot be decoded."""
    while line := file.readline(LONGEST):
        if len(line) == LONGEST and not line.endswith(b"\n"):
            while (rest := file.readline(_BLOCK)) and not rest.endswith(b"\n"):
                pass
            line = line[:_HEAD] + rest[-1:]
        yield line


def decode_line(line: bytes, path: str | Path) -> Event:
    """As :func:`decode_event`, with TroubleError that names the run."""
    try:
        return decode_event(line)
    except DAMAGE as error:
        item = "/".join(Path(path).parts[-2:])
        raise TroubleError(f"a line is damaged: {error}", item, advice="Run `nexus-studio fsck --repair`") from error


def _offset_after(file: Any, since: int) -> int:
    """A byte offset at a line start, at or before the first event above ``since``: bisection over the file."""
    low, high = 0, file.seek(0, 2)
    while high - low > _BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        start, line = file.tell(), file.readline(LONGEST)
        if start >= high or not line.endswith(b"\n") or sequence_of(line) > since:
            high = middle
        else:
            low = start
    return low


def sequence_of(line: bytes) -> int:
    """The number of an encoded event, without decoding the rest."""
    head = line[:40]
    if head.startswith(b'{"seq":'):
        digits = head[7:].split(b",")[0]
        if digits.isdigit():
            return int(digits)
    return decode_event(line).seq


def backwards(path: str | Path) -> Iterator[bytes]:
    """The whole lines of a file, last first; of one longer than an event can be only its head."""
    if not Path(path).exists():
        return
    with _opened(path) as file:
        end, begun, torn = file.seek(0, 2), _Begun(), True
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            first, *whole = file.read(end - start).split(b"\n")
            end = start
            if whole:
                last = begun.line(whole.pop())
                if not torn:
                    yield last
                torn = False
                yield from reversed(whole)
            begun.add(first)
        if not torn and (rest := begun.line(b"")):
            yield rest


class _Begun:
    """A line of which the end has been read, piece by piece from the right."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """The next piece to the left."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > LONGEST:
            self._pieces = [b"".join(reversed(self._pieces))[:_HEAD]]

    def line(self, piece: bytes) -> bytes:
        """The line with its first piece; the next one begins."""
        self.add(piece)
        found = b"".join(reversed(self._pieces))
        self._pieces, self._size = [], 0
        return found


def last_sequence(path: str | Path) -> int:
    """The number of the last whole event; 0 where there is none."""
    for line in backwards(path):
        return sequence_of(line)
    return 0


def last_state(path: str | Path) -> tuple[State | None, int]:
    """The last state told, and the step of the last event that names one."""
    step = -1
    for line in backwards(path):
        is_state = b'"type":"state"' in line
        if step >= 0 and not is_state:
            continue
        if is_state or b'"step":' in line:
            body = decode_line(line, path).body
            step = max(getattr(body, "step", 0), 0) if step < 0 else step
            if isinstance(body, State):
                return body, step
    return None, max(step, 0)


def last_saved(path: str | Path) -> int | None:
    """The step of the checkpoint that was told last; None where none was, or the log cannot be read."""
    with contextlib.suppress(TroubleError):
        for line in backwards(path):
            if b'"type":"saved"' in line:
                body = decode_line(line, path).body
                if isinstance(body, Saved):
                    return body.step
    return None
