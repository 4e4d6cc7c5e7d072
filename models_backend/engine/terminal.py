"""How a command tells what it does: a progress bar on a terminal, plain lines elsewhere, JSON lines for scripts."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from typing import Any, TextIO

from models_backend.contract.messages import Trouble
from models_backend.contract.pace import Pace

_BLOCKS = " ▏▎▍▌▋▊▉█"
#: Letters that a bar takes: in a narrow terminal it shrinks first, then it goes and the figures have the line.
WIDEST_BAR, NARROWEST_BAR = 24, 4

#: What a terminal acts on rather than shows: control characters, marks of direction, ends of lines that are no "\\n",
#: lone halves of letters; and what shows nothing at all and can so make two names look alike.
_UNSEEN = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f]"
)
#: Those that letters and pictures of many languages need between them; they change nothing but how their neighbours join.
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    """A text whose every letter is seen as it is: names and titles of others stand in it. Ends of lines stay."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] in _JOINERS else _escaped(found[0]), text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


#: exit status of a command that was stopped before its end
INTERRUPTED = 130
#: the message of a cancellation that a batch system asked for, where nobody is at the keyboard
TERMINATED = "SIGTERM"


class Reporter:
    """Notes and progress on stderr, results on stdout; with ``as_json`` one JSON object a line on stdout.

    Away from a terminal a progress line is printed at most every ``every_s`` seconds. ``interrupted``: what is said where the
    command is left at once.
    """

    def __init__(self, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None, every_s: float = 10.0):
        self.as_json, self.out, self.err, self.every_s = as_json, out or sys.stdout, err or sys.stderr, every_s
        self.on_terminal = self.err.isatty() and not as_json
        self._last, self._bar_shown, self.interrupted = 0.0, False, "stopped"

    def note(self, text: str, kind: str = "note", **values: Any) -> None:
        """One line about what happens now."""
        self._clear()
        if self.as_json:
            self._json(kind, text=text, **values)
        else:
            print(visible(text), file=self.err, flush=True)

    def progress(self, done: int, total: int, text: str, pace: Pace, begins: bool = False) -> None:
        """How far a long thing is, and how long it still takes once its pace is known. ``begins``: said at once."""
        now = time.monotonic()
        if not begins and done < total and now - self._last < (0.1 if self.on_terminal else self.every_s):
            return
        self._last, text = now, visible(text)
        left_s = pace.left_s(done, total)
        if self.as_json:
            self._json("progress", done=done, total=total, text=text, left_s=round(left_s, 1))
        elif self.on_terminal:
            known = f" · {pace.rate:.3g}/s · {duration(left_s)}" if left_s else ""
            share = f"{done / max(total, 1):.0%}{known} · {text}"
            self._bar(done, total, f"{done:,}/{total:,}{known}{' left' if known else ''} · {text}", share)
        else:
            left = f" · {duration(left_s)} left" if left_s >= 1 else ""
            print(f"  {done:,} of {total:,}{left} · {text}" if total else f"  {text}", file=self.err, flush=True)

    def result(self, text: str, **values: Any) -> None:
        """A line of the command's answer."""
        self._clear()
        if self.as_json:
            self._json("result", **(values or {"text": text.strip()}))
        else:
            print(visible(text), file=self.out, flush=True)

    def done(self, text: str, **values: Any) -> None:
        """The last line: where to look."""
        self._clear()
        if self.as_json:
            self._json("done", text=text, **values)
        else:
            print(visible(text), file=self.out, flush=True)

    def error(self, trouble: Trouble) -> None:
        """One clear line, with advice for the command line; the details stay in the logs."""
        self._clear()
        trouble = trouble.on_terminal()
        if self.as_json:
            self._json("error", what=trouble.what, item=trouble.item, kept=trouble.kept, advice=trouble.advice)
        else:
            print(f"nexus-studio: {visible(str(trouble))}", file=self.err, flush=True)

    def _json(self, kind: str, **values: Any) -> None:
        print(json.dumps({"kind": kind, **values}), file=self.out, flush=True)

    def _bar(self, done: int, total: int, text: str, short: str) -> None:
        room = shutil.get_terminal_size().columns - 1
        text = text if len(text) <= room else short
        width = min(WIDEST_BAR, room - len(text) - 3)
        eighths = round(8 * width * done / max(total, 1))
        bar = ("█" * (eighths // 8) + _BLOCKS[eighths % 8]).ljust(width)[:width]
        line = (f"  {bar} {text}" if width >= NARROWEST_BAR else text)[:room]
        print(f"\r\x1b[2K{line}", end="", file=self.err, flush=True)
        self._bar_shown = True

    def _clear(self) -> None:
        if self._bar_shown:
            print("\r\x1b[2K", end="", file=self.err, flush=True)
            self._bar_shown = False


def duration(seconds: float) -> str:
    """Seconds as a person says them: "48 s", "4 m 36 s", "2 h 05 m"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} m"
