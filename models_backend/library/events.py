"""``events.jsonl``: what a run told, numbered from 1 without a gap, whoever writes and whatever is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import Body, Event, Saved, State, Trouble, TroubleError

from .appending import Appender

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)
_BLOCK = 1 << 16


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
    with Path(path).open("rb") as file:
        if since:
            file.seek(_offset_after(file, since))
        for line in file:
            if not line.endswith(b"\n"):
                return
            event = decode_line(line, path)
            if event.seq > since:
                yield event


def decode_line(line: bytes, path: str | Path) -> Event:
    """As :func:`decode_event`, with TroubleError that names the run."""
    try:
        return decode_event(line)
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError) as error:
        item = "/".join(Path(path).parts[-2:])
        raise TroubleError(f"a line is damaged: {error}", item, advice="Run `nexus-studio fsck --repair`") from error


def _offset_after(file: Any, since: int) -> int:
    """A byte offset at a line start, at or before the first event above ``since``: bisection over the file."""
    low, high = 0, file.seek(0, 2)
    while high - low > _BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        start, line = file.tell(), file.readline()
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
    """The whole lines of a file, last first."""
    if not Path(path).exists():
        return
    with Path(path).open("rb") as file:
        end, rest = file.seek(0, 2), b""
        torn = True
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            lines = (file.read(end - start) + rest).split(b"\n")
            rest, end = lines[0], start
            whole = lines[1:]
            if torn and whole:
                whole, torn = whole[:-1], False
            yield from reversed(whole)
        if rest and not torn:
            yield rest


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
