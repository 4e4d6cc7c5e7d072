"""Notes of what an import found odd: each kind once, with the first lines or files and a count, however many there are."""

from __future__ import annotations

from models_backend.contract.words import counted

FIRST_LINES = 3
MOST = 2000


class Notes:
    """Notes in the order in which their kinds came up."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], tuple[list[str], int]] = {}  # (file or "", what): first lines or files, how many
        self._left_out = 0

    def say(self, text: str) -> None:
        """A note as it stands, once."""
        self._count("", text, "")

    def add(self, name: str, what: str, line: int = 0) -> None:
        """Something odd in a file, at a line or as a whole (0)."""
        self._count(name, what, f"{line:,}" if line else "")

    def of_files(self, what: str, name: str) -> None:
        """Something that may be odd in many files, of which the first is named."""
        self._count("files", what, name)

    def _count(self, kind: str, what: str, first: str) -> None:
        key = (kind, what)
        if key not in self._kinds and len(self._kinds) >= MOST:
            self._left_out += 1
            return
        firsts, count = self._kinds.get(key, ([], 0))
        self._kinds[key] = ([*firsts, first] if len(firsts) < FIRST_LINES and first else firsts, count + 1)

    def texts(self) -> list[str]:
        """All notes as sentences."""
        made = [_text(kind, what, firsts, count) for (kind, what), (firsts, count) in self._kinds.items()]
        return made + ([f"and {counted(self._left_out, 'more note')}"] if self._left_out else [])


def _text(kind: str, what: str, firsts: list[str], count: int) -> str:
    if kind == "files":
        return f"{firsts[0]}" + (f" and {counted(count - 1, 'more file')}" if count > 1 else "") + f": {what}"
    if not kind or not firsts:
        return f"{kind}: {what}" if kind else what
    more = f" and {count - len(firsts):,} more" if count > len(firsts) else ""
    return f"{kind}, line{'s' if count > 1 else ''} {', '.join(firsts)}{more}: {what}"
